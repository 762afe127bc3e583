// Tests for a trend over ordered levels: does an effect grow with depth, shrink with data size?
//
// Page's L takes blocks in which every level was measured once; Jonckheere and Terpstra's J takes
// an independent sample per level. In a sweep the levels of an axis share seeds, so Page's test is
// the one to use, with one block per seed: the response is the paired difference method minus
// reference, averaged over the other axes. Finer blocks (seed x the other axes) give a sharper L,
// but they share seeds and are then not independent: their p is too small wherever cells of one
// seed move together. Both tests assume that without a trend the levels are exchangeable, which
// unequal spread over levels breaks mildly.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "analysis/statistics/blocks.hpp"
#include "analysis/statistics/distribution_tails.hpp"

namespace calsweep::analysis {

/// The null hypothesis of no trend against each alternative.
struct TrendTail {
  TailProbability increasing, decreasing;
  TailProbability two_sided;  ///< twice the smaller of the two, at most 1
};

struct TrendTest {
  Measured statistic, mean, standard_deviation;  ///< null moments given the ties
  Measured z;                                    ///< positive: increasing
  TrendTail exact, asymptotic;                   ///< no continuity correction
  /// Page: mean over blocks of Spearman's rho of value and level (as if without ties). Jonckheere:
  /// P(later level larger) - P(smaller) over pairs of different levels. In [-1, 1].
  Measured effect;
  std::int64_t n_levels = 0, n_observations = 0;
};

/// The exact null of Page's L conditions on the ties of each block, so it holds with ties too. It
/// is computed for at most this many levels, and up to this many distinct values of L.
inline constexpr std::size_t kExactPageLevels = 10;
inline constexpr std::int64_t kExactPageValues = 12'000;

/// L = sum over levels of (level number from 1) * (rank sum of the level), Page (JASA 58, 1963).
/// Treatments of `blocks` are the levels in order. Variance: sum over blocks of
/// sum_j (j - mean)^2 * sum_j (rank_j - mean)^2 / (k - 1), which is Page's without ties.
/// Fewer than two levels or no blocks, or all values tied: no test, with the reason.
TrendTest page_trend_test(const Blocks& blocks, double tolerance = 0.0);

/// Above this many observations in all, J's exact null is not computed; nor is it with ties.
inline constexpr std::int64_t kExactJonckheereLimit = 120;

/// J = sum over pairs of levels of the Mann-Whitney count (later > earlier, ties count 1/2).
/// `levels`: one sample per level, in order; empty ones are left out. Exact null: convolution of
/// Mann-Whitney distributions; variance with ties: Hollander & Wolfe, section 6.2. Throws
/// FormatError if a value is not finite.
TrendTest jonckheere_terpstra_test(const std::vector<std::vector<double>>& levels,
                                   double tolerance = 0.0);

}  // namespace calsweep::analysis
