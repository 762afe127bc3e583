#include "analysis/statistics/trend_tests.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "sweeps/errors.hpp"
#include "sweeps/random.hpp"
#include "tests/analysis/statistics/trend_reference.hpp"

namespace calsweep::analysis {
namespace {

using fixtures::relative_error;

TEST(PageTrendTest, agrees_with_scipy_without_ties) {
  const auto& cases = fixtures::trend_reference()["page_scipy"];
  ASSERT_GE(cases.size(), 200U);
  for (const auto& c : cases) {
    const auto test = page_trend_test(fixtures::blocks_of(c));
    EXPECT_EQ(test.statistic.value, c["l"].get<double>());
    EXPECT_LT(relative_error(test.exact.increasing.p.value, c["p_exact"]), 1e-9) << c;
    EXPECT_LT(relative_error(test.asymptotic.increasing.p.value, c["p_asymptotic"]), 1e-9) << c;
  }
}

TEST(PageTrendTest, is_exact_with_ties) {
  const auto& cases = fixtures::trend_reference()["page_enumerated"];
  ASSERT_GE(cases.size(), 200U);
  for (const auto& c : cases) {
    const auto test = page_trend_test(fixtures::blocks_of(c));
    EXPECT_EQ(test.statistic.value, c["l"].get<double>());
    EXPECT_LT(relative_error(std::pow(test.standard_deviation.value, 2), c["variance"]), 1e-10);
    EXPECT_LT(relative_error(test.exact.increasing.p.value, c["p_increasing"]), 1e-12) << c;
    EXPECT_LT(relative_error(test.exact.decreasing.p.value, c["p_decreasing"]), 1e-12) << c;
    EXPECT_NEAR(test.exact.two_sided.p.value,
                std::min(1.0, 2.0 * std::min(c["p_increasing"].get<double>(),
                                             c["p_decreasing"].get<double>())),
                1e-12);
  }
}

TEST(PageTrendTest, mirrors_when_the_levels_are_reversed) {
  Random random(random_key(1, 0, "page mirror"));
  Blocks blocks{5, {}};
  for (int i = 0; i < 40; ++i) blocks.values.push_back(std::floor(3.0 * random.normal()));
  auto reversed = blocks;
  for (std::size_t b = 0; b < 8; ++b) {
    std::reverse(reversed.values.begin() + static_cast<std::ptrdiff_t>(5 * b),
                 reversed.values.begin() + static_cast<std::ptrdiff_t>(5 * b + 5));
  }
  const auto forward = page_trend_test(blocks);
  const auto backward = page_trend_test(reversed);
  EXPECT_NEAR(forward.effect.value, -backward.effect.value, 1e-12);
  EXPECT_NEAR(forward.exact.increasing.p.value, backward.exact.decreasing.p.value, 1e-12);
}

TEST(PageTrendTest, sees_only_the_order_within_blocks) {
  Random random(random_key(2, 0, "page monotone"));
  Blocks blocks{4, {}};
  for (int i = 0; i < 28; ++i) blocks.values.push_back(random.normal());
  auto moved = blocks;
  for (std::size_t i = 0; i < moved.values.size(); ++i) {
    moved.values[i] = std::pow(moved.values[i], 3) + 100.0 * static_cast<double>(i / 4);
  }
  EXPECT_EQ(page_trend_test(blocks).exact.two_sided.p.value,
            page_trend_test(moved).exact.two_sided.p.value);
}

TEST(PageTrendTest, perfect_trend_has_the_smallest_p_there_is) {
  Blocks blocks{7, {}};
  for (int b = 0; b < 10; ++b) {
    for (int level = 0; level < 7; ++level) blocks.values.push_back(level);
  }
  const auto test = page_trend_test(blocks);
  EXPECT_DOUBLE_EQ(test.effect.value, 1.0);
  EXPECT_NEAR(test.exact.increasing.log10_p.value, -10.0 * std::log10(5040.0), 1e-9);
  EXPECT_DOUBLE_EQ(test.exact.decreasing.p.value, 1.0);
}

TEST(PageTrendTest, rejects_a_true_null_no_more_often_than_the_level) {
  Random random(random_key(3, 0, "page null"));
  constexpr int kTrials = 1000;
  int rejected = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    Blocks blocks{4, {}};
    for (int i = 0; i < 24; ++i) blocks.values.push_back(std::round(2.0 * random.normal()));
    const auto test = page_trend_test(blocks);
    rejected += test.exact.two_sided.p.has_value() && test.exact.two_sided.p.value <= 0.05;
  }
  EXPECT_LE(rejected, kTrials * 0.071);  // three standard errors above
  EXPECT_GE(rejected, kTrials * 0.02);
}

TEST(PageTrendTest, large_problems_have_the_asymptotic_p_only) {
  Blocks blocks{12, {}};
  for (int i = 0; i < 60; ++i) blocks.values.push_back((i * 37) % 61);
  const auto test = page_trend_test(blocks);
  EXPECT_EQ(test.exact.two_sided.p.null_reason, "more than 10 levels: asymptotic p only");
  EXPECT_TRUE(test.asymptotic.two_sided.p.has_value());
}

TEST(PageTrendTest, says_why_there_is_no_number) {
  EXPECT_EQ(page_trend_test({1, {1, 2}}).statistic.null_reason, "fewer than two levels");
  EXPECT_EQ(page_trend_test({3, {}}).exact.two_sided.p.null_reason, "no blocks");
  EXPECT_EQ(page_trend_test({3, {1, 1, 1}}).z.null_reason, "all levels are equal in every block");
  EXPECT_THROW(page_trend_test({2, {1, INFINITY}}), FormatError);
}

TEST(JonckheereTerpstraTest, agrees_with_counting_all_assignments) {
  const auto& cases = fixtures::trend_reference()["jonckheere"];
  ASSERT_GE(cases.size(), 200U);
  for (const auto& c : cases) {
    const auto test = jonckheere_terpstra_test(c["groups"].get<std::vector<std::vector<double>>>());
    EXPECT_EQ(test.statistic.value, c["j"].get<double>());
    EXPECT_NEAR(test.mean.value, c["mean"].get<double>(), 1e-9);
    EXPECT_LT(relative_error(std::pow(test.standard_deviation.value, 2), c["variance"]), 1e-9) << c;
    EXPECT_EQ(test.exact.two_sided.p.has_value(), !c["tied"].get<bool>());
    if (c["tied"]) continue;
    EXPECT_LT(relative_error(test.exact.increasing.p.value, c["p_increasing"]), 1e-12) << c;
    EXPECT_LT(relative_error(test.exact.decreasing.p.value, c["p_decreasing"]), 1e-12) << c;
  }
}

TEST(JonckheereTerpstraTest, for_two_levels_is_mann_whitneys_u) {
  // CALIBRATION's Mann-Whitney example, from scipy: U of x = 35, exact two-sided p.
  const std::vector<double> x = {.80, .83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, .73, 1.46};
  const std::vector<double> y = {1.15, .88, .90, .74, 1.21};
  const auto test = jonckheere_terpstra_test({y, x});
  EXPECT_EQ(test.statistic.value, 35.0);
  EXPECT_NEAR(test.exact.two_sided.p.value, .2544122544122544, 1e-14);
  EXPECT_NEAR(test.asymptotic.two_sided.p.value, .22067136191984693, 1e-12);
}

TEST(JonckheereTerpstraTest, says_why_there_is_no_number) {
  EXPECT_EQ(jonckheere_terpstra_test({}).z.null_reason, "fewer than two levels with values");
  EXPECT_EQ(jonckheere_terpstra_test({{1, 2}, {}}).z.null_reason,
            "fewer than two levels with values");
  EXPECT_EQ(jonckheere_terpstra_test({{1}, {1, 1}}).z.null_reason, "all values are equal");
  EXPECT_THROW(jonckheere_terpstra_test({{1}, {std::nan("")}}), FormatError);
}

TEST(JonckheereTerpstraTest, exact_and_normal_agree_at_the_limit) {
  Random random(random_key(4, 0, "jonckheere"));
  std::vector<std::vector<double>> levels(4);
  for (std::size_t i = 0; i < 120; ++i) {
    levels[i % 4].push_back(random.normal() + 0.1 * static_cast<double>(i % 4));
  }
  const auto test = jonckheere_terpstra_test(levels);
  EXPECT_NEAR(test.exact.two_sided.p.value, test.asymptotic.two_sided.p.value, 2e-3);
  levels[0].push_back(0.123);
  EXPECT_FALSE(jonckheere_terpstra_test(levels).exact.two_sided.p.has_value());
}

}  // namespace
}  // namespace calsweep::analysis
