#include "analysis/metrics/selective_prediction.hpp"

#include <gtest/gtest.h>

#include "sweeps/errors.hpp"
#include "tests/analysis/fixtures.hpp"
#include "tests/analysis/metrics/sorted_fixtures.hpp"

namespace calsweep::analysis {
namespace {

// Averages over every order of the tied rows, and scikit-learn's AUROC: make_sorted_reference.py.
TEST(SelectivePredictionTest, expected_over_all_orders_of_ties) {
  for (const auto& expected : fixtures::sorted_reference()["selective"]) {
    const auto profile = fixtures::profile_of(expected);
    const auto found = selective_prediction(profile);
    EXPECT_NEAR(found.aurc.value, expected["aurc"].get<double>(), 1e-12);
    EXPECT_NEAR(found.oracle_aurc.value, expected["oracle"].get<double>(), 1e-12);
    EXPECT_NEAR(found.augrc.value, expected["augrc"].get<double>(), 1e-12);
    EXPECT_NEAR(accuracy_at_coverage(profile, .5).value, expected["accuracy_at_half"].get<double>(),
                1e-12);
  }
}

TEST(SelectivePredictionTest, by_hand) {
  // .9 right, .8 wrong, .7 right: risks 0, 1/2, 1/3.
  const auto profile = ConfidenceProfile::from_groups({{.7, 1, 1}, {.8, 1, 0}, {.9, 1, 1}});
  const auto found = selective_prediction(profile);
  EXPECT_NEAR(found.aurc.value, (0.5 + 1.0 / 3.0) / 3.0, 1e-15);
  EXPECT_NEAR(found.oracle_aurc.value, 1.0 / 9.0, 1e-15);
  EXPECT_NEAR(found.excess_aurc.value, found.aurc.value - found.oracle_aurc.value, 1e-15);
  const auto curve = risk_coverage_curve(profile);
  ASSERT_EQ(curve.size(), 3U);
  EXPECT_EQ(curve[1].threshold, .8);
  EXPECT_EQ(curve[1].answered, 2);
  EXPECT_EQ(curve[1].wrong, 1);
}

TEST(SelectivePredictionTest, coverage_rounds_up_and_full_coverage_is_accuracy) {
  const auto profile = ConfidenceProfile::from_groups({{.5, 10, 5}, {.9, 10, 9}});
  EXPECT_EQ(accuracy_at_coverage(profile, .5).value, .9);
  EXPECT_NEAR(accuracy_at_coverage(profile, .55).value, 9.5 / 11.0, 1e-15);
  EXPECT_NEAR(accuracy_at_coverage(profile, .501).value, 9.5 / 11.0, 1e-15);
  EXPECT_EQ(accuracy_at_coverage(profile, 1.0).value, .7);
  EXPECT_NEAR(accuracy_at_coverage(profile, .95).value, 13.5 / 19.0, 1e-15);
  EXPECT_EQ(accuracy_at_coverage(profile, 1e-6).value, .9);
  EXPECT_THROW(accuracy_at_coverage(profile, 0.0), UsageError);
  EXPECT_THROW(accuracy_at_coverage(profile, 1.1), UsageError);
}

TEST(SelectivePredictionTest, large_ties_agree_with_the_sum) {
  const auto profile = ConfidenceProfile::from_groups({{.5, 5000, 3000}, {.9, 7000, 6500}});
  double risks = 0.0;
  for (int k = 1; k <= 7000; ++k) risks += 500.0 / 7000.0;
  for (int k = 1; k <= 5000; ++k) risks += (500.0 + k * 2000.0 / 5000.0) / (7000.0 + k);
  EXPECT_NEAR(selective_prediction(profile).aurc.value, risks / 12000.0, 1e-11);
}

TEST(SelectivePredictionTest, degenerate_sets) {
  EXPECT_FALSE(selective_prediction({}).aurc.has_value());
  EXPECT_FALSE(accuracy_at_coverage({}, .5).has_value());
  EXPECT_TRUE(risk_coverage_curve({}).empty());
  const auto right = selective_prediction(ConfidenceProfile::from_groups({{.5, 3, 3}}));
  EXPECT_EQ(right.aurc.value, 0.0);
  EXPECT_EQ(right.excess_aurc.value, 0.0);
  const auto wrong = selective_prediction(ConfidenceProfile::from_groups({{.5, 3, 0}}));
  EXPECT_EQ(wrong.aurc.value, 1.0);
  EXPECT_EQ(wrong.oracle_aurc.value, 1.0);
  EXPECT_EQ(wrong.augrc.value, .5);
}

}  // namespace
}  // namespace calsweep::analysis
