// Isotonic regression by pool-adjacent-violators, and the calibrator on (confidence, correct).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "analysis/calibrators/calibrator.hpp"
#include "analysis/calibrators/logit_rows.hpp"
#include "analysis/calibrators/score_functions.hpp"

namespace calsweep::analysis {

/// Least squares over all non-decreasing functions of x, equal weights (pool-adjacent-violators;
/// Barlow et al. 1972). Rows of equal x are one point with their mean, so the result does not
/// depend on the order of rows. Exact for targets 0 and 1: means are compared as fractions of
/// integers. x, target: [n], finite; n >= 1. Knots: the ends of each pool. O(n log n).
PiecewiseLinear fit_isotonic(std::span<const double> x, std::span<const double> target);

/// `isotonic-top-label`: isotonic regression of correctness on confidence (what Cheon & Paik 2026
/// compare with).
CalibratorFit fit_isotonic_top_label(const LogitRows& rows, std::span<const std::int32_t> labels);

}  // namespace calsweep::analysis
