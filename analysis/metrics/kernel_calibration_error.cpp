#include "analysis/metrics/kernel_calibration_error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sweeps/errors.hpp"

namespace calsweep::analysis {

KernelError kernel_calibration_error(const ConfidenceProfile& profile, double width) {
  if (!(width >= 0.01 && width <= 1000.0)) {
    throw UsageError(fmt::format("a kernel width must lie in [0.01, 1000], not {}", width));
  }
  if (profile.empty()) {
    const auto none = Measured::none("the set is empty");
    return {none, none};
  }
  double before = 0.0;    // sum of d_j exp(c_j / w) over the groups before
  double pairs = 0.0;     // sum over all i, j
  double diagonal = 0.0;  // sum of d_i^2
  for (const auto& group : profile.groups()) {
    const double count = static_cast<double>(group.count);
    const double correct = static_cast<double>(group.correct);
    const double residual = count * group.confidence - correct;
    const double growth = std::exp(group.confidence / width);
    pairs += residual * (residual + 2.0 * before / growth);
    before += residual * growth;
    diagonal += (count - correct) * group.confidence * group.confidence +
                correct * (1.0 - group.confidence) * (1.0 - group.confidence);
  }
  const double n = static_cast<double>(profile.n_rows());
  const auto unbiased = profile.n_rows() < 2 ? Measured::none("one row makes no pair")
                                             : Measured::of((pairs - diagonal) / (n * (n - 1.0)));
  return {Measured::of(std::sqrt(std::max(pairs, 0.0)) / n), unbiased};
}

}  // namespace calsweep::analysis
