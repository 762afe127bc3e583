#include "analysis/statistics/blocked_aggregate.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "analysis/statistics/discrete_distribution.hpp"
#include "analysis/statistics/wilcoxon.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/random.hpp"
#include "tests/analysis/statistics/trend_reference.hpp"

namespace calsweep::analysis {
namespace {

using fixtures::relative_error;

std::vector<CellDifferences> grid(const std::vector<std::vector<double>>& values) {
  std::vector<CellDifferences> cells;
  for (const auto& row : values) {
    CellDifferences cell;
    for (std::size_t s = 0; s < row.size(); ++s) cell.seeds.push_back(static_cast<int>(s));
    cell.values = row;
    cells.push_back(cell);
  }
  return cells;
}

TEST(BlockedAggregateTest, agrees_with_counting_all_sign_patterns) {
  const auto& cases = fixtures::trend_reference()["aggregate"];
  ASSERT_GE(cases.size(), 200U);
  for (const auto& c : cases) {
    const auto test =
        blocked_aggregate_test(grid(c["cells"].get<std::vector<std::vector<double>>>()));
    EXPECT_NEAR(test.statistic.value, c["statistic"].get<double>(), 1e-9) << c;
    EXPECT_LT(relative_error(test.by_seed.two_sided.p.value, c["p_seed"]), 1e-12) << c;
    EXPECT_LT(relative_error(test.stratified.exact.p.value, c["p_stratified"]), 1e-12) << c;
    EXPECT_NEAR(test.stratified.z.value, c["z"].get<double>(), 1e-9) << c;
    EXPECT_NEAR(test.hodges_lehmann.value, c["hodges_lehmann"].get<double>(), 1e-12) << c;
  }
}

TEST(BlockedAggregateTest, for_one_cell_is_wilcoxons_test) {
  // Darwin's data: scipy's exact p.
  const auto test =
      blocked_aggregate_test(grid({{6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75}}));
  EXPECT_NEAR(test.by_seed.two_sided.p.value, .041259765625, 1e-15);
  EXPECT_NEAR(test.stratified.exact.p.value, .041259765625, 1e-15);
  EXPECT_NEAR(test.stratified.asymptotic.p.value, .04088813291185591, 1e-14);
}

TEST(BlockedAggregateTest, a_clean_sweep_of_the_grid_has_p_of_its_seeds_not_of_its_cells) {
  std::vector<std::vector<double>> values(35, std::vector<double>(10));
  for (std::size_t c = 0; c < 35; ++c) {
    for (std::size_t s = 0; s < 10; ++s)
      values[c][s] = -1.0 - static_cast<double>((c * 7 + s) % 10);
  }
  const auto test = blocked_aggregate_test(grid(values));
  EXPECT_DOUBLE_EQ(test.by_seed.two_sided.p.value, std::ldexp(1.0, -9));
  EXPECT_NEAR(test.stratified.exact.log10_p.value, -349 * std::log10(2.0), 1e-9);
  EXPECT_DOUBLE_EQ(test.mean_rank_biserial.value, -1.0);
}

TEST(BlockedAggregateTest, gives_the_same_bits_in_any_order) {
  Random random(random_key(1, 0, "aggregate order"));
  std::vector<CellDifferences> cells(6);
  for (std::size_t c = 0; c < cells.size(); ++c) {
    for (int s = 0; s < 9 + static_cast<int>(c); ++s) {
      cells[c].seeds.push_back(s * 3);
      cells[c].values.push_back(random.normal());
    }
  }
  const auto forward = blocked_aggregate_test(cells);
  std::reverse(cells.begin(), cells.end());
  for (auto& cell : cells) {
    std::reverse(cell.seeds.begin(), cell.seeds.end());
    std::reverse(cell.values.begin(), cell.values.end());
  }
  const auto backward = blocked_aggregate_test(cells);
  EXPECT_EQ(forward.statistic.value, backward.statistic.value);
  EXPECT_EQ(forward.by_seed.two_sided.p.value, backward.by_seed.two_sided.p.value);
  EXPECT_EQ(forward.stratified.exact.p.value, backward.stratified.exact.p.value);
  EXPECT_EQ(forward.stratified.van_elteren_z.value, backward.stratified.van_elteren_z.value);
  EXPECT_EQ(forward.mean_rank_biserial.value, backward.mean_rank_biserial.value);
  EXPECT_EQ(forward.seed_hodges_lehmann.value, backward.seed_hodges_lehmann.value);
}

/// Share of nulls rejected at 5 %: 20 cells of 8 seeds whose differences have correlation `rho`.
struct Rejections {
  double by_seed = 0.0, stratified = 0.0;
};
Rejections reject_nulls(double rho, std::int64_t n_trials) {
  Random random(random_key(2, 0, "aggregate null"));
  Rejections share;
  for (std::int64_t trial = 0; trial < n_trials; ++trial) {
    std::vector<double> common(8);
    for (auto& g : common) g = random.normal();
    std::vector<std::vector<double>> values(20, std::vector<double>(8));
    for (auto& row : values) {
      for (std::size_t s = 0; s < 8; ++s) {
        row[s] = std::sqrt(rho) * common[s] + std::sqrt(1.0 - rho) * random.normal();
      }
    }
    const auto test = blocked_aggregate_test(grid(values));
    share.by_seed += test.by_seed.two_sided.p.value <= 0.05;
    share.stratified += test.stratified.asymptotic.p.value <= 0.05;
  }
  share.by_seed /= static_cast<double>(n_trials);
  share.stratified /= static_cast<double>(n_trials);
  return share;
}

TEST(BlockedAggregateTest, only_the_seed_level_test_keeps_its_level_when_cells_share_seeds) {
  const auto independent = reject_nulls(0.0, 500);
  EXPECT_LE(independent.by_seed, 0.05 + 0.03);  // three standard errors
  EXPECT_LE(independent.stratified, 0.05 + 0.03);
  const auto dependent = reject_nulls(0.5, 500);
  EXPECT_LE(dependent.by_seed, 0.05 + 0.03);
  EXPECT_GE(dependent.stratified, 0.3) << "this is why it is not the default";
}

TEST(BlockedAggregateTest, leaves_out_zeros_and_says_why_there_is_no_test) {
  const auto with_zero_cell = blocked_aggregate_test(grid({{1, 2, -3}, {0, 0, 0}}));
  EXPECT_EQ(with_zero_cell.n_cells, 1);
  EXPECT_EQ(with_zero_cell.n_zero, 3);
  EXPECT_EQ(blocked_aggregate_test({}).statistic.null_reason, "no pairs");
  const auto zeros = blocked_aggregate_test(grid({{0, 0}}));
  EXPECT_EQ(zeros.by_seed.two_sided.p.null_reason, "all differences are zero");
  EXPECT_EQ(zeros.hodges_lehmann.value, 0.0);
}

TEST(BlockedAggregateTest, refuses_what_it_cannot_use) {
  const std::vector<CellDifferences> sizes = {{{1, 2}, {1.0}, 0.0}};
  const std::vector<CellDifferences> twice = {{{1, 1}, {1.0, 2.0}, 0.0}};
  const std::vector<CellDifferences> nan = {{{1}, {std::nan("")}, 0.0}};
  EXPECT_THROW(blocked_aggregate_test(sizes), FormatError);
  EXPECT_THROW(blocked_aggregate_test(twice), FormatError);
  EXPECT_THROW(blocked_aggregate_test(nan), FormatError);
}

TEST(SeedFlipTest, counts_thirty_seeds_exactly_and_samples_beyond_forty) {
  const std::vector<std::int64_t> ones(30, 5);
  const auto exact = seed_flip_test(ones, 0, "test");
  EXPECT_TRUE(exact.is_exact);
  EXPECT_DOUBLE_EQ(exact.two_sided.p.value, std::ldexp(1.0, -29));
  std::vector<std::int64_t> many(50, 1);
  for (std::size_t i = 0; i < 19; ++i) many[i] = -1;  // 31 against 19
  const auto sampled = seed_flip_test(many, 0, "test");
  EXPECT_FALSE(sampled.is_exact);
  // Binomial(50, 1/2): P(X <= 19 or X >= 31) = 0.118920 (scipy.stats.binomtest(19, 50)).
  EXPECT_NEAR(sampled.two_sided.p.value, 0.118920, 4.0 * sampled.monte_carlo_error.value);
  EXPECT_EQ(sampled.two_sided.p.value, seed_flip_test(many, 0, "test").two_sided.p.value);
  EXPECT_NE(sampled.two_sided.p.value, seed_flip_test(many, 0, "other").two_sided.p.value);
}

TEST(DiscreteDistributionTest, subset_sums_are_those_counted_by_hand) {
  const std::vector<std::int64_t> values = {1, 2, 3};
  const auto sums = fair_subset_sums(values);
  const std::vector<long double> eighths = {1, 1, 1, 2, 1, 1, 1};
  ASSERT_EQ(sums.size(), eighths.size());
  for (std::size_t i = 0; i < sums.size(); ++i) EXPECT_EQ(sums[i], eighths[i] / 8);
  EXPECT_EQ(lower_tail(sums, -1), 0.0L);
  EXPECT_EQ(lower_tail(sums, 99), 1.0L);
  EXPECT_EQ(upper_tail(sums, 5), 2.0L / 8);
  EXPECT_EQ(upper_tail(sums, -3), 1.0L);
}

}  // namespace
}  // namespace calsweep::analysis
