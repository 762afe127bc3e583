#include "analysis/statistics/wilcoxon.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "analysis/statistics/normal_tail.hpp"
#include "sweeps/errors.hpp"
#include "tests/analysis/fixtures.hpp"

namespace calsweep::analysis {
namespace {

/// d = +-rank, positive for the ranks given: W+ is their sum.
std::vector<double> ranks_with_positive(int n, const std::set<int>& positive) {
  std::vector<double> d;
  for (int rank = 1; rank <= n; ++rank) d.push_back(positive.contains(rank) ? rank : -rank);
  return d;
}

struct PaperRow {
  const char* figure;
  int n;
  std::set<int> positive;
  double w;
  const char* printed_p;  // as in the paper, 3 digits
  const char* printed_r;
  double z, our_p, our_r;  // PAPER.md 2.1, scipy
  double exact_p;          // CALIBRATION.md section 1; published digits
  double exact_tolerance;
};

// PAPER.md 2.1, every row whose printed p can come out (2h iii/iv is an open case there). Where W =
// 0 the exact p is 2^(1 - n); the other three are published with seven digits, and are compared
// with scipy's to 1e-12 among the reference cases below.
const PaperRow kPaper[] = {
    {"2d 2e 4b 4c",
     30,
     {},
     0,
     "1.73e-06",
     "0.873",
     4.782139,
     1.734398e-6,
     .873095,
     std::ldexp(1.0, -29),
     1e-15},
    {"2f per cell",
     10,
     {},
     0,
     "5.06e-03",
     "0.886",
     2.803060,
     5.062032e-3,
     .886405,
     std::ldexp(1.0, -9),
     1e-15},
    {"2g",
     20,
     {},
     0,
     "8.86e-05",
     "0.877",
     3.919930,
     8.857458e-5,
     .876523,
     std::ldexp(1.0, -19),
     1e-15},
    {"2h i/ii",
     20,
     {20, 19, 18, 7},
     64,
     "1.26e-01",
     "0.342",
     1.530639,
     .1258585,
     .342261,
     .1327267,
     5e-8},
    {"3d",
     30,
     {30, 29, 3},
     62,
     "4.53e-04",
     "0.640",
     3.506902,
     4.533563e-4,
     .640270,
     2.091266e-4,
     5e-11},
    {"5d",
     30,
     {30, 29, 1},
     60,
     "3.88e-04",
     "0.648",
     3.548039,
     3.881114e-4,
     .647780,
     1.698975e-4,
     5e-11},
};

TEST(WilcoxonTest, reproduces_the_papers_table_to_every_printed_digit) {
  for (const auto& row : kPaper) {
    SCOPED_TRACE(row.figure);
    const auto test = signed_rank_test(ranks_with_positive(row.n, row.positive));
    EXPECT_EQ(test.w.value, row.w);
    EXPECT_EQ(fmt::format("{:.2e}", test.p_asymptotic.value), row.printed_p);
    EXPECT_EQ(fmt::format("{:.3f}", test.r.value), row.printed_r);
    EXPECT_NEAR(test.z.value, row.z, 5e-7);
    EXPECT_NEAR(test.p_asymptotic.value / row.our_p, 1.0, 3e-7);
    EXPECT_NEAR(test.r.value, row.our_r, 6e-7);
    EXPECT_NEAR(test.p_exact.value, row.exact_p, row.exact_tolerance);
    EXPECT_NEAR(test.log10_p_exact.value, std::log10(test.p_exact.value), 1e-12);
  }
}

TEST(WilcoxonTest, gives_the_rank_biserial_of_the_paper_cases) {
  // CALIBRATION.md section 1, golden statistics, as magnitudes.
  EXPECT_DOUBLE_EQ(signed_rank_test(ranks_with_positive(10, {})).rank_biserial.value, -1.0);
  EXPECT_NEAR(signed_rank_test(ranks_with_positive(20, {20, 19, 18, 7})).rank_biserial.value,
              -.3905, 5e-5);
  EXPECT_NEAR(signed_rank_test(ranks_with_positive(30, {30, 29, 3})).rank_biserial.value, -.7333,
              5e-5);
}

TEST(WilcoxonTest, one_tied_pair_gives_the_open_case_of_figure_2h) {
  std::vector<double> d = {1, 2, 3, 4, 4};
  for (int i = 6; i <= 20; ++i) d.push_back(i);
  const auto test = signed_rank_test(d);
  EXPECT_NEAR(test.p_asymptotic.value, 8.84492e-5, 5e-11);  // PAPER.md 2.1
  EXPECT_NEAR(test.r.value, .87660, 5e-6);
  EXPECT_DOUBLE_EQ(test.p_exact.value, std::ldexp(1.0, -19));
}

TEST(WilcoxonTest, agrees_with_scipy_and_enumeration) {
  for (const auto& expected : fixtures::reference().at("signed_rank")) {
    SCOPED_TRACE(expected.at("name").get<std::string>());
    const auto d = expected.at("differences").get<std::vector<double>>();
    const auto test = signed_rank_test(d);
    EXPECT_DOUBLE_EQ(test.w_plus.value, expected.at("w_plus").get<double>());
    EXPECT_DOUBLE_EQ(test.w_minus.value, expected.at("w_minus").get<double>());
    EXPECT_NEAR(test.p_asymptotic.value, expected.at("p_asymptotic").get<double>(), 1e-13);
    EXPECT_NEAR(test.median_difference.value, expected.at("median").get<double>(), 1e-14);
    EXPECT_NEAR(test.hodges_lehmann.value, expected.at("hodges_lehmann").get<double>(), 1e-14);
    if (expected.at("p_exact").is_null()) continue;
    EXPECT_NEAR(test.p_exact.value, expected.at("p_exact").get<double>(), 1e-12);
  }
}

TEST(WilcoxonTest, darwin_and_zeros_and_ties_golden) {
  // CALIBRATION.md 3.7, scipy 1.10.1 and exhaustive enumeration.
  const auto darwin = signed_rank_test(
      std::vector<double>{6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75});
  EXPECT_EQ(darwin.w.value, 24.0);
  EXPECT_NEAR(darwin.p_exact.value, .041259765625, 1e-12);
  EXPECT_NEAR(darwin.p_asymptotic.value, .04088813291185591, 1e-15);
  const auto tied = signed_rank_test(std::vector<double>{0, 0, 1, 2, -2, 3, 4, -5, 6, 7, 7, 8});
  EXPECT_EQ(tied.n_pairs, 12);
  EXPECT_EQ(tied.n_zero, 2);
  EXPECT_EQ(tied.w.value, 8.5);
  EXPECT_NEAR(tied.p_exact.value, .0546875, 1e-12);
  EXPECT_NEAR(tied.p_asymptotic.value, .052479499559246585, 1e-15);
}

TEST(WilcoxonTest, has_no_p_but_a_reason_when_all_differences_are_zero) {
  const auto test = signed_rank_test(std::vector<double>{0.0, 0.0, 0.0});
  for (const auto* value : {&test.p_exact, &test.p_asymptotic, &test.w, &test.r}) {
    EXPECT_TRUE(std::isnan(value->value));
    EXPECT_EQ(value->null_reason, "all differences are zero");
  }
  EXPECT_EQ(test.n_zero, 3);
  EXPECT_EQ(test.median_difference.value, 0.0);
  EXPECT_EQ(signed_rank_test({}).p_exact.null_reason, "no pairs");
  EXPECT_EQ(signed_rank_test({}).median_difference.null_reason, "no values");
}

TEST(WilcoxonTest, stops_the_exact_p_at_its_limit) {
  const auto at_limit = signed_rank_test(ranks_with_positive(60, {}));
  EXPECT_DOUBLE_EQ(at_limit.p_exact.value, std::ldexp(1.0, -59));
  // The whole null distribution fits: every pattern counted once, so p = 1 at the centre.
  std::vector<double> balanced;
  for (int i = 1; i <= 60; ++i) balanced.push_back((i % 4 < 2 ? 1 : -1) * i);
  EXPECT_EQ(signed_rank_test(balanced).p_exact.value, 1.0);
  const auto above = signed_rank_test(ranks_with_positive(61, {}));
  EXPECT_FALSE(above.p_exact.has_value());
  EXPECT_TRUE(above.p_asymptotic.has_value());
}

TEST(WilcoxonTest, subtraction_noise_does_not_break_ties) {
  // Four differences of .0012 and one of 0, none of them exact in binary.
  const std::vector<double> a = {.9123, .8012, .3333, .1112, .1 + .2};
  const std::vector<double> b = {.9111, .8000, .3321, .1100, .3};
  const auto test = paired_signed_rank_test(a, b);
  EXPECT_EQ(test.n_zero, 1);
  EXPECT_EQ(test.w_plus.value, 10.0);
  // All tied: var = 4*5*9/24 - (64 - 4)/48 = 6.25, by hand.
  EXPECT_NEAR(test.z.value, 5.0 / 2.5, 1e-12);
  std::vector<double> noisy(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) noisy[i] = a[i] - b[i];
  EXPECT_NE(signed_rank_test(noisy).z.value, test.z.value);  // the noise is there
}

TEST(WilcoxonTest, swapping_the_arms_changes_signs_only) {
  const std::vector<double> a = {3, 1, 4, 1, 5, 9};
  const std::vector<double> b = {2, 7, 1, 8, 2, 8};
  const auto ab = paired_signed_rank_test(a, b);
  const auto ba = paired_signed_rank_test(b, a);
  EXPECT_EQ(ab.p_exact.value, ba.p_exact.value);
  EXPECT_EQ(ab.rank_biserial.value, -ba.rank_biserial.value);
  EXPECT_EQ(ab.hodges_lehmann.value, -ba.hodges_lehmann.value);
}

TEST(WilcoxonTest, refuses_nan_and_unequal_lengths) {
  EXPECT_THROW(signed_rank_test(std::vector<double>{1.0, std::nan("")}), FormatError);
  EXPECT_THROW(paired_signed_rank_test(std::vector<double>{1.0}, {}), FormatError);
}

TEST(NormalTailTest, agrees_with_scipy_far_beyond_underflow) {
  for (const auto& expected : fixtures::reference().at("normal_tail")) {
    const double z = expected.at("z").get<double>();
    EXPECT_NEAR(log10_two_sided_p(z), expected.at("log10_p").get<double>(),
                1e-12 * std::max(1.0, z * z))
        << "z = " << z;
  }
  EXPECT_NEAR(log10_two_sided_p(119.7986), -3118.61, .005);  // PAPER.md 2.2, figure 5b
}

}  // namespace
}  // namespace calsweep::analysis
