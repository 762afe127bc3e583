// Page's L: statistic, exact null by dynamic programming over permutations, normal approximation.
#include <algorithm>
#include <bit>
#include <cmath>
#include <map>

#include "analysis/statistics/discrete_distribution.hpp"
#include "analysis/statistics/trend_tails.hpp"
#include "analysis/statistics/trend_tests.hpp"

namespace calsweep::analysis {
namespace {

/// Bounds the number of patterns of ties times the cost of each: about 0.1 s.
constexpr std::int64_t kMostWork = 20'000'000;

/// Twice the ranks of one block, ascending: integers also with ties.
using DoubledRanks = std::vector<std::int64_t>;

/// Smallest twice-L of one block: largest ranks at the first levels.
std::int64_t smallest_sum(const DoubledRanks& ranks) {
  std::int64_t sum = 0;
  for (std::size_t j = 0; j < ranks.size(); ++j) {
    sum += static_cast<std::int64_t>(ranks.size() - j) * ranks[j];
  }
  return sum;
}

std::int64_t largest_sum(const DoubledRanks& ranks) {
  std::int64_t sum = 0;
  for (std::size_t j = 0; j < ranks.size(); ++j) {
    sum += static_cast<std::int64_t>(j + 1) * ranks[j];
  }
  return sum;
}

/// Of twice L of one block above its smallest value, all orders of its ranks equally likely.
DiscreteDistribution block_distribution(const DoubledRanks& ranks) {
  const std::size_t k = ranks.size();
  const std::size_t n_sets = std::size_t{1} << k;
  const auto size = static_cast<std::size_t>(largest_sum(ranks)) + 1;
  // by_set[set][s]: the ranks of `set` stand at the first levels, in any order, adding up to s.
  std::vector<DiscreteDistribution> by_set(n_sets);
  by_set[0].assign(size, 0.0L);
  by_set[0][0] = 1.0L;
  for (std::size_t set = 1; set < n_sets; ++set) {
    const auto level = static_cast<std::size_t>(std::popcount(set));
    by_set[set].assign(size, 0.0L);
    for (std::size_t r = 0; r < k; ++r) {
      if ((set >> r & 1U) == 0) continue;
      const auto& before = by_set[set ^ (std::size_t{1} << r)];
      const std::size_t step = level * static_cast<std::size_t>(ranks[r]);
      for (std::size_t s = step; s < size; ++s) {
        by_set[set][s] += before[s - step] / static_cast<long double>(level);
      }
    }
  }
  const auto& all = by_set.back();
  return {all.begin() + static_cast<std::ptrdiff_t>(smallest_sum(ranks)), all.end()};
}

DiscreteDistribution power_of(DiscreteDistribution base, std::int64_t exponent) {
  DiscreteDistribution result = {1.0L};
  for (; exponent > 0; exponent /= 2) {
    if (exponent % 2 == 1) result = convolve(result, base);
    if (exponent > 1) base = convolve(base, base);
  }
  return result;
}

struct Sums {
  std::int64_t doubled = 0;  ///< twice L
  double variance = 0.0;
  double largest_deviation = 0.0;  ///< of L from its mean if no value were tied
  std::map<DoubledRanks, std::int64_t> patterns;
};

Sums sum_up(const Blocks& blocks, double tolerance) {
  const auto k = static_cast<double>(blocks.n_treatments);
  const double level_squares = k * (k * k - 1.0) / 12.0;
  Sums sums;
  for (std::size_t b = 0; b < blocks.n_blocks(); ++b) {
    const auto ranked = mean_ranks(blocks.block(b), tolerance);
    DoubledRanks doubled;
    for (std::size_t j = 0; j < ranked.ranks.size(); ++j) {
      doubled.push_back(std::llround(2.0 * ranked.ranks[j]));
      sums.doubled += static_cast<std::int64_t>(j + 1) * doubled.back();
    }
    const double rank_squares = (k * k * k - k - ranked.tie_term) / 12.0;
    sums.variance += level_squares * rank_squares / (k - 1.0);
    sums.largest_deviation += level_squares;
    std::sort(doubled.begin(), doubled.end());
    ++sums.patterns[doubled];
  }
  return sums;
}

TrendTail exact_tail(const Sums& sums, std::size_t n_levels) {
  if (n_levels > kExactPageLevels) return no_trend_tail("more than 10 levels: asymptotic p only");
  std::int64_t smallest = 0;
  std::int64_t values = 0;
  for (const auto& [ranks, count] : sums.patterns) {
    smallest += count * smallest_sum(ranks);
    values += count * (largest_sum(ranks) - smallest_sum(ranks)) / 2;
  }
  const auto patterns = static_cast<std::int64_t>(sums.patterns.size());
  const auto size = static_cast<std::int64_t>(n_levels);
  if (values > kExactPageValues || patterns * (size << n_levels) * size * size > kMostWork) {
    return no_trend_tail("too many blocks: asymptotic p only");
  }
  DiscreteDistribution null = {1.0L};
  for (const auto& [ranks, count] : sums.patterns) {
    null = convolve(null, power_of(block_distribution(ranks), count));
  }
  const std::int64_t above = sums.doubled - smallest;
  return trend_tail(upper_tail(null, above), lower_tail(null, above));
}

}  // namespace

TrendTest page_trend_test(const Blocks& blocks, double tolerance) {
  check_blocks(blocks, "Page's trend test");
  const std::size_t k = blocks.n_treatments;
  const auto n = static_cast<double>(blocks.n_blocks());
  if (k < 2) return no_trend_test("fewer than two levels");
  if (blocks.n_blocks() == 0) return no_trend_test("no blocks");
  const Sums sums = sum_up(blocks, tolerance);
  if (sums.variance <= 0.0) return no_trend_test("all levels are equal in every block");
  const auto levels = static_cast<double>(k);
  TrendTest test;
  test.n_levels = static_cast<std::int64_t>(k);
  test.n_observations = static_cast<std::int64_t>(blocks.values.size());
  set_moments(static_cast<double>(sums.doubled) / 2.0,
              n * levels * (levels + 1.0) * (levels + 1.0) / 4.0, sums.variance, test);
  test.effect = Measured::of((test.statistic.value - test.mean.value) / sums.largest_deviation);
  test.exact = exact_tail(sums, k);
  return test;
}

}  // namespace calsweep::analysis
