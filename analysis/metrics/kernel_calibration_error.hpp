// Kernel calibration error of the top label: MMCE (Kumar, Sarawagi & Jain 2018), the scalar case of
// Widmann et al. 2019. Residuals d_i = c_i - a_i (confidence, correctness), Laplacian kernel
// k(x, y) = exp(-|x - y| / 0.4). In one dimension the double sum over pairs splits at the order of
// the confidences, sum_{j<i} d_j exp(c_j / w) times d_i exp(-c_i / w): one running sum over the
// sorted groups gives it exactly, O(groups).
#pragma once

#include "analysis/measured.hpp"
#include "analysis/metrics/confidence_profile.hpp"

namespace calsweep::analysis {

inline constexpr double kMmceWidth = 0.4;

struct KernelError {
  /// sqrt((1/n^2) sum_{i,j} d_i d_j k(c_i, c_j)): the published, biased form; in [0, 1].
  Measured mmce;
  /// (1/(n (n - 1))) sum_{i != j} d_i d_j k(c_i, c_j): unbiased for the square, may be negative;
  /// no value below two rows.
  Measured unbiased_squared;
};

/// width in [0.01, 1000], else UsageError (exponentials beyond it leave the range of double).
KernelError kernel_calibration_error(const ConfidenceProfile& profile, double width = kMmceWidth);

}  // namespace calsweep::analysis
