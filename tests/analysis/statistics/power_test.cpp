#include "analysis/statistics/power.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "analysis/statistics/multiplicity.hpp"
#include "analysis/statistics/wilcoxon.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/random.hpp"

namespace calsweep::analysis {
namespace {

// CALIBRATION 7.9 and fact 6.
TEST(MinimumSeedsTest, wall_of_holm_and_bonferroni_is_the_published_one) {
  const auto exact = [](std::int64_t m) { return minimum_seeds(GridCorrection::Holm, m, m, 0.05); };
  EXPECT_EQ(exact(6), 8);
  EXPECT_EQ(exact(25), 10);  // 25 * 2^-9 = .0488
  EXPECT_EQ(exact(26), 11);
  EXPECT_EQ(exact(30), 11);
  EXPECT_EQ(exact(100), 12);
  EXPECT_EQ(exact(120), 13);
  EXPECT_EQ(exact(360), 14);
  EXPECT_EQ(exact(1000), 16);
  const auto asymptotic = [](std::int64_t m) {
    return minimum_seeds_asymptotic(GridCorrection::Bonferroni, m, m, 0.05).value;
  };
  EXPECT_EQ(asymptotic(30), 13);
  EXPECT_EQ(asymptotic(100), 16);
  EXPECT_EQ(asymptotic(360), 19);
  EXPECT_EQ(asymptotic(1000), 22);
  EXPECT_EQ(asymptotic(35), 14);  // PAPER 2.3
  EXPECT_EQ(exact(35), 11);
}

TEST(MinimumSeedsTest, other_corrections_have_their_own_wall) {
  EXPECT_EQ(minimum_seeds(GridCorrection::None, 1000, 1000, 0.05), 6);
  EXPECT_EQ(minimum_seeds(GridCorrection::BenjaminiHochberg, 1000, 1000, 0.05), 6);
  EXPECT_EQ(minimum_seeds(GridCorrection::MaxT, 1000, 1000, 0.05), 6);
  EXPECT_EQ(minimum_seeds(GridCorrection::BenjaminiHochberg, 100, 1, 0.05), 12);
  // CALIBRATION 7.6: 20 cells with an effect and 10 without, 10 seeds: 0.021.
  EXPECT_NEAR(best_corrected_p(GridCorrection::MaxT, 30, 20, smallest_exact_p(10)), 0.021, 0.0005);
  EXPECT_FALSE(minimum_seeds_asymptotic(GridCorrection::MaxT, 6, 6, 0.05).has_value());
  EXPECT_THROW(minimum_seeds(GridCorrection::Holm, 0, 0, 0.05), UsageError);
  EXPECT_THROW(minimum_seeds(GridCorrection::Holm, 3, 4, 0.05), UsageError);
  EXPECT_THROW(minimum_seeds(GridCorrection::Holm, 3, 3, 1.0), UsageError);
}

TEST(MinimumSeedsTest, smallest_p_is_what_the_test_gives) {
  for (const int n : {6, 10, 20}) {
    std::vector<double> d;
    for (int i = 1; i <= n; ++i) d.push_back(i);
    const auto test = signed_rank_test(d);
    EXPECT_DOUBLE_EQ(smallest_exact_p(n), test.p_exact.value);
    EXPECT_NEAR(smallest_asymptotic_p(n), test.p_asymptotic.value, 1e-15);
  }
}

double power_of(double effect, std::int64_t n, double level) {
  GridAssumption grid;
  grid.effect = effect;
  grid.alpha = level;
  return simulate_power(grid, n, 4000).of(GridCorrection::None).power;
}

// CALIBRATION 7.9, from 4,000 simulations of its own: both have an error of up to 0.008.
TEST(PowerTest, of_the_exact_signed_rank_test_is_the_published_one) {
  EXPECT_NEAR(power_of(1.0, 10, 0.05), 0.79, 0.03);
  EXPECT_EQ(power_of(1.0, 10, 0.05 / 30), 0.0);
  EXPECT_NEAR(power_of(1.0, 20, 0.05), 0.99, 0.01);
  EXPECT_NEAR(power_of(1.0, 20, 0.05 / 30), 0.74, 0.03);
  EXPECT_NEAR(power_of(1.0, 30, 0.05), 1.0, 0.005);
  EXPECT_NEAR(power_of(1.0, 30, 0.05 / 30), 0.96, 0.015);
  EXPECT_NEAR(power_of(0.5, 30, 0.05), 0.74, 0.03);
  EXPECT_NEAR(power_of(0.5, 30, 0.05 / 30), 0.24, 0.03);
}

TEST(PowerTest, corrected_tests_keep_the_level_without_effect) {
  for (const double correlation : {0.0, 0.6}) {
    GridAssumption grid{20, 20, 0.0, correlation, 0.05};
    const auto power = simulate_power(grid, 12, 400);
    EXPECT_LE(power.of(GridCorrection::None).power, 0.06);
    EXPECT_GE(power.of(GridCorrection::None).power, 0.03);
    EXPECT_LE(power.of(GridCorrection::Holm).power, 0.05 / 20 + 0.003);
    EXPECT_LE(power.of(GridCorrection::MaxT).power, 0.05);
  }
}

TEST(PowerTest, corrections_order_as_they_must) {
  const GridAssumption grid{12, 12, 0.8, 0.0, 0.05};
  const auto power = simulate_power(grid, 15, 300);
  EXPECT_GT(power.of(GridCorrection::None).power,
            power.of(GridCorrection::BenjaminiHochberg).power);
  EXPECT_GT(power.of(GridCorrection::BenjaminiHochberg).power,
            power.of(GridCorrection::Holm).power);
  EXPECT_GT(power.of(GridCorrection::Holm).power, power.of(GridCorrection::Bonferroni).power);
  EXPECT_GT(power.of(GridCorrection::MaxT).power, 0.0);
  EXPECT_GT(power.of(GridCorrection::Holm).error, 0.0);
}

TEST(PowerTest, more_agreement_between_cells_helps_max_t) {
  GridAssumption grid{12, 12, 0.8, 0.0, 0.05};
  const double apart = simulate_power(grid, 15, 300).of(GridCorrection::MaxT).power;
  grid.correlation = 0.9;
  EXPECT_GT(simulate_power(grid, 15, 300).of(GridCorrection::MaxT).power, apart + 0.1);
}

TEST(PowerTest, the_same_question_has_the_same_answer) {
  const GridAssumption grid{3, 2, 0.7, 0.2, 0.05};
  const auto first = simulate_power(grid, 9, 50);
  const auto second = simulate_power(grid, 9, 50);
  for (const auto c : kCorrections) EXPECT_EQ(first.of(c).power, second.of(c).power);
}

TEST(PowerTest, search_finds_the_first_number_of_seeds_that_suffices) {
  GridAssumption grid;
  grid.effect = 1.0;
  PowerSearch search(grid, 2000);
  const auto needed = search.seeds_for(GridCorrection::None, 0.8);
  ASSERT_TRUE(needed);
  EXPECT_GE(search.at(needed->n_seeds).of(GridCorrection::None).power, 0.8);
  EXPECT_LT(search.at(needed->n_seeds - 1).of(GridCorrection::None).power, 0.8);
  EXPECT_NEAR(static_cast<double>(needed->n_seeds), 11.0, 1.0);  // .79 at 10
  const auto effect = search.smallest_effect(GridCorrection::None, needed->n_seeds, 0.8);
  ASSERT_TRUE(effect);
  EXPECT_LE(*effect, 1.0);
  EXPECT_GE(*effect, 0.85);
  grid.n_cells = grid.n_effective = 35;
  PowerSearch many(grid, 50);
  EXPECT_FALSE(many.smallest_effect(GridCorrection::Holm, 10, 0.8)) << "behind the wall";
}

TEST(PowerTest, gives_up_where_no_number_of_seeds_suffices) {
  GridAssumption grid;
  grid.effect = 0.01;
  EXPECT_FALSE(PowerSearch(grid, 20).seeds_for(GridCorrection::None, 0.9));
  grid.correlation = 2.0;
  EXPECT_THROW(PowerSearch{grid}, UsageError);
}

TEST(PowerTest, significance_agrees_with_adjusted_p_values) {
  Random random(random_key(1, 0, "holm"));
  for (int trial = 0; trial < 300; ++trial) {
    std::vector<double> p;
    std::vector<Measured> measured;
    for (int i = 0; i < 8; ++i) {
      p.push_back(std::ldexp(static_cast<double>(1 + random.below(60)), -10));
      measured.push_back(Measured::of(p.back()));
    }
    const auto adjusted = holm(measured);
    const auto significant = significant_after(GridCorrection::Holm, p, 0.05);
    for (std::size_t i = 0; i < p.size(); ++i) {
      EXPECT_EQ(significant[i], adjusted[i].value <= 0.05);
    }
  }
  // Benjamini & Hochberg 1995, section 3.2: 4 of 15 at 0.05, where Bonferroni gives 3.
  const std::vector<double> p = {0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344,
                                 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0000};
  const auto bh = significant_after(GridCorrection::BenjaminiHochberg, p, 0.05);
  const auto bonferroni = significant_after(GridCorrection::Bonferroni, p, 0.05);
  EXPECT_EQ(std::count(bh.begin(), bh.end(), true), 4);
  EXPECT_EQ(std::count(bonferroni.begin(), bonferroni.end(), true), 3);
}

// CALIBRATION 7.6: ten seeds, every cell W = 0 in one direction: 2/1024 for any number of cells.
TEST(PowerTest, max_t_of_consistent_cells_does_not_depend_on_their_number) {
  const auto flips = seed_flips(10, 1000);
  EXPECT_TRUE(flips.is_exhaustive);
  EXPECT_EQ(flips.signs.rows(), 512);
  Eigen::MatrixXf ranks(10, 40);
  for (int c = 0; c < 40; ++c) {
    for (int s = 0; s < 10; ++s) ranks(s, c) = static_cast<float>(1 + (s + c) % 10);
  }
  const auto at = [&](double alpha) {
    const auto significant = max_t_significant(ranks, flips, alpha);
    return std::count(significant.begin(), significant.end(), true);
  };
  EXPECT_EQ(at(1.0 / 512), 40);
  EXPECT_EQ(at(0.99 / 512), 0);
}

}  // namespace
}  // namespace calsweep::analysis
