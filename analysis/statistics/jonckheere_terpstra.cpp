// Jonckheere and Terpstra's J: statistic, exact null without ties, tie-corrected normal
// approximation.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/statistics/discrete_distribution.hpp"
#include "analysis/statistics/trend_tails.hpp"
#include "analysis/statistics/trend_tests.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

/// Every observation with its level; `group` numbers the distinct values, smallest first.
struct Observation {
  double value;
  std::size_t level;
  std::int64_t group;
};

std::vector<Observation> grouped(const std::vector<std::vector<double>>& levels, double tolerance) {
  std::vector<Observation> all;
  for (std::size_t level = 0; level < levels.size(); ++level) {
    for (std::size_t i = 0; i < levels[level].size(); ++i) {
      const double value = levels[level][i];
      if (!std::isfinite(value)) {
        throw FormatError(
            fmt::format("Jonckheere-Terpstra test: value {} of level {} (both from "
                        "0) is {}, not a finite number; leave it out",
                        i, level, value));
      }
      all.push_back({value, level, 0});
    }
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.value < b.value; });
  for (std::size_t i = 1; i < all.size(); ++i) {
    const bool tied = all[i].value - all[i - 1].value <= tolerance;
    all[i].group = all[i - 1].group + (tied ? 0 : 1);
  }
  return all;
}

/// Sums over sizes s of s(s-1)(2s+5), s(s-1)(s-2) and s(s-1).
struct SizeSums {
  double first = 0.0, second = 0.0, third = 0.0;
  void add(double s) {
    first += s * (s - 1.0) * (2.0 * s + 5.0);
    second += s * (s - 1.0) * (s - 2.0);
    third += s * (s - 1.0);
  }
};

/// Hollander & Wolfe (Nonparametric Statistical Methods, 1999), 6.19.
double null_variance(double n, const SizeSums& levels, const SizeSums& ties) {
  double variance = (n * (n - 1.0) * (2.0 * n + 5.0) - levels.first - ties.first) / 72.0 +
                    levels.third * ties.third / (8.0 * n * (n - 1.0));
  if (n > 2.0) {
    variance += levels.second * ties.second / (36.0 * n * (n - 1.0) * (n - 2.0));
  }
  return variance;
}

/// Of the Mann-Whitney count of m against n values: whose is the largest value decides.
DiscreteDistribution mann_whitney_distribution(std::size_t m, std::size_t n) {
  // by_m[i]: of i against the current j values.
  std::vector<DiscreteDistribution> by_m(m + 1, DiscreteDistribution{1.0L});
  for (std::size_t j = 1; j <= n; ++j) {
    for (std::size_t i = 1; i <= m; ++i) {
      DiscreteDistribution counts(i * j + 1, 0.0L);
      const auto total = static_cast<long double>(i + j);
      const long double first = static_cast<long double>(i) / total;
      const long double second = static_cast<long double>(j) / total;
      for (std::size_t u = 0; u < by_m[i - 1].size(); ++u) counts[u + j] += first * by_m[i - 1][u];
      for (std::size_t u = 0; u < by_m[i].size(); ++u) counts[u] += second * by_m[i][u];
      by_m[i] = std::move(counts);
    }
  }
  return by_m[m];
}

DiscreteDistribution null_distribution(const std::vector<std::size_t>& sizes) {
  DiscreteDistribution null = {1.0L};
  std::size_t before = 0;
  for (const auto size : sizes) {
    if (before > 0 && size > 0) null = convolve(null, mann_whitney_distribution(before, size));
    before += size;
  }
  return null;
}

/// Twice J: pairs of different levels in order count 2, tied ones 1.
std::int64_t doubled_statistic(const std::vector<Observation>& all, std::size_t n_levels) {
  std::int64_t doubled = 0;
  std::vector<std::int64_t> below(n_levels, 0);  // observations of smaller value, by level
  for (std::size_t first = 0; first < all.size();) {
    std::size_t end = first;
    std::vector<std::int64_t> here(n_levels, 0);
    for (; end < all.size() && all[end].group == all[first].group; ++end) ++here[all[end].level];
    for (std::size_t later = 1; later < n_levels; ++later) {
      for (std::size_t earlier = 0; earlier < later; ++earlier) {
        doubled += here[later] * (2 * below[earlier] + here[earlier]);
      }
    }
    for (std::size_t level = 0; level < n_levels; ++level) below[level] += here[level];
    first = end;
  }
  return doubled;
}

TrendTail exact_tail(const std::vector<std::size_t>& sizes, std::int64_t n, bool has_ties,
                     std::int64_t doubled) {
  if (has_ties) return no_trend_tail("tied values: asymptotic p only");
  if (n > kExactJonckheereLimit) {
    return no_trend_tail(
        fmt::format("more than {} values: asymptotic p only", kExactJonckheereLimit));
  }
  const auto null = null_distribution(sizes);
  return trend_tail(upper_tail(null, doubled / 2), lower_tail(null, doubled / 2));
}

}  // namespace

TrendTest jonckheere_terpstra_test(const std::vector<std::vector<double>>& levels,
                                   double tolerance) {
  const auto all = grouped(levels, tolerance);
  const auto n = static_cast<double>(all.size());
  SizeSums level_sums;
  SizeSums tie_sums;
  std::vector<std::size_t> sizes;
  double pairs = n * n;
  std::int64_t n_levels = 0;
  for (const auto& level : levels) {
    const auto size = static_cast<double>(level.size());
    sizes.push_back(level.size());
    level_sums.add(size);
    pairs -= size * size;
    n_levels += level.empty() ? 0 : 1;
  }
  pairs /= 2.0;
  if (n_levels < 2) return no_trend_test("fewer than two levels with values");
  for (std::size_t first = 0; first < all.size();) {
    std::size_t end = first;
    while (end < all.size() && all[end].group == all[first].group) ++end;
    tie_sums.add(static_cast<double>(end - first));
    first = end;
  }
  if (all.back().group == 0) return no_trend_test("all values are equal");
  const std::int64_t doubled = doubled_statistic(all, levels.size());
  TrendTest test;
  test.n_levels = n_levels;
  test.n_observations = static_cast<std::int64_t>(all.size());
  set_moments(static_cast<double>(doubled) / 2.0, pairs / 2.0,
              null_variance(n, level_sums, tie_sums), test);
  test.effect = Measured::of((2.0 * test.statistic.value - pairs) / pairs);
  test.exact = exact_tail(sizes, test.n_observations, tie_sums.third > 0.0, doubled);
  return test;
}

}  // namespace calsweep::analysis
