#include "analysis/statistics/max_t.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "analysis/statistics/multiplicity.hpp"
#include "analysis/statistics/wilcoxon.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/random.hpp"

namespace calsweep::analysis {
namespace {

/// Differences of `n` seeds with the signs of `pattern` (bit s: seed s is negative).
CellDifferences cell_with_signs(std::int64_t n, std::uint64_t pattern, Random& random) {
  CellDifferences cell;
  for (std::int64_t s = 0; s < n; ++s) {
    cell.seeds.push_back(s);
    const double magnitude = .5 + random.uniform();
    cell.values.push_back((pattern >> s & 1) != 0 ? -magnitude : magnitude);
  }
  return cell;
}

TEST(MaxTTest, cells_that_all_agree_keep_the_p_of_one_cell) {
  // CALIBRATION.md 7.6: every cell W = 0 in the same direction: 2/1024 for any grid size, where
  // Holm's best is 30 * 2/1024.
  Random random(random_key(1, 0, "max_t: all agree"));
  std::vector<CellDifferences> cells;
  std::vector<Measured> p;
  for (int c = 0; c < 30; ++c) {
    cells.push_back(cell_with_signs(10, 0, random));
    p.push_back(signed_rank_test(cells.back().values).p_exact);
  }
  const auto result = max_t(cells);
  EXPECT_TRUE(result.enumerated);
  EXPECT_EQ(result.n_flips, 512);  // 2^10 up to a global flip
  for (std::size_t c = 0; c < cells.size(); ++c) {
    EXPECT_DOUBLE_EQ(result.cells[c].p_single_step.value, 2.0 / 1024.0);
    EXPECT_DOUBLE_EQ(result.cells[c].p_step_down.value, 2.0 / 1024.0);
    EXPECT_DOUBLE_EQ(holm(p)[c].value, 30 * 2.0 / 1024.0);
  }
}

TEST(MaxTTest, unrelated_cells_cost_one_sign_pattern_each) {
  // CALIBRATION.md 7.6: p = 2 (distinct patterns up to a global flip) / 2^n for a W = 0 cell. 20
  // effect cells and 10 null cells: 0.021; from 25 null cells on it is above 0.05.
  Random random(random_key(2, 0, "max_t: unrelated"));
  std::vector<CellDifferences> cells;
  for (int c = 0; c < 20; ++c) cells.push_back(cell_with_signs(10, 0, random));
  // Distinct, none the complement of another: seed 9 stays positive.
  for (std::uint64_t null = 1; null <= 25; ++null) {
    cells.push_back(cell_with_signs(10, null * 20, random));
    const double expected = 2.0 * static_cast<double>(1 + null) / 1024.0;
    EXPECT_DOUBLE_EQ(max_t(cells).cells[0].p_single_step.value, expected);
  }
  EXPECT_NEAR(2.0 * 11 / 1024.0, .021, 5e-4);
  EXPECT_GT(max_t(cells).cells[0].p_single_step.value, .05);
}

TEST(MaxTTest, one_cell_has_the_exact_p_of_its_signed_rank_test) {
  Random random(random_key(3, 0, "max_t: one cell"));
  for (int repeat = 0; repeat < 50; ++repeat) {
    CellDifferences cell;
    for (std::int64_t s = 0; s < 9; ++s) {
      cell.seeds.push_back(s);
      cell.values.push_back(static_cast<double>(random.below(9)) - 4.0);
    }
    const auto test = signed_rank_test(cell.values);
    const auto result = max_t(std::vector{cell});
    ASSERT_EQ(result.cells[0].t.has_value(), test.p_exact.has_value());
    if (!test.p_exact.has_value()) continue;
    EXPECT_DOUBLE_EQ(result.cells[0].p_single_step.value, test.p_exact.value);
    EXPECT_NEAR(std::abs(result.cells[0].t.value), test.z.value, 1e-12);
  }
}

std::vector<CellDifferences> random_grid(std::size_t n_cells, std::int64_t n_seeds, double effect,
                                         double shared, Random& random) {
  std::vector<double> seed_effect;
  for (std::int64_t s = 0; s < n_seeds; ++s) seed_effect.push_back(random.normal());
  std::vector<CellDifferences> cells(n_cells);
  for (std::size_t c = 0; c < n_cells; ++c) {
    for (std::int64_t s = 0; s < n_seeds; ++s) {
      cells[c].seeds.push_back(s);
      cells[c].values.push_back(effect + shared * seed_effect[static_cast<std::size_t>(s)] +
                                std::sqrt(1.0 - shared * shared) * random.normal());
    }
  }
  return cells;
}

TEST(MaxTTest, does_not_depend_on_the_order_of_cells_or_seeds) {
  for (const std::int64_t limit : {14, 5}) {  // enumerated, then drawn
    Random random(random_key(4, 0, "max_t: order"));
    auto cells = random_grid(6, 10, .5, .5, random);
    cells[2].seeds.erase(cells[2].seeds.begin() + 3);
    cells[2].values.erase(cells[2].values.begin() + 3);
    const MaxTOptions options = {.enumeration_limit = limit, .random_flips = 500};
    const auto straight = max_t(cells, options);
    EXPECT_EQ(straight.enumerated, limit == 14);
    std::reverse(cells.begin(), cells.end());
    for (auto& cell : cells) {
      std::reverse(cell.seeds.begin(), cell.seeds.end());
      std::reverse(cell.values.begin(), cell.values.end());
    }
    const auto reversed = max_t(cells, options);
    for (std::size_t c = 0; c < cells.size(); ++c) {
      EXPECT_EQ(straight.cells[c].p_single_step.value, reversed.cells[5 - c].p_single_step.value);
      EXPECT_EQ(straight.cells[c].p_step_down.value, reversed.cells[5 - c].p_step_down.value);
    }
  }
}

TEST(MaxTTest, random_flips_approach_the_enumeration) {
  Random random(random_key(5, 0, "max_t: drawn"));
  const auto cells = random_grid(8, 12, .3, .5, random);
  const auto exact = max_t(cells);
  const auto drawn = max_t(cells, {.enumeration_limit = 0});
  EXPECT_EQ(drawn.n_flips, 10'000);
  for (std::size_t c = 0; c < cells.size(); ++c) {
    const double p = exact.cells[c].p_single_step.value;
    EXPECT_NEAR(drawn.cells[c].p_single_step.value, p, 4.5 * std::sqrt(p * (1 - p) / 1e4) + 2e-4);
    EXPECT_GE(drawn.cells[c].p_step_down.value, 1.0 / 10'001.0);
    EXPECT_LE(drawn.cells[c].p_step_down.value, drawn.cells[c].p_single_step.value);
  }
}

TEST(MaxTTest, swapping_the_arms_changes_signs_only) {
  Random random(random_key(6, 0, "max_t: swap"));
  auto cells = random_grid(5, 9, .4, .2, random);
  const auto ab = max_t(cells);
  for (auto& cell : cells) {
    for (auto& v : cell.values) v = -v;
  }
  const auto ba = max_t(cells);
  for (std::size_t c = 0; c < cells.size(); ++c) {
    EXPECT_EQ(ab.cells[c].t.value, -ba.cells[c].t.value);
    EXPECT_EQ(ab.cells[c].p_step_down.value, ba.cells[c].p_step_down.value);
  }
}

TEST(MaxTTest, cells_without_a_statistic_are_no_part_of_the_family) {
  Random random(random_key(7, 0, "max_t: empty cells"));
  auto cells = random_grid(3, 8, 1.0, .3, random);
  const auto alone = max_t(cells);
  cells.push_back({});
  cells.push_back({{0, 1}, {0.0, 0.0}});
  const auto result = max_t(cells);
  EXPECT_EQ(result.n_cells, 3);
  EXPECT_EQ(result.cells[3].p_step_down.null_reason, "no pairs");
  EXPECT_EQ(result.cells[4].p_step_down.null_reason, "all differences are zero");
  EXPECT_EQ(result.cells[0].p_step_down.value, alone.cells[0].p_step_down.value);
  EXPECT_TRUE(max_t({}).cells.empty());
}

TEST(MaxTTest, refuses_what_is_no_grid) {
  EXPECT_THROW(max_t(std::vector<CellDifferences>{{{1, 1}, {2.0, 3.0}}}), FormatError);
  EXPECT_THROW(max_t(std::vector<CellDifferences>{{{1, 2}, {2.0}}}), FormatError);
  EXPECT_THROW(max_t(std::vector<CellDifferences>{{{1}, {NAN}}}), FormatError);
  EXPECT_THROW(max_t({}, {.enumeration_limit = 40}), UsageError);
  EXPECT_THROW(max_t({}, {.random_flips = 0}), UsageError);
}

/// Upper limit of the rejections of `n` level-.05 tests of true hypotheses: 4 binomial sd above.
double most_rejections(int n) { return n * .05 + 4.0 * std::sqrt(n * .05 * .95); }

TEST(FamilyWiseErrorTest, of_max_t_and_holm_stays_below_the_level_on_null_grids) {
  const int n_grids = 400;
  for (const double shared : {0.0, .95}) {
    Random random(random_key(8, 0, shared > 0 ? "fwer: dependent" : "fwer: independent"));
    int by_max_t = 0;
    int by_holm = 0;
    int uncorrected = 0;
    for (int grid = 0; grid < n_grids; ++grid) {
      const auto cells = random_grid(30, 10, 0.0, shared, random);
      const auto result = max_t(cells);
      std::vector<Measured> p;
      for (const auto& cell : cells) p.push_back(signed_rank_test(cell.values).p_exact);
      const auto adjusted = holm(p);
      const auto rejects = [](const auto& value) { return value.value <= .05; };
      by_max_t += std::any_of(result.cells.begin(), result.cells.end(),
                              [&](const auto& cell) { return rejects(cell.p_step_down); });
      by_holm += std::any_of(adjusted.begin(), adjusted.end(), rejects);
      uncorrected += std::any_of(p.begin(), p.end(), rejects);
    }
    EXPECT_LE(by_max_t, most_rejections(n_grids));
    EXPECT_LE(by_holm, most_rejections(n_grids));
    EXPECT_GT(uncorrected, most_rejections(n_grids));  // there was something to correct
    if (shared == 0.0) {
      EXPECT_LE(by_max_t, 8);  // CALIBRATION.md 7.6: about .002 when independent
    }
  }
}

TEST(FamilyWiseErrorTest, of_step_down_stays_below_the_level_beside_true_effects) {
  // Strong control: 5 cells with an effect, 5 without; errors are rejections among the latter.
  const int n_grids = 600;
  Random random(random_key(9, 0, "fwer: strong"));
  int errors = 0;
  int found = 0;
  for (int grid = 0; grid < n_grids; ++grid) {
    auto cells = random_grid(10, 10, 0.0, .8, random);
    for (std::size_t c = 0; c < 5; ++c) {
      for (auto& v : cells[c].values) v += 3.0;
    }
    const auto result = max_t(cells);
    errors += std::any_of(result.cells.begin() + 5, result.cells.end(),
                          [](const auto& cell) { return cell.p_step_down.value <= .05; });
    found += result.cells[0].p_step_down.value <= .05;
  }
  EXPECT_LE(errors, most_rejections(n_grids));
  EXPECT_GT(errors, 0);
  EXPECT_GT(found, n_grids / 2);
}

TEST(FamilyWiseErrorTest, of_random_flips_and_missing_seeds_stays_below_the_level) {
  const int n_grids = 300;
  Random random(random_key(10, 0, "fwer: random flips"));
  int rejected = 0;
  for (int grid = 0; grid < n_grids; ++grid) {
    auto cells = random_grid(4, 16, 0.0, .9, random);
    for (std::size_t c = 0; c < cells.size(); ++c) {  // each cell lacks c seeds
      cells[c].seeds.resize(16 - c);
      cells[c].values.resize(16 - c);
    }
    const auto result = max_t(cells, {.random_flips = 499});
    EXPECT_FALSE(result.enumerated);
    rejected += std::any_of(result.cells.begin(), result.cells.end(),
                            [](const auto& cell) { return cell.p_step_down.value <= .05; });
  }
  EXPECT_LE(rejected, most_rejections(n_grids));
  EXPECT_GT(rejected, 0);
}

}  // namespace
}  // namespace calsweep::analysis
