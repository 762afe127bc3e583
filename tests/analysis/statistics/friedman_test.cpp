#include "analysis/statistics/friedman.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/math/distributions/fisher_f.hpp>
#include <cmath>

#include "analysis/statistics/normal_tail.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/random.hpp"
#include "tests/analysis/statistics/trend_reference.hpp"

namespace calsweep::analysis {
namespace {

using fixtures::relative_error;

Blocks random_blocks(Random& random, std::size_t n, std::size_t k, int n_values = 0) {
  Blocks blocks{k, {}};
  for (std::size_t i = 0; i < n * k; ++i) {
    blocks.values.push_back(
        n_values == 0 ? random.normal()
                      : static_cast<double>(random.below(static_cast<std::uint64_t>(n_values))));
  }
  return blocks;
}

TEST(FriedmanTest, agrees_with_scipy_and_with_demsars_formulas) {
  const auto& cases = fixtures::trend_reference()["friedman"];
  ASSERT_GE(cases.size(), 200U);
  for (const auto& c : cases) {
    const auto test = friedman_test(fixtures::blocks_of(c));
    for (std::size_t t = 0; t < test.average_ranks.size(); ++t) {
      EXPECT_NEAR(test.average_ranks[t], c["average_ranks"][t].get<double>(), 1e-12);
    }
    const auto check = [&](const UpperTailTest& ours, const char* statistic, const char* p) {
      EXPECT_LT(relative_error(ours.statistic.value, c[statistic]), 1e-10) << c;
      EXPECT_LT(relative_error(ours.tail.p.value, c[p]), 1e-9) << c;
      EXPECT_NEAR(ours.tail.log10_p.value, std::log10(c[p].get<double>()), 1e-9) << c;
    };
    check(test.uncorrected.chi2, "chi2_plain", "p_plain");
    check(test.uncorrected.iman_davenport, "f", "p_f");
    check(test.tie_corrected.chi2, "chi2_scipy", "p_scipy");
  }
}

// Demsar 2006, section 3.2.2 and table 6: C4.5 with four parameter settings on 14 data sets.
TEST(FriedmanTest, gives_demsars_example_from_its_average_ranks) {
  const auto test = friedman_from_average_ranks({3.143, 2.000, 2.893, 1.964}, 14);
  EXPECT_NEAR(test.chi2.statistic.value, 9.28, 0.005);
  EXPECT_NEAR(test.iman_davenport.statistic.value, 3.69, 0.005);
  const boost::math::fisher_f f(3, 39);
  EXPECT_NEAR(boost::math::quantile(boost::math::complement(f, 0.05)), 2.85, 0.005);
  EXPECT_NEAR(f_tail(boost::math::quantile(boost::math::complement(f, 0.05)), 3, 39).p.value, 0.05,
              1e-12);
}

TEST(FriedmanTest, for_two_methods_is_the_sign_test_without_continuity_correction) {
  Random random(random_key(1, 0, "friedman sign test"));
  for (int trial = 0; trial < 50; ++trial) {
    const auto blocks = random_blocks(random, 12, 2, 4);
    double plus = 0;
    double minus = 0;
    for (std::size_t b = 0; b < 12; ++b) {
      plus += blocks.value(b, 0) > blocks.value(b, 1);
      minus += blocks.value(b, 0) < blocks.value(b, 1);
    }
    if (plus + minus == 0) continue;
    const double z = std::abs(plus - minus) / std::sqrt(plus + minus);
    const auto test = friedman_test(blocks);
    EXPECT_NEAR(test.tie_corrected.chi2.statistic.value, z * z, 1e-10);
    EXPECT_NEAR(test.tie_corrected.chi2.tail.p.value, two_sided_p(z), 1e-10);
  }
}

TEST(FriedmanTest, does_not_change_under_monotone_transformation_of_a_block) {
  Random random(random_key(2, 0, "friedman monotone"));
  const auto blocks = random_blocks(random, 9, 5);
  auto moved = blocks;
  for (std::size_t i = 0; i < moved.values.size(); ++i) {
    moved.values[i] = std::exp(moved.values[i]) * static_cast<double>(1 + i / 5) + 3.0;
  }
  EXPECT_EQ(friedman_test(blocks).uncorrected.chi2.statistic.value,
            friedman_test(moved).uncorrected.chi2.statistic.value);
}

TEST(FriedmanTest, rejects_a_true_null_no_more_often_than_the_level) {
  Random random(random_key(3, 0, "friedman null"));
  constexpr int kTrials = 2000;
  int chi2 = 0;
  int f = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    const auto test = friedman_test(random_blocks(random, 15, 4));
    chi2 += test.uncorrected.chi2.tail.p.value <= 0.05;
    f += test.uncorrected.iman_davenport.tail.p.value <= 0.05;
  }
  // Three standard errors above 5 %; F is known to be slightly liberal.
  EXPECT_LE(chi2, kTrials * 0.065);
  EXPECT_LE(f, kTrials * 0.070);
  EXPECT_GE(f, kTrials * 0.030) << "as weak as that it would be useless";
}

TEST(FriedmanTest, says_why_there_is_no_number) {
  EXPECT_EQ(friedman_test({1, {1, 2, 3}}).uncorrected.chi2.statistic.null_reason,
            "fewer than two methods");
  EXPECT_EQ(friedman_test({3, {1, 2, 3}}).uncorrected.chi2.statistic.null_reason,
            "fewer than two blocks");
  EXPECT_EQ(friedman_test({3, {}}).uncorrected.chi2.statistic.null_reason, "fewer than two blocks");
  const auto equal = friedman_test({2, {1, 1, 2, 2}});
  EXPECT_EQ(equal.uncorrected.chi2.statistic.value, 0.0);
  EXPECT_EQ(equal.tie_corrected.chi2.statistic.null_reason, "all methods are equal in every block");
  EXPECT_THROW(friedman_test({3, {1, 2, 3, 4}}), FormatError);
  EXPECT_THROW(friedman_test({2, {1, 2, 3, std::nan("")}}), FormatError);
}

TEST(FriedmanTest, gives_the_exact_p_where_all_blocks_agree) {
  Blocks blocks{3, {}};
  for (int b = 0; b < 200; ++b) blocks.values.insert(blocks.values.end(), {1.0, 2.0, 3.0});
  const auto test = friedman_test(blocks);
  EXPECT_FALSE(test.uncorrected.iman_davenport.statistic.has_value());
  EXPECT_NEAR(test.uncorrected.iman_davenport.tail.log10_p.value, -199 * std::log10(6.0), 1e-9);
}

TEST(DistributionTailsTest, log10_p_stays_finite_where_p_underflows) {
  // Q(1, x) = e^-x: chi-squared with two degrees of freedom.
  for (const double x : {10.0, 3000.0, 50'000.0, 1e7}) {
    EXPECT_LT(relative_error(chi_squared_tail(x, 2.0).log10_p.value, -x / 2.0 / std::log(10.0)),
              1e-13);
  }
  // Q(2, x) = (1 + x) e^-x.
  EXPECT_LT(relative_error(chi_squared_tail(60'000.0, 4.0).log10_p.value,
                           (std::log(30'001.0) - 30'000.0) / std::log(10.0)),
            1e-13);
  // F with (2, d): (1 + 2 x / d)^(-d / 2).
  EXPECT_NEAR(f_tail(1e4, 2.0, 400.0).log10_p.value, -200.0 * std::log10(51.0), 1e-9);
  EXPECT_FALSE(f_tail(1e300, 2.0, 4000.0).p.has_value());
}

}  // namespace
}  // namespace calsweep::analysis
