#include "analysis/metrics/auroc.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

std::vector<double> sorted(std::span<const double> values) {
  std::vector<double> copy(values.begin(), values.end());
  for (const double v : copy) {
    if (std::isnan(v)) throw FormatError("AUROC: a score is NaN");
  }
  std::sort(copy.begin(), copy.end());
  return copy;
}

}  // namespace

Measured auroc(std::span<const double> positive, std::span<const double> negative) {
  if (positive.empty() || negative.empty()) return Measured::none("one of the two sets is empty");
  const auto high = sorted(positive);
  const auto low = sorted(negative);
  std::uint64_t doubled_u = 0;
  std::size_t below = 0;
  std::size_t not_above = 0;
  for (const double score : high) {
    while (below < low.size() && low[below] < score) ++below;
    not_above = std::max(not_above, below);
    while (not_above < low.size() && low[not_above] <= score) ++not_above;
    doubled_u += below + not_above;
  }
  const double pairs = static_cast<double>(high.size()) * static_cast<double>(low.size());
  return Measured::of(static_cast<double>(doubled_u) / 2.0 / pairs);
}

}  // namespace calsweep::analysis
