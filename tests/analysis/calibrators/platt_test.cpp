#include "analysis/calibrators/platt.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/analysis/calibrators/reference_cases.hpp"

namespace calsweep::analysis {
namespace {

TEST(PlattTest, equals_scipy) {
  for (const auto& item : reference()["platt"]) {
    const Rows rows = Rows::of(item);
    const auto made = fit("platt", rows);
    ASSERT_TRUE(made.calibrator) << made.reason;
    EXPECT_NEAR(parameter(*made.calibrator, "smoothed_cross_entropy"), item["cross_entropy"],
                1e-10);
    EXPECT_NEAR(parameter(*made.calibrator, "a"), item["a"], 1e-5);
    EXPECT_NEAR(parameter(*made.calibrator, "b"), item["b"], 1e-5);
    EXPECT_EQ(parameter(*made.calibrator, "converged"), 1.0);
    const auto outputs = made.calibrator->apply(rows.logits, 2, "test");
    const double t = item["a"].get<double>() * (double{rows.logits[1]} - double{rows.logits[0]}) +
                     item["b"].get<double>();
    EXPECT_NEAR(outputs.probabilities[1], 1.0 / (1.0 + std::exp(-t)), 1e-5);
  }
}

TEST(PlattTest, separable_rows_have_an_optimum_by_platts_targets) {
  // Two rows at -1 and +1: targets 1/3 and 2/3, so sigma(a) = 2/3.
  const auto made = fit("platt", Rows{2, {1, 0, 0, 1}, {0, 1}});
  ASSERT_TRUE(made.calibrator) << made.reason;
  EXPECT_NEAR(parameter(*made.calibrator, "a"), std::log(2.0), 1e-5);
  EXPECT_NEAR(parameter(*made.calibrator, "b"), 0.0, 1e-5);
}

TEST(PlattTest, never_worse_than_before_on_its_targets) {
  const Rows rows = drawn_rows(500, 2, 2.0, 0.5, "platt");
  double n1 = 0.0;
  for (const auto label : rows.labels) n1 += label;
  double before = 0.0;
  for (std::size_t i = 0; i < 500; ++i) {
    const double s = double{rows.logits[2 * i + 1]} - double{rows.logits[2 * i]};
    const double target = rows.labels[i] == 1 ? (n1 + 1.0) / (n1 + 2.0) : 1.0 / (502.0 - n1);
    before += std::log1p(std::exp(s)) - target * s;
  }
  const auto made = fit("platt", rows);
  EXPECT_LT(parameter(*made.calibrator, "smoothed_cross_entropy"), before / 500.0);
}

TEST(PlattTest, no_fit_has_a_reason) {
  EXPECT_EQ(fit("platt", Rows{3, {1, 0, 0}, {0}}).reason,
            "Platt scaling is for 2 classes; there are 3");
  EXPECT_EQ(fit("platt", Rows{2, {1, 0, 0, 1}, {1, 1}}).reason, "class 0 has no validation row");
  EXPECT_EQ(fit("platt", Rows{2, {1, 0, 2, 1}, {1, 0}}).reason,
            "all logit differences are equal: slope and intercept are one");
}

}  // namespace
}  // namespace calsweep::analysis
