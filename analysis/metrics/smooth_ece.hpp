// SmoothECE (Blasiok & Nakkiran 2023): by its definition, and as the package relplot computes it.
//
// smECE_s = integral over t in [0, 1] of |(1/n) sum_i K_s(t, f_i) (f_i - y_i)|, K_s the Gaussian of
// width s reflected at 0 and 1, f the confidence, y the correctness. The reported width is the
// fixed point smECE_s = s. relplot gives confidences of exactly 0 or 1 half their weight (its
// mirror image leaves the boundary node out), divides by the smoothed density, which suffers the
// same, and stops after 10 bisections: reproduced here only to compare.
#pragma once

#include "analysis/measured.hpp"
#include "analysis/metrics/confidence_profile.hpp"

namespace calsweep::analysis {

struct SmoothError {
  Measured error;
  double width = 0.0;  ///< s, in units of confidence; 0 if there is no error
};

/// The definition, at its fixed point. Residuals are put on a grid of at least 16 nodes per width
/// with four-point (cubic) weights, the mirror images included; relative error below 1e-4. A fixed
/// point below 1 / 4096 is reported as the error at that width. O(groups + 4096 / s).
SmoothError smooth_ece(const ConfidenceProfile& profile);

/// The definition at a width that is given, in (0, 1].
Measured smooth_ece_at(const ConfidenceProfile& profile, double width);

/// `smece`: what smECE of relplot 1.0.3 returns, to about 1e-9: a grid of max(2000, 20 / s) / 2 + 1
/// nodes, linear weights, one mirror image, a mesh of max(200, 10 / s) points, bisection from 1 in
/// 10 steps, widths below 0.001 accepted; `width` is the one it stops at.
SmoothError relplot_smooth_ece(const ConfidenceProfile& profile);

}  // namespace calsweep::analysis
