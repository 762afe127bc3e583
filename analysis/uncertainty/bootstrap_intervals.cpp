#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <numeric>

#include "analysis/uncertainty/bootstrap.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

Interval none(const char* reason) { return {Measured::none(reason), Measured::none(reason)}; }

/// Linear between order statistics, the k-th at k / (R + 1); the ends beyond the first and last.
double quantile(const std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() + 1) - 1.0;
  const double last = static_cast<double>(sorted.size() - 1);
  const double inside = std::clamp(at, 0.0, last);
  const auto below = static_cast<std::size_t>(inside);
  const auto above = std::min(below + 1, sorted.size() - 1);
  const double u = inside - static_cast<double>(below);
  return (1.0 - u) * sorted[below] + u * sorted[above];
}

std::vector<double> sorted_values(const Replicates& replicates, double level) {
  if (!(level > 0.0 && level < 1.0)) throw UsageError("a confidence level must lie in (0, 1)");
  auto sorted = replicates.resampled;
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

/// sum d^3 / (6 (sum d^2)^1.5), d = mean - jackknifed value; 0 if they are all alike.
double acceleration(const std::vector<double>& jackknifed) {
  if (jackknifed.empty()) return 0.0;
  const double mean = std::accumulate(jackknifed.begin(), jackknifed.end(), 0.0) /
                      static_cast<double>(jackknifed.size());
  double squares = 0.0, cubes = 0.0;
  for (const double value : jackknifed) {
    const double d = mean - value;
    squares += d * d;
    cubes += d * d * d;
  }
  return squares > 0.0 ? cubes / (6.0 * squares * std::sqrt(squares)) : 0.0;
}

}  // namespace

Interval percentile_interval(const Replicates& replicates, double level) {
  const auto sorted = sorted_values(replicates, level);
  if (sorted.empty()) return none("no resample");
  return {Measured::of(quantile(sorted, (1.0 - level) / 2.0)),
          Measured::of(quantile(sorted, (1.0 + level) / 2.0))};
}

Interval basic_interval(const Replicates& replicates, double level) {
  const auto percentile = percentile_interval(replicates, level);
  if (!percentile.lower.has_value()) return percentile;
  return {Measured::of(2.0 * replicates.observed - percentile.upper.value),
          Measured::of(2.0 * replicates.observed - percentile.lower.value)};
}

Interval bca_interval(const Replicates& replicates, double level) {
  const auto sorted = sorted_values(replicates, level);
  if (sorted.empty()) return none("no resample");
  const auto [first, last] = std::equal_range(sorted.begin(), sorted.end(), replicates.observed);
  const double below =
      static_cast<double>(first - sorted.begin()) + static_cast<double>(last - first) / 2.0;
  const double share = below / static_cast<double>(sorted.size());
  if (sorted.front() == sorted.back()) {
    return {Measured::of(sorted.front()), Measured::of(sorted.front())};
  }
  if (share <= 0.0 || share >= 1.0) {
    return none("every resampled value lies on one side of the observed one");
  }
  const boost::math::normal normal;
  const double bias = boost::math::quantile(normal, share);
  const double acceleration_of = acceleration(replicates.jackknifed);
  const auto adjusted = [&](double tail) {
    const double z = bias + boost::math::quantile(normal, tail);
    return quantile(sorted, boost::math::cdf(normal, bias + z / (1.0 - acceleration_of * z)));
  };
  return {Measured::of(adjusted((1.0 - level) / 2.0)), Measured::of(adjusted((1.0 + level) / 2.0))};
}

}  // namespace calsweep::analysis
