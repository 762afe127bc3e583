// Selective prediction: what accuracy is left when only the most confident rows are answered.
//
// Rows are taken in descending confidence. Where rows tie, every number is its expectation over all
// orders of the tied rows, so nothing depends on the order of the file.
#pragma once

#include <cstdint>
#include <vector>

#include "analysis/measured.hpp"
#include "analysis/metrics/confidence_profile.hpp"

namespace calsweep::analysis {

struct RiskCoveragePoint {
  double threshold = 0.0;  ///< rows with at least this confidence are answered
  std::int64_t answered = 0, wrong = 0;
};
/// One point per group, coverage ascending (answered / n); risk is wrong / answered (El-Yaniv &
/// Wiener 2010).
std::vector<RiskCoveragePoint> risk_coverage_curve(const ConfidenceProfile& profile);

/// Accuracy of the ceil(coverage * n) most confident rows. coverage in (0, 1], else UsageError.
Measured accuracy_at_coverage(const ConfidenceProfile& profile, double coverage);

/// Accuracy when the max(1, floor(fraction * n)) least confident rows are handed to somebody who is
/// always right: oracle-collaborative accuracy (Kivlichan et al. 2021). fraction in (0, 1], else
/// UsageError.
Measured oracle_collaborative_accuracy(const ConfidenceProfile& profile, double fraction);

/// P(confidence of a correct row > of a wrong one) + P(equal) / 2: how well confidence tells right
/// from wrong, whatever its scale. Exact counts. No value where all rows are right or all wrong.
Measured calibration_auroc(const ConfidenceProfile& profile);

struct SelectivePrediction {
  /// (1/n) sum over k = 1 … n of the risk of the k most confident rows (Geifman & El-Yaniv 2017).
  Measured aurc;
  /// The same with all wrong rows ranked last: what no ranking can beat.
  Measured oracle_aurc;
  Measured excess_aurc;  ///< aurc - oracle_aurc (Geifman et al. 2019)
  /// Area under wrong answered rows / n against coverage, trapezoids (Traub et al. 2024). Equals
  /// acc (1 - acc) (1 - AUROC) + (1 - acc)^2 / 2, AUROC of confidence for correctness.
  Measured augrc;
};
/// O(groups).
SelectivePrediction selective_prediction(const ConfidenceProfile& profile);

}  // namespace calsweep::analysis
