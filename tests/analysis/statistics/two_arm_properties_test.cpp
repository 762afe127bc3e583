// What holds for every test of two arms: the level on null data, symmetry, p in (0, 1].
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "analysis/statistics/hodges_lehmann.hpp"
#include "analysis/statistics/mann_whitney.hpp"
#include "analysis/statistics/paired_t.hpp"
#include "analysis/statistics/sign_test.hpp"
#include "analysis/statistics/wilcoxon.hpp"
#include "sweeps/random.hpp"

namespace calsweep::analysis {
namespace {

using Numbers = std::vector<double>;

Numbers normals(std::size_t n, Random& random) {
  Numbers values(n);
  for (auto& v : values) v = random.normal();
  return values;
}

/// Symmetric about zero, with ties and zeros.
Numbers coarse(std::size_t n, Random& random) {
  Numbers values(n);
  for (auto& v : values) v = std::round(2.0 * random.normal());
  return values;
}

struct NullCase {
  const char* name;
  std::function<Measured(Random&)> p;
  double least;  // share of rejections that shows the test can reject at all
};

const NullCase kNullCases[] = {
    {"signed-rank, exact, ties and zeros",
     [](Random& r) { return signed_rank_test(coarse(10, r)).p_exact; }, .02},
    {"signed-rank, exact, Pratt",
     [](Random& r) {
       return signed_rank_test(coarse(12, r), {.zero_method = ZeroMethod::Pratt}).p_exact;
     },
     .02},
    {"signed-rank, exact, one-sided",
     [](Random& r) {
       return signed_rank_test(normals(10, r), {.alternative = Alternative::Greater}).p_exact;
     },
     .03},
    {"signed-rank, the paper's",
     [](Random& r) { return signed_rank_test(normals(10, r), SignedRankOptions::paper()).p; }, .03},
    {"signed-rank, R's",
     [](Random& r) { return signed_rank_test(coarse(20, r), SignedRankOptions::r()).p; }, .02},
    {"Mann-Whitney, exact",
     [](Random& r) { return mann_whitney_test(normals(7, r), normals(9, r)).p_exact; }, .03},
    {"Mann-Whitney, exact, ties, one-sided",
     [](Random& r) {
       return mann_whitney_test(coarse(7, r), coarse(9, r), {.alternative = Alternative::Less})
           .p_exact;
     },
     .02},
    {"Mann-Whitney, SciPy's",
     [](Random& r) {
       return mann_whitney_test(normals(12, r), normals(10, r), MannWhitneyOptions::scipy()).p;
     },
     .03},
    {"sign test", [](Random& r) { return sign_test(normals(12, r)).p; }, .02},
    {"paired t", [](Random& r) { return paired_t_test(normals(10, r)).p; }, .03},
};

TEST(TypeOneErrorTest, of_every_test_stays_at_its_level_on_simulated_nulls) {
  constexpr int kRepeats = 2000;
  const double sd = std::sqrt(kRepeats * .05 * .95);
  for (const auto& null_case : kNullCases) {
    SCOPED_TRACE(null_case.name);
    Random random(random_key(1, 0, null_case.name));
    int rejected = 0;
    for (int repeat = 0; repeat < kRepeats; ++repeat) {
      const auto p = null_case.p(random);
      if (!p.has_value()) continue;
      ASSERT_GT(p.value, 0.0);
      ASSERT_LE(p.value, 1.0);
      rejected += p.value <= .05 ? 1 : 0;
    }
    EXPECT_LE(rejected, kRepeats * .05 + 4.0 * sd);
    EXPECT_GE(rejected, kRepeats * null_case.least);
  }
}

TEST(CoverageTest, of_the_hodges_lehmann_interval_is_the_achieved_level) {
  constexpr int kRepeats = 2000;
  Random random(random_key(2, 0, "coverage"));
  int covered = 0;
  double achieved = 0.0;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    const auto interval = hodges_lehmann_interval(normals(9, random), .9);
    achieved = interval.achieved_level.value;
    covered += interval.low.value <= 0.0 && 0.0 <= interval.high.value ? 1 : 0;
  }
  EXPECT_GE(achieved, .9);
  EXPECT_NEAR(covered, kRepeats * achieved, 4.0 * std::sqrt(kRepeats * achieved * (1 - achieved)));
  int covered_with_ties = 0;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    const auto interval = hodges_lehmann_interval(coarse(9, random), .9);
    covered_with_ties += interval.low.value <= 0.0 && 0.0 <= interval.high.value ? 1 : 0;
  }
  EXPECT_GE(covered_with_ties, kRepeats * achieved - 4.0 * std::sqrt(kRepeats * .09));
}

TEST(CoverageTest, interval_excludes_zero_exactly_where_the_test_rejects) {
  Random random(random_key(3, 0, "duality"));
  for (int repeat = 0; repeat < 300; ++repeat) {
    auto d = normals(8 + static_cast<std::size_t>(random.below(30)), random);
    for (auto& v : d) v += .5;
    const auto interval = hodges_lehmann_interval(d, .95);
    const bool excludes = interval.low.value > 0.0 || interval.high.value < 0.0;
    EXPECT_EQ(excludes, signed_rank_test(d).p_exact.value <= .05);
  }
}

TEST(SymmetryTest, swapping_the_arms_keeps_two_sided_p_and_mirrors_one_sided_p) {
  Random random(random_key(4, 0, "swap"));
  for (int repeat = 0; repeat < 200; ++repeat) {
    const auto a = coarse(6 + static_cast<std::size_t>(random.below(12)), random);
    auto b = coarse(a.size(), random);
    b[0] = a[0] + 1.0;  // not all equal
    const auto ab = paired_signed_rank_test(a, b);
    const auto ba = paired_signed_rank_test(b, a);
    EXPECT_EQ(ab.p_exact.value, ba.p_exact.value);
    EXPECT_EQ(ab.p_asymptotic.value, ba.p_asymptotic.value);
    EXPECT_EQ(ab.rank_biserial.value, -ba.rank_biserial.value);
    const auto greater = paired_signed_rank_test(a, b, {.alternative = Alternative::Greater});
    const auto less = paired_signed_rank_test(b, a, {.alternative = Alternative::Less});
    EXPECT_EQ(greater.p_exact.value, less.p_exact.value);
    EXPECT_DOUBLE_EQ(greater.p_asymptotic.value, less.p_asymptotic.value);
    EXPECT_EQ(mann_whitney_test(a, b).p_exact.value, mann_whitney_test(b, a).p_exact.value);
    EXPECT_EQ(mann_whitney_test(a, b, {.alternative = Alternative::Greater}).p_exact.value,
              mann_whitney_test(b, a, {.alternative = Alternative::Less}).p_exact.value);
    const auto d = paired_differences(a, b);
    const auto swapped = paired_differences(b, a);
    EXPECT_EQ(sign_test(d.values).p.value, sign_test(swapped.values).p.value);
    const auto low_high = hodges_lehmann_interval(d.values, .9);
    const auto high_low = hodges_lehmann_interval(swapped.values, .9);
    EXPECT_EQ(low_high.low.value, -high_low.high.value);
  }
}

TEST(SymmetryTest, the_order_of_pairs_does_not_matter) {
  Random random(random_key(5, 0, "order"));
  const auto d = coarse(25, random);
  const Numbers reversed(d.rbegin(), d.rend());
  EXPECT_EQ(signed_rank_test(d).p_exact.value, signed_rank_test(reversed).p_exact.value);
  EXPECT_EQ(signed_rank_test(d).p_asymptotic.value, signed_rank_test(reversed).p_asymptotic.value);
  EXPECT_EQ(hodges_lehmann_interval(d, .95).low.value,
            hodges_lehmann_interval(reversed, .95).low.value);
}

TEST(SymmetryTest, more_of_the_same_sign_never_raises_p) {
  for (int n = 2; n <= 60; ++n) {
    Numbers d;
    for (int i = 1; i <= n; ++i) d.push_back(i % 3 == 0 ? -i : i);
    const auto before = signed_rank_test(d, {.alternative = Alternative::Greater});
    d[static_cast<std::size_t>(n) / 3 * 3 - (n >= 3 ? 1 : 0)] = n;  // one negative becomes largest
    const auto after = signed_rank_test(d, {.alternative = Alternative::Greater});
    EXPECT_LE(after.p_exact.value, before.p_exact.value) << n;
    EXPECT_GT(after.p_exact.value, 0.0);
  }
}

}  // namespace
}  // namespace calsweep::analysis
