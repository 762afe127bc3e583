#include "analysis/calibrators/isotonic.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/analysis/calibrators/reference_cases.hpp"

namespace calsweep::analysis {
namespace {

TEST(IsotonicTest, equals_scikit_learn_with_and_without_ties) {
  for (const auto& item : reference()["isotonic"]) {
    const std::vector<double> x = item["x"], y = item["y"], at = item["at"], value = item["value"];
    const auto function = fit_isotonic(x, y);
    for (std::size_t i = 0; i < at.size(); ++i) EXPECT_NEAR(function(at[i]), value[i], 1e-12);
  }
}

TEST(IsotonicTest, pools_by_hand) {
  // Means 1 (x = .1), 0 (.2), 1/2 (.3, two rows), 1 (.4): the first three points violate.
  const std::vector<double> x = {.4, .3, .1, .2, .3}, y = {1, 0, 1, 0, 1};
  const auto function = fit_isotonic(x, y);
  EXPECT_EQ(function.x, (std::vector<double>{.1, .3, .4}));
  EXPECT_EQ(function.y, (std::vector<double>{.5, .5, 1.0}));
  EXPECT_EQ(function(0.0), 0.5);
  EXPECT_EQ(function(0.2), 0.5);
  EXPECT_NEAR(function(0.35), 0.75, 1e-12);
  EXPECT_EQ(function(0.9), 1.0);
}

TEST(IsotonicTest, order_of_rows_does_not_matter_to_the_bit) {
  const Rows rows = drawn_rows(500, 2, 1.0, 1.0, "isotonic order");
  std::vector<double> x, y;
  for (std::size_t i = 0; i < 500; ++i) {
    x.push_back(std::floor(double{rows.logits[2 * i]} * 20.0));
    y.push_back(rows.labels[i]);
  }
  const auto forward = fit_isotonic(x, y);
  std::reverse(x.begin(), x.end());
  std::reverse(y.begin(), y.end());
  const auto backward = fit_isotonic(x, y);
  EXPECT_EQ(forward.x, backward.x);
  EXPECT_EQ(forward.y, backward.y);
  EXPECT_TRUE(std::is_sorted(forward.y.begin(), forward.y.end()));
}

TEST(IsotonicTest, one_point_and_all_equal) {
  EXPECT_EQ(fit_isotonic(std::vector<double>{.3}, std::vector<double>{1})(.9), 1.0);
  EXPECT_EQ(fit_isotonic(std::vector<double>{.3, .3, .3}, std::vector<double>{1, 0, 0})(.1),
            1.0 / 3);
}

TEST(IsotonicTopLabelTest, keeps_classes_and_calibrates_on_the_fitted_rows) {
  const Rows rows = drawn_rows(2000, 5, 3.0, 0.3, "top label");
  const auto made = fit("isotonic-top-label", rows);
  const auto outputs = made.calibrator->apply(rows.logits, rows.k, "test");
  EXPECT_TRUE(outputs.probabilities.empty());
  double confidence = 0.0, right = 0.0;
  for (std::size_t i = 0; i < rows.labels.size(); ++i) {
    const auto row = rows.logits.begin() + static_cast<std::ptrdiff_t>(i * 5);
    EXPECT_EQ(outputs.predicted[i], std::max_element(row, row + 5) - row);
    confidence += outputs.confidence[i];
    right += outputs.predicted[i] == rows.labels[i] ? 1.0 : 0.0;
  }
  EXPECT_NEAR(confidence, right, 1e-9);  // pooled means keep the total
}

TEST(IsotonicTopLabelTest, all_right_gives_1_everywhere) {
  const Rows rows{2, {1, 0, 0, 2, 3, 0}, {0, 1, 0}};
  const auto made = fit("isotonic-top-label", rows);
  const std::vector<float> far = {0.F, 0.5F, -1.F, 7.F};
  const auto outputs = made.calibrator->apply(far, 2, "test");
  EXPECT_EQ(outputs.confidence, (std::vector<double>{1.0, 1.0}));
  EXPECT_EQ(outputs.predicted, (std::vector<std::int32_t>{1, 1}));
}

}  // namespace
}  // namespace calsweep::analysis
