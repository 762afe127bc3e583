// One test over a whole grid: does method A differ from B, over all cells, blocked by cell?
//
// Within each cell the differences are ranked by magnitude and signed (Wilcoxon). What is summed is
// the same for both tests below; they differ in what they assume.
//   by seed     (the default) flips the signs of a whole seed in all cells at once: valid if, under
//               the null, the differences of a seed over all cells are jointly symmetric about
//               zero. Cells may depend on one another in any way, as those of a sweep do: they
//               share initial weights, data order and data.
//   stratified  flips every difference on its own: needs cells that are independent given the
//               null. In a sweep they are not, and its p is too small wherever the differences of a
//               seed agree over cells. For grids without shared seeds.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "analysis/statistics/cell_differences.hpp"
#include "analysis/statistics/distribution_tails.hpp"
#include "analysis/statistics/seed_flips.hpp"

namespace calsweep::analysis {

struct StratifiedTest {
  Measured w_plus, w_minus;  ///< sums over cells
  Measured z;                ///< of w_plus - w_minus, tie-corrected
  TailProbability exact, asymptotic;
  Measured van_elteren_z;  ///< cells weighted by 1 / (n + 1), n non-zero differences
  TailProbability van_elteren;
};

struct AggregateTest {
  std::int64_t n_cells = 0;  ///< with a non-zero difference
  std::int64_t n_seeds = 0, n_pairs = 0, n_zero = 0;
  /// Sum over cells of (W+ - W-) / sqrt(sum of squared ranks): each cell weighs the same.
  Measured statistic;
  SeedFlipTest by_seed;
  StratifiedTest stratified;
  Measured mean_rank_biserial;   ///< over cells, in [-1, 1]; the sign says which way
  Measured hodges_lehmann;       ///< median of the within-cell means of pairs, pooled over cells
  Measured seed_hodges_lehmann;  ///< Hodges-Lehmann of each seed's mean difference over its cells
};

/// The exact stratified null is computed up to this cost (differences times the doubled rank sum).
inline constexpr double kMostStratifiedWork = 3e8;

/// Cells without a non-zero difference add nothing; if all are so there is no test. The result does
/// not depend on the order of cells or of seeds. Throws FormatError: sizes differ, a seed twice in
/// a cell, a value that is not finite.
AggregateTest blocked_aggregate_test(std::span<const CellDifferences> cells);

}  // namespace calsweep::analysis
