// Published values and degenerate inputs of the tests that compare two arms.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "analysis/metrics/auroc.hpp"
#include "analysis/statistics/bayesian_signed_rank.hpp"
#include "analysis/statistics/effect_sizes.hpp"
#include "analysis/statistics/hodges_lehmann.hpp"
#include "analysis/statistics/mann_whitney.hpp"
#include "analysis/statistics/multiplicity.hpp"
#include "analysis/statistics/paired_t.hpp"
#include "analysis/statistics/sign_test.hpp"
#include "analysis/statistics/wilcoxon.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/random.hpp"

namespace calsweep::analysis {
namespace {

using Numbers = std::vector<double>;

const Numbers kDarwin = {6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75};
const Numbers kTied = {0, 0, 1, 2, -2, 3, 4, -5, 6, 7, 7, 8};
// Two samples of SciPy's documentation of mannwhitneyu's forerunner; CALIBRATION.md 3.8.
const Numbers kX = {.80, .83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, .73, 1.46};
const Numbers kY = {1.15, .88, .90, .74, 1.21};

TEST(SignedRankOptionsTest, darwin_by_every_preset) {
  // CALIBRATION.md 3.7, scipy 1.10.1.
  const auto paper = signed_rank_test(kDarwin, SignedRankOptions::paper());
  EXPECT_NEAR(paper.p.value, .04088813291185591, 1e-15);
  EXPECT_EQ(paper.p_used, "asymptotic");
  const auto scipy = signed_rank_test(kDarwin, SignedRankOptions::scipy());
  EXPECT_NEAR(scipy.p.value, .041259765625, 1e-15);
  EXPECT_EQ(scipy.p_used, "exact");
  const auto r = signed_rank_test(kDarwin, SignedRankOptions::r());
  EXPECT_NEAR(r.p.value, .041259765625, 1e-15);
  EXPECT_NEAR(r.p_asymptotic.value, .043772323763041174, 1e-15);
  const auto greater = signed_rank_test(kDarwin, {.alternative = Alternative::Greater});
  EXPECT_EQ(greater.w_plus.value, 96.0);
  EXPECT_NEAR(greater.p_exact.value, .0206298828125, 1e-15);
}

TEST(SignedRankOptionsTest, zeros_and_ties_by_every_zero_method) {
  // CALIBRATION.md 3.7: statistic, asymptotic without and with continuity correction, exhaustive.
  const struct {
    ZeroMethod method;
    double w, plain, corrected, exact;
  } rows[] = {
      {ZeroMethod::Wilcox, 8.5, .052479499559246585, .059006038370505276, .0546875},
      {ZeroMethod::Pratt, 12.5, .048806745680547714, .05349906973405889, .048828125},
      {ZeroMethod::Split, 14.0, .04959644511265532, .054334582503651106, .048828125},
  };
  for (const auto& row : rows) {
    const auto plain = signed_rank_test(kTied, {.zero_method = row.method});
    EXPECT_EQ(plain.w.value, row.w);
    EXPECT_EQ(plain.n_zero, 2);
    EXPECT_TRUE(plain.has_ties);
    EXPECT_NEAR(plain.p_asymptotic.value, row.plain, 1e-15);
    EXPECT_NEAR(plain.p_exact.value, row.exact, 1e-15);
    const auto corrected = signed_rank_test(kTied, {.zero_method = row.method, .continuity = true});
    EXPECT_NEAR(corrected.p_asymptotic.value, row.corrected, 1e-15);
  }
  // R leaves the exact p at zeros or ties, SciPy above 13 pairs.
  EXPECT_NEAR(signed_rank_test(kTied, SignedRankOptions::r()).p.value, .059006038370505276, 1e-15);
  EXPECT_EQ(signed_rank_test(kTied, SignedRankOptions::scipy()).p_used, "exact");
}

TEST(SignedRankOptionsTest, continuity_correction_is_excluded_by_the_papers_digits) {
  // CALIBRATION.md, golden statistics of seed C: W = 0 with continuity correction.
  const struct {
    int n;
    const char* p;
  } rows[] = {{30, "1.8254e-06"}, {10, "5.9215e-03"}, {20, "9.5692e-05"}};
  for (const auto& row : rows) {
    Numbers d;
    for (int i = 1; i <= row.n; ++i) d.push_back(i);
    const auto test = signed_rank_test(d, {.continuity = true});
    EXPECT_EQ(fmt::format("{:.4e}", test.p_asymptotic.value), row.p);
  }
}

TEST(SignedRankOptionsTest, exact_p_is_right_where_scipy_gives_zero) {
  // scipy#26026: an exact p of 8.1e-17 came out as 0. n = 54, W = 1: two patterns in each tail.
  Numbers d = {-1.0};
  for (int i = 2; i <= 54; ++i) d.push_back(i);
  const auto test = signed_rank_test(d);
  EXPECT_DOUBLE_EQ(test.p_exact.value, std::ldexp(4.0, -54));
  EXPECT_NEAR(test.log10_p_exact.value, 2 * std::log10(2.0) - 54 * std::log10(2.0), 1e-12);
}

TEST(SignedRankOptionsTest, tolerance_of_ties_can_be_switched_off) {
  const Numbers a = {.9123, .8012, .3333, .1112};
  const Numbers b = {.9111, .8000, .3321, .1100};
  EXPECT_EQ(paired_signed_rank_test(a, b).p_asymptotic.value,
            signed_rank_test(Numbers{1, 1, 1, 1}).p_asymptotic.value);
  EXPECT_NE(paired_signed_rank_test(a, b, {.relative_tie_tolerance = 0.0}).p_asymptotic.value,
            paired_signed_rank_test(a, b).p_asymptotic.value);
}

TEST(SignedRankOptionsTest, many_zeros_leave_the_exact_p_its_limits) {
  Numbers d(300'000, 0.0);
  for (int i = 0; i < 60; ++i) d.push_back(i % 2 == 0 ? 1.0 + i : -1.0 - i);
  const auto pratt = signed_rank_test(d, {.zero_method = ZeroMethod::Pratt});
  EXPECT_EQ(pratt.p_exact.null_reason, "too many zero differences for an exact p");
  EXPECT_EQ(pratt.p_used, "asymptotic");
  EXPECT_TRUE(signed_rank_test(d).p_exact.has_value());
}

TEST(MannWhitneyTest, small_golden_case_by_every_preset) {
  // CALIBRATION.md 3.8.
  const auto paper = mann_whitney_test(kX, kY, MannWhitneyOptions::paper());
  EXPECT_EQ(paper.u.value, 35.0);
  EXPECT_NEAR(paper.p.value, .22067136191984693, 1e-15);
  EXPECT_NEAR(paper.p_exact.value, .2544122544122544, 1e-15);
  const auto scipy = mann_whitney_test(kX, kY, MannWhitneyOptions::scipy());
  EXPECT_NEAR(scipy.p.value, .2544122544122544, 1e-15);
  EXPECT_NEAR(scipy.p_asymptotic.value, .24462360512698333, 1e-15);
  EXPECT_EQ(mann_whitney_test(kX, kY, MannWhitneyOptions::r()).p_used, "exact");
  EXPECT_DOUBLE_EQ(paper.rank_biserial.value, 2 * auroc(kX, kY).value - 1);
  EXPECT_DOUBLE_EQ(paper.common_language.value, auroc(kX, kY).value);
}

TEST(MannWhitneyTest, figure_3c_of_the_paper) {
  // CALIBRATION.md, golden statistics of seed C; without ties, then with 155 equal values.
  const auto test = mann_whitney_from_u(975'129.5, 1000, 1000, 0.0);
  EXPECT_NEAR(test.z.value, 36.794, 5e-4);
  EXPECT_EQ(fmt::format("{:.3f}", test.r.value), "0.823");
  EXPECT_NEAR(test.log10_p.value, -295.64, .005);
  EXPECT_NEAR(test.rank_biserial.value, .9503, 5e-5);
  EXPECT_FALSE(test.p_exact.has_value());
  const auto tied = mann_whitney_from_u(975'129.5, 1000, 1000, 155.0 * 155.0 * 155.0 - 155.0);
  EXPECT_EQ(fmt::format("{:.2e}", tied.p.value), "1.67e-296");  // as printed
}

TEST(MannWhitneyTest, figure_5b_of_the_paper_from_ten_thousand_scores_each) {
  // U = 98,908,786 of 10^8 pairs: each score of the first loses 109 of its 10,000 pairs, the first
  // 1,214 lose one more. The printed p is the smallest double; log10 p is what there is to store.
  Numbers first;
  Numbers second;
  for (int i = 0; i < 10'000; ++i) {
    second.push_back(i);
    first.push_back(10'000 - 109 - (i < 1214 ? 1 : 0) - .75 + i * 2e-5);
  }
  const auto test = mann_whitney_test(first, second);
  EXPECT_EQ(test.u.value, 98'908'786.0);
  EXPECT_FALSE(test.has_ties);
  EXPECT_NEAR(test.z.value, 119.80, .005);
  EXPECT_EQ(fmt::format("{:.3f}", test.r.value), "0.847");
  EXPECT_NEAR(test.log10_p.value, -3118.61, .005);
  EXPECT_NEAR(test.rank_biserial.value, .9782, 5e-5);
  EXPECT_EQ(test.p_used, "asymptotic");
}

TEST(MannWhitneyTest, exact_p_of_forty_nine_against_forty_nine) {
  // R's default is exact here. A clean sweep: 2 of C(98, 49) subsets, 128-bit integers.
  Numbers low;
  Numbers high;
  for (int i = 0; i < 49; ++i) {
    low.push_back(i);
    high.push_back(100 + i);
  }
  const auto test = mann_whitney_test(high, low, MannWhitneyOptions::r());
  EXPECT_EQ(test.p_used, "exact");
  const double log10_subsets = (std::lgamma(99.0) - 2.0 * std::lgamma(50.0)) / std::log(10.0);
  EXPECT_NEAR(test.log10_p.value, std::log10(2.0) - log10_subsets, 1e-11);
}

TEST(MannWhitneyTest, degenerate_samples_have_reasons) {
  EXPECT_EQ(mann_whitney_test({}, kY).p.null_reason, "one of the two sets is empty");
  const auto equal = mann_whitney_test(Numbers{1, 1}, Numbers{1, 1, 1});
  EXPECT_EQ(equal.p.null_reason, "all values are equal");
  EXPECT_EQ(equal.rank_biserial.value, 0.0);
  EXPECT_EQ(mann_whitney_test(Numbers{1}, Numbers{2}).p_exact.value, 1.0);
  EXPECT_THROW(mann_whitney_test(Numbers{std::nan("")}, kY), FormatError);
  EXPECT_THROW(mann_whitney_from_u(7, 2, 3, 0), UsageError);
}

TEST(SignTestTest, golden_and_degenerate) {
  // Darwin: 13 of 15 positive; 2 (1 + 15 + 105) / 2^15 by hand.
  EXPECT_DOUBLE_EQ(sign_test(kDarwin).p.value, 2.0 * 121.0 / 32768.0);
  EXPECT_EQ(sign_test({}).p.null_reason, "no pairs");
  EXPECT_EQ(sign_test(Numbers{0, 1e-14}, 1e-12).p.null_reason, "all differences are zero");
  const Numbers all_positive(10'000, 1.0);  // 2^-9999 underflows a double
  EXPECT_NEAR(sign_test(all_positive).log10_p.value, -9999 * std::log10(2.0), 1e-9);
  EXPECT_THROW(sign_test(Numbers{INFINITY}), FormatError);
}

TEST(PairedTTest, degenerate_differences_have_reasons) {
  EXPECT_EQ(paired_t_test({}).t.null_reason, "no pairs");
  EXPECT_EQ(paired_t_test(Numbers{1.0}).t.null_reason, "one pair has no spread");
  EXPECT_EQ(paired_t_test(Numbers{.0012, .0012 + 1e-16}, 1e-12).t.null_reason,
            "all differences are equal");
  EXPECT_EQ(paired_t_test(Numbers{.0012, .0012 + 1e-16}, 1e-12).cohen_dz.null_reason,
            "all differences are equal");
}

TEST(EffectSizesTest, count_pairs_with_ties_half) {
  const auto effects = paired_effects(Numbers{3, 2, 5, 1}, Numbers{1, 2, 4, 6});
  EXPECT_DOUBLE_EQ(effects.common_language.value, 2.5 / 4.0);
  // First > second over all 16 combinations by hand: 3: {1,2}, 2: {1} and a tie, 5: {1,2,4}, 1: a
  // tie.
  EXPECT_DOUBLE_EQ(effects.vargha_delaney_a.value, 7.0 / 16.0);
  // Differences 2, 0, 1, -5: mean -1/2, sample variance (6.25 + .25 + 2.25 + 20.25) / 3.
  EXPECT_NEAR(effects.cohen_dz.value, -.5 / std::sqrt(29.0 / 3.0), 1e-15);
  EXPECT_EQ(paired_effects({}, {}).common_language.null_reason, "no pairs");
}

TEST(HodgesLehmannTest, depression_scale_of_hollander_and_wolfe) {
  // Hollander & Wolfe 1999, examples 3.1 and 3.3 (the example of R's wilcox.test): estimate .46,
  // interval (.010, .786) of level 1 - 2 * 5/512... = .961.
  const Numbers x = {1.83, .50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30};
  const Numbers y = {.878, .647, .598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29};
  const auto d = paired_differences(x, y);
  const auto interval = hodges_lehmann_interval(d.values, .95);
  EXPECT_NEAR(interval.estimate.value, .46, 5e-4);
  EXPECT_NEAR(interval.low.value, .010, 1e-12);
  EXPECT_NEAR(interval.high.value, .786, 5e-4);
  EXPECT_NEAR(interval.achieved_level.value, .961, 5e-4);
  EXPECT_NEAR(signed_rank_test(d.values, {.alternative = Alternative::Greater}).p_exact.value,
              .01953125, 1e-12);
}

TEST(HodgesLehmannTest, refuses_a_level_that_so_few_differences_cannot_give) {
  const auto five = hodges_lehmann_interval(Numbers{1, 2, 3, 4, 5}, .95);
  EXPECT_EQ(five.low.null_reason,
            "5 differences cannot give a 95 % interval: the widest has 93.75 %");
  EXPECT_DOUBLE_EQ(five.achieved_level.value, .9375);
  const auto just = hodges_lehmann_interval(Numbers{1, 2, 3, 4, 5}, .9375);
  EXPECT_EQ(just.low.value, 1.0);
  EXPECT_EQ(just.high.value, 5.0);
  EXPECT_EQ(hodges_lehmann_interval({}, .95).low.null_reason, "no values");
  EXPECT_THROW(hodges_lehmann_interval(Numbers{1}, 95), UsageError);
}

TEST(HodgesLehmannTest, asymptotic_interval_continues_the_exact_one) {
  Random random(random_key(3, 0, "hodges-lehmann"));
  Numbers d(60);
  for (auto& v : d) v = random.normal();
  const auto exact = hodges_lehmann_interval(d, .95);
  d.push_back(exact.estimate.value);
  const auto asymptotic = hodges_lehmann_interval(d, .95);
  EXPECT_EQ(asymptotic.method, "asymptotic");
  EXPECT_GE(asymptotic.achieved_level.value, .95);
  EXPECT_LT(asymptotic.achieved_level.value, .952);
  EXPECT_NEAR(asymptotic.low.value, exact.low.value, .02);
  EXPECT_NEAR(asymptotic.high.value, exact.high.value, .02);
}

TEST(BayesianSignedRankTest, is_reproducible_and_keyed) {
  const BayesianOptions options = {.rope = 5.0, .n_samples = 500, .key = "darwin"};
  const auto first = bayesian_signed_rank(kDarwin, options);
  const Numbers reversed(kDarwin.rbegin(), kDarwin.rend());
  EXPECT_EQ(first.p_above.value, bayesian_signed_rank(reversed, options).p_above.value);
  auto other = options;
  other.key = "another";
  EXPECT_NE(first.p_above.value, bayesian_signed_rank(kDarwin, other).p_above.value);
  EXPECT_NEAR(first.p_below.value + first.p_within.value + first.p_above.value, 1.0, 1e-12);
  EXPECT_GT(first.p_above.value, .9);
}

TEST(BayesianSignedRankTest, degenerate_and_bad_input) {
  EXPECT_EQ(bayesian_signed_rank({}, {}).p_above.null_reason, "no pairs");
  const auto zeros = bayesian_signed_rank(Numbers{0, 0, 0}, {.n_samples = 100});
  EXPECT_DOUBLE_EQ(zeros.p_above.value, .5);
  EXPECT_DOUBLE_EQ(zeros.p_within.value, 0.0);
  const auto within = bayesian_signed_rank(Numbers{0, 0, 0}, {.rope = .1, .n_samples = 100});
  EXPECT_EQ(within.p_within.value, 1.0);
  EXPECT_EQ(within.mean_within.value, 1.0);
  EXPECT_THROW(bayesian_signed_rank(kDarwin, {.rope = -1.0}), UsageError);
  EXPECT_THROW(bayesian_signed_rank(kDarwin, {.n_samples = 0}), UsageError);
}

TEST(MultiplicityTest, corrections_work_where_p_underflows) {
  // CALIBRATION.md fact 8: log10 p = -3118.6; two such tests under Bonferroni.
  const std::vector<Measured> log10_p = {Measured::of(-3118.61), Measured::of(-1.0)};
  EXPECT_NEAR(adjust_log10_p(log10_p, Correction::Bonferroni)[0].value, -3118.61 + std::log10(2.0),
              1e-12);
  EXPECT_THROW(adjust_log10_p(std::vector{Measured::of(.5)}, Correction::Holm), FormatError);
  EXPECT_THROW(adjust_p(std::vector{Measured::of(1.5)}, Correction::Holm), FormatError);
  EXPECT_TRUE(adjust_p({}, Correction::Hochberg).empty());
}

}  // namespace
}  // namespace calsweep::analysis
