#include "analysis/calibrators/cross_fitting.hpp"

#include <gtest/gtest.h>

#include "sweeps/errors.hpp"
#include "tests/analysis/calibrators/reference_cases.hpp"

namespace calsweep::analysis {
namespace {

CrossFitted cross(std::string_view name, const Rows& rows, std::int64_t n_folds = 5) {
  return cross_fit(name, rows.logits, rows.k, rows.labels, "test", {}, n_folds);
}

TEST(CrossFittingTest, folds_are_about_equal_and_depend_on_the_index_only) {
  std::vector<int> size(5);
  for (std::int64_t row = 0; row < 10000; ++row) {
    const auto fold = fold_of_row(row, 5);
    ASSERT_TRUE(fold >= 0 && fold < 5);
    EXPECT_EQ(fold, fold_of_row(row, 5));
    ++size[static_cast<std::size_t>(fold)];
  }
  for (const int n : size) EXPECT_NEAR(n, 2000, 160);  // 4 standard deviations
}

TEST(CrossFittingTest, each_fold_is_calibrated_by_a_fit_on_the_others) {
  const Rows rows = drawn_rows(700, 4, 2.5, 0.4, "cross");
  for (const char* name :
       {"temperature", "isotonic", "isotonic-top-label", "bbq", "enir", "dirichlet"}) {
    const auto made = cross(name, rows);
    ASSERT_EQ(made.reason, "");
    ASSERT_EQ(made.outputs.n_rows(), 700);
    for (std::int64_t fold = 0; fold < 5; ++fold) {
      Rows others{4, {}, {}};
      for (std::size_t i = 0; i < 700; ++i) {
        if (fold_of_row(static_cast<std::int64_t>(i), 5) == fold) continue;
        others.labels.push_back(rows.labels[i]);
        for (std::size_t c = 0; c < 4; ++c) others.logits.push_back(rows.logits[i * 4 + c]);
      }
      const auto fitted = fit(name, others);
      const auto all = fitted.calibrator->apply(rows.logits, 4, "test");
      for (std::size_t i = 0; i < 700; ++i) {
        if (fold_of_row(static_cast<std::int64_t>(i), 5) != fold) continue;
        EXPECT_EQ(made.outputs.confidence[i], all.confidence[i]);
        EXPECT_EQ(made.outputs.predicted[i], all.predicted[i]);
        for (std::size_t c = 0; c < 4 && !all.probabilities.empty(); ++c) {
          EXPECT_EQ(made.outputs.probabilities[i * 4 + c], all.probabilities[i * 4 + c]);
        }
      }
    }
  }
}

TEST(CrossFittingTest, a_rows_own_label_does_not_reach_it) {
  const Rows rows = drawn_rows(200, 3, 2.0, 0.5, "own label");
  const auto before = cross("temperature", rows);
  for (const std::size_t i : {0U, 50U, 199U}) {
    Rows changed = rows;
    changed.labels[i] = (changed.labels[i] + 1) % 3;
    const auto after = cross("temperature", changed);
    EXPECT_EQ(after.outputs.confidence[i], before.outputs.confidence[i]);
    EXPECT_NE(after.outputs.confidence, before.outputs.confidence);
  }
}

TEST(CrossFittingTest, parameters_are_those_of_the_folds_and_their_mean) {
  const auto made = cross("temperature", drawn_rows(300, 3, 2.0, 0.5, "means"), 3);
  double sum = 0.0, mean = 0.0;
  for (const auto& p : made.parameters) {
    if (p.name.starts_with("fold ") && p.name.ends_with(": T")) sum += p.value.value;
    if (p.name == "T") mean = p.value.value;
  }
  EXPECT_GT(mean, 1.0);
  EXPECT_NEAR(sum / 3.0, mean, 1e-14);
}

TEST(CrossFittingTest, one_fold_without_a_fit_leaves_no_result) {
  const Rows right{2, {1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1}, {0, 1, 0, 1, 0, 1}};
  const auto made = cross("temperature", right, 2);
  EXPECT_EQ(made.reason, "fold 0: every validation row is right: the NLL falls for ever as T -> 0");
  EXPECT_EQ(made.outputs.n_rows(), 0);
  EXPECT_EQ(cross("temperature", Rows{2, {1, 0}, {0}}).reason, "1 rows are too few for 5 folds");
  EXPECT_EQ(cross("temperature", Rows{2, {}, {}}).reason, "0 rows are too few for 5 folds");
  EXPECT_THROW(cross("temperature", right, 1), UsageError);
  EXPECT_THROW(cross("temperature", Rows{2, {1, 0, 1}, {0}}), FormatError);
}

}  // namespace
}  // namespace calsweep::analysis
