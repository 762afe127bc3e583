// Agreement with SciPy, statsmodels, baycomp and enumeration on generated cases, at least 200 per
// test. Versions: "made_with" in two_arm_reference.json.
#include "tests/analysis/statistics/two_arm_reference.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "analysis/statistics/bayesian_signed_rank.hpp"
#include "analysis/statistics/hodges_lehmann.hpp"
#include "analysis/statistics/mann_whitney.hpp"
#include "analysis/statistics/max_t.hpp"
#include "analysis/statistics/multiplicity.hpp"
#include "analysis/statistics/paired_t.hpp"
#include "analysis/statistics/sign_test.hpp"
#include "analysis/statistics/wilcoxon.hpp"

namespace calsweep::analysis {

namespace fixtures {

const nlohmann::json& two_arm_cases(const std::string& test) {
  static const auto reference = nlohmann::json::parse(
      std::ifstream(std::string(CALSWEEP_ROOM_DIR) + "/two_arm_reference.json"));
  return reference.at(test);
}

void expect_p(const Measured& p, const Measured& log10_p, double expected) {
  ASSERT_TRUE(p.has_value()) << p.null_reason;
  EXPECT_NEAR(p.value, expected, 1e-12 * expected + 1e-15);
  EXPECT_NEAR(log10_p.value, std::log10(p.value), 1e-12);
}

}  // namespace fixtures

namespace {

using fixtures::expect_p;
using fixtures::kAlternatives;
using fixtures::two_arm_cases;
using Numbers = std::vector<double>;

TEST(TwoArmReferenceTest, signed_rank_agrees_with_scipy_in_every_option) {
  constexpr ZeroMethod kZeroMethods[] = {ZeroMethod::Wilcox, ZeroMethod::Pratt, ZeroMethod::Split};
  const auto& cases = two_arm_cases("signed_rank");
  ASSERT_GE(cases.size(), 200);
  int n_exact = 0;
  for (const auto& expected : cases) {
    SCOPED_TRACE(expected.at("d").dump());
    const auto d = expected.at("d").get<Numbers>();
    for (std::size_t zero = 0; zero < 3; ++zero) {
      for (std::size_t side = 0; side < 3; ++side) {
        for (const bool continuity : {false, true}) {
          const auto test = signed_rank_test(d, {.zero_method = kZeroMethods[zero],
                                                 .continuity = continuity,
                                                 .alternative = kAlternatives[side]});
          expect_p(test.p_asymptotic, test.log10_p_asymptotic,
                   expected.at("asymptotic")[zero][continuity ? 1 : 0][side].get<double>());
          if (expected.at("exact")[zero][side].is_null()) continue;
          expect_p(test.p_exact, test.log10_p_exact,
                   expected.at("exact")[zero][side].get<double>());
          ++n_exact;
        }
      }
    }
    if (expected.at("auto").is_null()) continue;
    const auto scipy = signed_rank_test(d, SignedRankOptions::scipy());
    expect_p(scipy.p, scipy.log10_p, expected.at("auto").get<double>());
  }
  EXPECT_GE(n_exact, 200 * 6);
}

TEST(TwoArmReferenceTest, mann_whitney_agrees_with_scipy_in_every_option) {
  const auto& cases = two_arm_cases("mann_whitney");
  ASSERT_GE(cases.size(), 200);
  for (const auto& expected : cases) {
    SCOPED_TRACE(expected.at("x").dump() + " against " + expected.at("y").dump());
    const auto x = expected.at("x").get<Numbers>();
    const auto y = expected.at("y").get<Numbers>();
    for (std::size_t side = 0; side < 3; ++side) {
      for (const bool continuity : {false, true}) {
        const auto test =
            mann_whitney_test(x, y, {.continuity = continuity, .alternative = kAlternatives[side]});
        EXPECT_EQ(test.u.value, expected.at("u").get<double>());
        expect_p(test.p_asymptotic, test.log10_p_asymptotic,
                 expected.at("asymptotic")[continuity ? 1 : 0][side].get<double>());
        if (expected.at("exact")[side].is_null()) continue;
        expect_p(test.p_exact, test.log10_p_exact, expected.at("exact")[side].get<double>());
      }
    }
    const auto scipy = mann_whitney_test(x, y, MannWhitneyOptions::scipy());
    expect_p(scipy.p, scipy.log10_p, expected.at("auto").get<double>());
  }
}

TEST(TwoArmReferenceTest, sign_test_agrees_with_scipy) {
  const auto& cases = two_arm_cases("sign");
  ASSERT_GE(cases.size(), 200);
  for (const auto& expected : cases) {
    SCOPED_TRACE(expected.dump());
    Numbers d(expected.at("positive").get<std::size_t>(), 0.5);
    d.insert(d.end(), expected.at("negative").get<std::size_t>(), -2.0);
    d.push_back(0.0);
    for (std::size_t side = 0; side < 3; ++side) {
      const auto test = sign_test(d, 0.0, kAlternatives[side]);
      EXPECT_EQ(test.n_zero, 1);
      expect_p(test.p, test.log10_p, expected.at("p")[side].get<double>());
    }
  }
}

TEST(TwoArmReferenceTest, paired_t_agrees_with_scipy) {
  const auto& cases = two_arm_cases("paired_t");
  ASSERT_GE(cases.size(), 200);
  for (const auto& expected : cases) {
    SCOPED_TRACE(expected.dump());
    const auto d =
        paired_differences(expected.at("x").get<Numbers>(), expected.at("y").get<Numbers>());
    for (std::size_t side = 0; side < 3; ++side) {
      const auto test = paired_t_test(d.values, d.tolerance, kAlternatives[side]);
      const double t = expected.at("t").get<double>();
      EXPECT_NEAR(test.t.value, t, 1e-11 * std::max(1.0, std::abs(t)));
      EXPECT_NEAR(test.cohen_dz.value * std::sqrt(static_cast<double>(d.values.size())), t,
                  1e-11 * std::max(1.0, std::abs(t)));
      const double p = expected.at("p")[side].get<double>();
      EXPECT_NEAR(test.p.value / p, 1.0, 1e-9);
      EXPECT_NEAR(test.log10_p.value, std::log10(p), 1e-9);
    }
  }
}

TEST(TwoArmReferenceTest, corrections_agree_with_statsmodels) {
  const auto& cases = two_arm_cases("multiplicity");
  ASSERT_GE(cases.size(), 200);
  for (const auto& expected : cases) {
    SCOPED_TRACE(expected.at("p").dump());
    std::vector<Measured> p = {Measured::none("left out")};  // is no part of the family
    std::vector<Measured> log10_p = p;
    bool has_zero = false;
    for (const double v : expected.at("p")) {
      p.push_back(Measured::of(v));
      log10_p.push_back(Measured::of(std::log10(v)));
      has_zero = has_zero || v == 0.0;
    }
    for (const auto correction : {Correction::Bonferroni, Correction::Holm, Correction::Hochberg,
                                  Correction::BenjaminiHochberg, Correction::BenjaminiYekutieli}) {
      const auto& wanted = expected.at("adjusted").at(std::string(to_string(correction)));
      const auto adjusted = adjust_p(p, correction);
      ASSERT_EQ(adjusted.size(), wanted.size() + 1);
      EXPECT_EQ(adjusted[0].null_reason, "left out");
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        EXPECT_NEAR(adjusted[i + 1].value, wanted[i].get<double>(), 1e-14);
      }
      if (has_zero) continue;
      const auto logs = adjust_log10_p(log10_p, correction);
      for (std::size_t i = 1; i < logs.size(); ++i) {
        EXPECT_NEAR(logs[i].value, std::log10(adjusted[i].value), 1e-13);
      }
    }
  }
}

TEST(TwoArmReferenceTest, hodges_lehmann_interval_agrees_with_enumeration) {
  const auto& cases = two_arm_cases("hodges_lehmann");
  ASSERT_GE(cases.size(), 200);
  for (const auto& expected : cases) {
    SCOPED_TRACE(expected.dump());
    const auto interval = hodges_lehmann_interval(expected.at("d").get<Numbers>(),
                                                  expected.at("level").get<double>());
    EXPECT_NEAR(interval.estimate.value, expected.at("estimate").get<double>(), 1e-14);
    EXPECT_NEAR(interval.achieved_level.value, expected.at("achieved").get<double>(), 1e-14);
    EXPECT_EQ(interval.method, "exact");
    ASSERT_EQ(interval.low.has_value(), !expected.at("interval").is_null());
    if (!interval.low.has_value()) continue;
    EXPECT_NEAR(interval.low.value, expected.at("interval")[0].get<double>(), 1e-14);
    EXPECT_NEAR(interval.high.value, expected.at("interval")[1].get<double>(), 1e-14);
  }
}

TEST(TwoArmReferenceTest, max_t_agrees_with_enumeration_with_ties_zeros_and_missing_seeds) {
  ASSERT_GE(two_arm_cases("max_t").size(), 200);
  for (const auto& expected : two_arm_cases("max_t")) {
    SCOPED_TRACE(expected.dump());
    std::vector<CellDifferences> cells;
    for (std::size_t c = 0; c < expected.at("d").size(); ++c) {
      cells.push_back({expected.at("seeds")[c].get<std::vector<std::int64_t>>(),
                       expected.at("d")[c].get<Numbers>()});
    }
    const auto result = max_t(cells);
    std::size_t k = 0;  // among the cells with a statistic
    for (std::size_t c = 0; c < cells.size(); ++c) {
      ASSERT_EQ(result.cells[c].t.has_value(), expected.at("alive")[c].get<bool>());
      if (!result.cells[c].t.has_value()) continue;
      EXPECT_NEAR(result.cells[c].t.value, expected.at("t")[k].get<double>(), 1e-12);
      EXPECT_DOUBLE_EQ(result.cells[c].p_single_step.value,
                       expected.at("single_step")[k].get<double>());
      EXPECT_DOUBLE_EQ(result.cells[c].p_step_down.value,
                       expected.at("step_down")[k].get<double>());
      ++k;
    }
    EXPECT_EQ(result.n_cells, static_cast<std::int64_t>(k));
  }
}

TEST(TwoArmReferenceTest, bayesian_signed_rank_agrees_with_moments_and_baycomp) {
  const auto& cases = two_arm_cases("bayesian");
  ASSERT_GE(cases.size(), 200);
  for (const auto& expected : cases) {
    SCOPED_TRACE(expected.dump());
    const auto d = expected.at("d").get<Numbers>();
    const auto found = bayesian_signed_rank(d, {.rope = expected.at("rope").get<double>(),
                                                .n_samples = expected.contains("p") ? 20'000 : 1});
    const Measured* const means[] = {&found.mean_below, &found.mean_within, &found.mean_above};
    const Measured* const p[] = {&found.p_below, &found.p_within, &found.p_above};
    const Measured* const errors[] = {&found.se_below, &found.se_within, &found.se_above};
    for (std::size_t k = 0; k < 3; ++k) {
      EXPECT_NEAR(means[k]->value, expected.at("mean")[k].get<double>(), 1e-13);
      if (!expected.contains("p")) continue;
      // Both are random: 20,000 draws here, 10,000 there; 4.5 joint standard errors.
      const double error = std::sqrt(3.0) * std::max(errors[k]->value, 1.0 / 20'000);
      EXPECT_NEAR(p[k]->value, expected.at("p")[k].get<double>(), 4.5 * error);
    }
  }
}

}  // namespace
}  // namespace calsweep::analysis
