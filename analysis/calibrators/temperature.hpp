// Temperature scaling: q = softmax(z / T) (Guo et al. 2017), by its certified optimum.
//
// In beta = 1 / T the mean NLL is convex (its second derivative is the mean variance of z under q),
// so the optimum is the root of a monotone gradient: bracketed, then found by TOMS 748 to the last
// bits, then certified by the gradient's sign on both sides. T is the divisor; beta the multiplier
// (some texts call beta "temperature"). T < 1 is allowed.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "analysis/calibrators/calibrator.hpp"
#include "analysis/calibrators/logit_rows.hpp"

namespace calsweep::analysis {

struct TemperatureOptimum {
  std::string reason;  ///< why there is no optimum; empty if there is one
  double beta = 1.0;   ///< 1 / T
  /// The gradient is negative at `beta_lower` and positive at `beta_upper`: the optimum of the
  /// double-precision gradient lies between. Equal to each other if that could not be shown.
  double beta_lower = 1.0, beta_upper = 1.0;
  double beta_standard_error = 0.0;  ///< from the observed information, 1 / sqrt(n * curvature)
  double nll_before = 0.0, nll_after = 0.0;  ///< mean, nats
  std::int64_t evaluations = 0;

  bool certified() const { return beta_lower < beta_upper; }
};

/// rows: n >= 1, finite; labels: [n] in range. No optimum exists if every label has the largest
/// logit of its row (T -> 0), if the logits tell nothing (beta <= 0: T infinite or negative), or if
/// all logits of a row are equal in every row. `n_bits`: how exactly beta is wanted.
TemperatureOptimum find_temperature(const LogitRows& rows, std::span<const std::int32_t> labels,
                                    int n_bits = 50);

/// `temperature`.
CalibratorFit fit_temperature(const LogitRows& rows, std::span<const std::int32_t> labels);

/// `temperature-ece10-grid`: the T of {1, 1.05, 1.1, 1.2, 1.5, 2, 3, 5} with the least ECE under
/// `noise2026` with 10 bins, the first of equals: what the published code of Cheon & Paik 2026
/// does. It minimises no NLL and never goes below 1. For replication only.
CalibratorFit fit_temperature_ece_grid(const LogitRows& rows, std::span<const std::int32_t> labels);

/// softmax(beta z) with the predicted classes of z: the map cannot move them, rounding must not.
CalibratedOutputs scale_by_beta(const LogitRows& rows, double beta);

}  // namespace calsweep::analysis
