#include "analysis/statistics/hodges_lehmann.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <numeric>
#include <vector>

#include "analysis/statistics/normal_tail.hpp"
#include "analysis/statistics/paired_differences.hpp"
#include "analysis/statistics/signed_ranks.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

std::vector<double> walsh_averages(std::span<const double> d) {
  std::vector<double> averages;
  averages.reserve(d.size() * (d.size() + 1) / 2);
  for (std::size_t i = 0; i < d.size(); ++i) {
    for (std::size_t j = i; j < d.size(); ++j) averages.push_back((d[i] + d[j]) / 2.0);
  }
  return averages;
}

/// The rank of the lower end from below, 0 if there is none, and 1 - its two-sided coverage.
struct CriticalRank {
  std::int64_t k = 0;
  double missed = 0.0;
};

/// Without ties: ranks 1 … n, so all even doubled sums.
CriticalRank exact_critical_rank(std::int64_t n, double missed) {
  std::vector<std::int64_t> doubled(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < doubled.size(); ++i)
    doubled[i] = 2 * static_cast<std::int64_t>(i + 1);
  const auto two_sided = [&](std::int64_t w) {
    return std::ldexp(static_cast<double>(*count_sign_patterns(doubled, 2 * w)),
                      static_cast<int>(1 - n));
  };
  std::int64_t low = -1;  // 2 P(W <= low) <= missed < 2 P(W <= high)
  std::int64_t high = n * (n + 1) / 2;
  while (high - low > 1) {
    const auto middle = low + (high - low) / 2;
    (two_sided(middle) <= missed ? low : high) = middle;
  }
  return {low + 1, low < 0 ? two_sided(0) : two_sided(low)};
}

CriticalRank asymptotic_critical_rank(std::int64_t n, double missed) {
  const auto count = static_cast<double>(n);
  const double mean = count * (count + 1.0) / 4.0;
  const double sd = std::sqrt(count * (count + 1.0) * (2.0 * count + 1.0) / 24.0);
  const double z = -boost::math::quantile(boost::math::normal(), missed / 2.0);
  // With continuity correction: P(W <= k - 1) is the normal tail at k - 1/2.
  const auto k = static_cast<std::int64_t>(std::floor(mean - z * sd + 0.5));
  if (k < 1) return {0, two_sided_p((mean - 0.5) / sd)};
  return {k, two_sided_p((mean - static_cast<double>(k) + 0.5) / sd)};
}

}  // namespace

Measured hodges_lehmann_estimate(std::span<const double> differences) {
  if (static_cast<std::int64_t>(differences.size()) > kHodgesLehmannLimit) {
    return Measured::none(fmt::format("more than {} differences", kHodgesLehmannLimit));
  }
  return median(walsh_averages(differences));
}

HodgesLehmannInterval hodges_lehmann_interval(std::span<const double> differences, double level) {
  if (!(level > 0.0 && level < 1.0)) {
    throw UsageError(fmt::format("confidence level {} is not between 0 and 1", level));
  }
  check_finite(differences, "Hodges-Lehmann interval");
  HodgesLehmannInterval interval;
  interval.estimate = hodges_lehmann_estimate(differences);
  if (!interval.estimate.has_value()) {
    interval.low = interval.high = interval.achieved_level = interval.estimate;
    return interval;
  }
  const auto n = static_cast<std::int64_t>(differences.size());
  const bool exact = n <= kExactSignedRankLimit;
  interval.method = exact ? "exact" : "asymptotic";
  // Relative slack: 1 - .9375 and 2/32 are the same level.
  const double missed = (1.0 - level) * (1.0 + 1e-12);
  const auto critical =
      exact ? exact_critical_rank(n, missed) : asymptotic_critical_rank(n, missed);
  interval.achieved_level = Measured::of(1.0 - critical.missed);
  if (critical.k < 1) {
    interval.low = interval.high =
        Measured::none(fmt::format("{} differences cannot give a {:.4g} % interval: the widest has "
                                   "{:.4g} %",
                                   n, 100.0 * level, 100.0 * interval.achieved_level.value));
    return interval;
  }
  auto averages = walsh_averages(differences);
  std::sort(averages.begin(), averages.end());
  const auto k = static_cast<std::size_t>(critical.k);
  interval.low = Measured::of(averages[k - 1]);
  interval.high = Measured::of(averages[averages.size() - k]);
  return interval;
}

}  // namespace calsweep::analysis
