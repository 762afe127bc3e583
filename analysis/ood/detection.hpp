// How well one score separates in-distribution (ID) from out-of-distribution (OOD) rows: AUROC,
// AUPR, FPR at 95 % TPR, detection error. Scores are higher for more in-distribution rows.
//
// Libraries differ in which side is positive and in how they integrate precision; every number here
// says which. All of them come from one sort and integer counts per distinct score, so ties are
// exact: rows with one score are accepted or rejected together.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "analysis/measured.hpp"
#include "analysis/metrics/score_groups.hpp"

namespace calsweep::analysis {

/// One threshold: a row is called ID if score >= threshold (ID positive), or OOD if
/// score <= threshold (OOD positive). The threshold is always an observed score.
struct OperatingPoint {
  Measured false_positive_rate;
  Measured true_positive_rate;
  Measured threshold;  ///< no value if the score is infinite
};

struct DetectionError {
  Measured error;      ///< min over thresholds of (FNR + FPR) / 2, in [0, 0.5]
  Measured threshold;  ///< the highest that reaches it; ID if score >= threshold
};

struct Detection {
  std::int64_t n_in = 0;
  std::int64_t n_out = 0;
  Measured auroc;                 ///< P(ID > OOD) + P(equal) / 2
  Measured auroc_standard_error;  ///< DeLong
  Measured aupr_in;               ///< ID positive, average precision
  Measured aupr_out;              ///< OOD positive, average precision
  Measured aupr_in_trapezoid;     ///< ID positive, trapezoid rule
  Measured aupr_out_trapezoid;    ///< OOD positive, trapezoid rule
  OperatingPoint fpr95_in;        ///< ID positive (Liang et al. 2018, ODIN; OpenOOD v1)
  OperatingPoint fpr95_out;       ///< OOD positive (OpenOOD v1.5)
  DetectionError detection_error;
};

/// All of the above. `what` names the sets in messages. An empty side: no values, with the reason.
/// Throws FormatError for NaN scores. O(n log n).
Detection detection(std::span<const double> in_scores, std::span<const double> out_scores,
                    std::string_view what);

/// Which rows count as positive.
enum class PositiveSide { InDistribution, OutOfDistribution };

/// sum over thresholds of (R_i - R_{i-1}) P_i, from the most positive score on (scikit-learn's
/// average_precision_score). `groups`: ID as its positive side.
Measured average_precision(const ScoreGroups& groups, PositiveSide side);

/// The same recalls and precisions joined by straight lines, starting at recall 0, precision 1:
/// what `auc(recall, precision)` of scikit-learn's precision_recall_curve gives (OpenOOD).
Measured trapezoid_aupr(const ScoreGroups& groups, PositiveSide side);

/// The strictest threshold at which at least `tpr_percent` of 100 positives are found, decided in
/// integers. tpr_percent in 1...100, else UsageError.
OperatingPoint fpr_at_tpr(const ScoreGroups& groups, PositiveSide side, int tpr_percent);

/// Equal weight on both sides whatever their sizes (Liang et al. 2018 with P(ID) = 1/2).
DetectionError detection_error(const ScoreGroups& groups);

}  // namespace calsweep::analysis
