// Platt scaling of two-class logits: q(1) = sigma(a s + b) with s = z1 - z0 (Platt 1999).
//
// Fitted to Platt's smoothed targets, (n1 + 1) / (n1 + 2) for class 1 and 1 / (n0 + 2) for class 0,
// not to the labels themselves: a minimiser then exists even for separable rows.
#pragma once

#include <cstdint>
#include <span>

#include "analysis/calibrators/calibrator.hpp"
#include "analysis/calibrators/logit_rows.hpp"

namespace calsweep::analysis {

/// `platt`. K other than 2, rows of one class only and logit differences that are all equal: no
/// fit.
CalibratorFit fit_platt(const LogitRows& rows, std::span<const std::int32_t> labels);

}  // namespace calsweep::analysis
