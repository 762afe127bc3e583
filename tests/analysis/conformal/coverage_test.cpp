// Coverage, sizes and strata by hand; set size as a score for detecting OOD rows.
#include "analysis/conformal/coverage.hpp"

#include <gtest/gtest.h>

#include "analysis/ood/detection.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

TEST(CoverageReportTest, by_hand) {
  const PredictionSets sets{5, {0, 1, 1, 2, 3, 5}, {0, 1, 0, 1, 1, 1}};
  const std::vector<std::int32_t> labels = {0, 0, 1, 1, 3, 0};
  const auto report = coverage_report(sets, labels, 0.1);
  EXPECT_DOUBLE_EQ(report.coverage.value, 4.0 / 6.0);
  EXPECT_DOUBLE_EQ(report.mean_size.value, 2.0);
  EXPECT_DOUBLE_EQ(report.median_size.value, 1.5);
  EXPECT_DOUBLE_EQ(report.empty_fraction.value, 1.0 / 6.0);
  EXPECT_EQ(report.size_histogram, (std::vector<std::int64_t>{1, 2, 1, 1, 0, 1}));
  ASSERT_EQ(report.by_class.size(), 5U);
  EXPECT_DOUBLE_EQ(report.by_class[0].coverage().value, 2.0 / 3.0);
  EXPECT_DOUBLE_EQ(report.by_class[1].coverage().value, 0.5);
  EXPECT_EQ(report.by_class[2].coverage().null_reason, "no rows");
  EXPECT_DOUBLE_EQ(report.worst_class_coverage.value, 0.5);
  ASSERT_EQ(report.by_size.size(), 3U);  // 0-1, 2-3, 4-5
  EXPECT_EQ(report.by_size[2].high, 5);
  EXPECT_DOUBLE_EQ(report.by_size[0].coverage().value, 1.0 / 3.0);
  EXPECT_DOUBLE_EQ(report.by_size[1].coverage().value, 1.0);
  // |1/3 - 0.9| is the largest of |1/3 - 0.9|, |1 - 0.9|, |1 - 0.9|.
  EXPECT_DOUBLE_EQ(report.size_stratified_violation.value, 0.9 - 1.0 / 3.0);
}

TEST(CoverageReportTest, strata_reach_the_number_of_classes) {
  const PredictionSets sets{1000, {1000}, {1}};
  const auto report = coverage_report(sets, std::vector<std::int32_t>{999}, 0.1);
  ASSERT_EQ(report.by_size.size(), 5U);
  EXPECT_EQ(report.by_size.back().low, 101);
  EXPECT_EQ(report.by_size.back().high, 1000);
  EXPECT_EQ(report.by_size.back().n, 1);
  const auto binary = coverage_report({1, {1}, {1}}, std::vector<std::int32_t>{0}, 0.1);
  ASSERT_EQ(binary.by_size.size(), 1U);
}

TEST(CoverageReportTest, of_no_rows_has_reasons) {
  const auto report = coverage_report({3, {}, {}}, {}, 0.1);
  for (const auto& number :
       {report.coverage, report.mean_size, report.median_size, report.empty_fraction,
        report.size_stratified_violation, report.worst_class_coverage}) {
    EXPECT_EQ(number.null_reason, "the set is empty");
  }
  EXPECT_THROW(coverage_report({3, {1}, {}}, std::vector<std::int32_t>{0}, 0.1), FormatError);
  EXPECT_THROW(coverage_report({3, {1}, {1}}, {}, 0.1), FormatError);
}

TEST(SetSizeScoresTest, empty_sets_are_outliers_for_thr_and_smallest_otherwise) {
  const PredictionSets sets{3, {0, 1, 3}, {}};
  EXPECT_EQ(set_size_scores(sets, EmptySet::Outlier), (std::vector<double>{-4, -1, -3}));
  EXPECT_EQ(set_size_scores(sets, EmptySet::Smallest), (std::vector<double>{0, -1, -3}));
  EXPECT_EQ(meaning_of_empty(ConformalScore::Threshold), EmptySet::Outlier);
  EXPECT_EQ(meaning_of_empty(ConformalScore::Aps), EmptySet::Smallest);
  EXPECT_EQ(meaning_of_empty(ConformalScore::Raps), EmptySet::Smallest);
}

TEST(SetSizeScoresTest, larger_sets_mean_ood) {
  const PredictionSets in{4, {1, 1, 2}, {}};
  const PredictionSets out{4, {2, 4}, {}};
  const auto found = detection(set_size_scores(in, EmptySet::Smallest),
                               set_size_scores(out, EmptySet::Smallest), "set sizes");
  EXPECT_DOUBLE_EQ(found.auroc.value, 5.5 / 6.0);  // one pair ties at size 2
}

}  // namespace
}  // namespace calsweep::analysis
