#include "analysis/statistics/discrete_distribution.hpp"

#include <algorithm>
#include <numeric>

namespace calsweep::analysis {

DiscreteDistribution convolve(const DiscreteDistribution& a, const DiscreteDistribution& b) {
  if (a.empty() || b.empty()) return {};
  DiscreteDistribution sum(a.size() + b.size() - 1, 0.0L);
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] == 0.0L) continue;
    for (std::size_t j = 0; j < b.size(); ++j) sum[i + j] += a[i] * b[j];
  }
  return sum;
}

long double upper_tail(const DiscreteDistribution& distribution, std::int64_t s) {
  const auto from = static_cast<std::size_t>(std::max<std::int64_t>(s, 0));
  long double tail = 0.0L;
  for (std::size_t i = distribution.size(); i-- > from;) tail += distribution[i];
  return std::min(tail, 1.0L);
}

long double lower_tail(const DiscreteDistribution& distribution, std::int64_t s) {
  if (s < 0) return 0.0L;
  const auto end = std::min(distribution.size(), static_cast<std::size_t>(s) + 1);
  const auto last = distribution.begin() + static_cast<std::ptrdiff_t>(end);
  return std::min(std::accumulate(distribution.begin(), last, 0.0L), 1.0L);
}

DiscreteDistribution fair_subset_sums(std::span<const std::int64_t> values) {
  std::int64_t largest = 0;
  for (const auto value : values) largest += value;
  DiscreteDistribution sums(static_cast<std::size_t>(largest) + 1, 0.0L);
  sums[0] = 1.0L;
  std::size_t reached = 0;
  for (const auto value : values) {
    const auto step = static_cast<std::size_t>(value);
    reached += step;
    for (std::size_t s = reached + 1; s-- > step;) sums[s] = (sums[s] + sums[s - step]) / 2.0L;
    for (std::size_t s = 0; s < step; ++s) sums[s] /= 2.0L;
  }
  return sums;
}

}  // namespace calsweep::analysis
