// Calibrators that treat each class against the rest and then normalise: histogram binning
// (Zadrozny & Elkan 2001), Bayesian binning into quantiles (Naeini et al. 2015), isotonic
// regression (Zadrozny & Elkan 2002), its near-isotonic ensemble ENIR (Naeini & Cooper 2016) and
// beta calibration (Kull et al. 2017).
//
// Two classes: one map, of the probability of class 1; class 0 gets the rest. More: one map per
// class, divided by their sum; where all maps give 0 the row becomes 1 / K (as scikit-learn does),
// and is counted.
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "analysis/calibrators/calibrator.hpp"
#include "analysis/calibrators/logit_rows.hpp"

namespace calsweep::analysis {

/// One class against the rest, for some rows. log_rest = ln(1 - p), not from p but from the logits:
/// exact also where p rounds to 1.
struct ClassScores {
  Eigen::ArrayXd p, log_p, log_rest;  ///< [rows]
};
/// [K] of one block of logits.
std::vector<ClassScores> class_scores(const LogitRows::Block& z);

class BinaryMap {
 public:
  virtual ~BinaryMap() = default;
  /// Calibrated probabilities in [0, 1], [rows].
  virtual Eigen::ArrayXd apply(const ClassScores& scores) const = 0;
};

/// A map, or the reason why there is none.
struct BinaryMapFit {
  std::unique_ptr<BinaryMap> map;
  std::string reason;
  std::vector<CalibratorParameter> weights;  ///< named without the class
};

/// targets: [n] 1 where the label is the class, else 0.
/// Histogram binning: n_bins equal bins (m/B, (m+1)/B], 0 in the first; a bin gives the fraction of
/// ones among its rows; a bin without rows leaves p as it is.
BinaryMapFit fit_histogram_map(const ClassScores& scores, const Eigen::ArrayXd& targets,
                               std::int64_t n_bins);
/// Isotonic regression of the target on p (isotonic.hpp).
BinaryMapFit fit_isotonic_map(const ClassScores& scores, const Eigen::ArrayXd& targets);
/// ENIR on p (near_isotonic.hpp).
BinaryMapFit fit_near_isotonic_map(const ClassScores& scores, const Eigen::ArrayXd& targets);
/// Bayesian binning into quantiles of p (bayesian_binning.hpp).
BinaryMapFit fit_bayesian_binning_map(const ClassScores& scores, const Eigen::ArrayXd& targets);
/// logit q = a ln p - b ln(1 - p) + c, a >= 0, b >= 0, least NLL: the exact constrained optimum
/// (the best of all active sets). No fit if one class is missing, or if some threshold on p
/// separates.
BinaryMapFit fit_beta_map(const ClassScores& scores, const Eigen::ArrayXd& targets);

/// `histogram-binning`, `bbq`, `isotonic`, `enir` and `beta`.
CalibratorFit fit_one_vs_rest(std::string_view name, const LogitRows& rows,
                              std::span<const std::int32_t> labels,
                              const CalibratorOptions& options);

}  // namespace calsweep::analysis
