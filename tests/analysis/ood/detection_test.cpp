// AUROC, DeLong, AUPR, FPR95 and detection error against scikit-learn and SciPy (detection.json),
// and by hand.
#include "analysis/ood/detection.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "analysis/metrics/auroc.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/random.hpp"

namespace calsweep::analysis {
namespace {

using Scores = std::vector<double>;

nlohmann::json reference() {
  return nlohmann::json::parse(std::ifstream(std::string(CALSWEEP_ROOM_DIR) + "/detection.json"));
}

Scores scores_of(const nlohmann::json& values) { return values.get<Scores>(); }

void expect_point(const OperatingPoint& point, const nlohmann::json& expected, double sign) {
  EXPECT_DOUBLE_EQ(point.false_positive_rate.value, expected[0].get<double>());
  EXPECT_DOUBLE_EQ(point.true_positive_rate.value, expected[1].get<double>());
  EXPECT_DOUBLE_EQ(point.threshold.value, sign * expected[2].get<double>());
}

TEST(DetectionTest, agrees_with_scikit_learn_and_scipy_on_240_cases) {
  const auto expected = reference();
  ASSERT_GE(expected.at("cases").size(), 200U);
  for (std::size_t i = 0; i < expected.at("cases").size(); ++i) {
    SCOPED_TRACE(i);
    const auto& one = expected.at("cases")[i];
    const auto in = scores_of(one.at("in"));
    const auto out = scores_of(one.at("out"));
    const auto found = detection(in, out, "case");
    EXPECT_EQ(static_cast<double>(doubled_mann_whitney_u(group_scores(in, out, "case"))),
              2.0 * one.at("u").get<double>());
    EXPECT_NEAR(found.auroc.value, one.at("auroc").get<double>(), 1e-14);
    EXPECT_NEAR(found.auroc_standard_error.value, one.at("delong").get<double>(), 1e-14);
    EXPECT_NEAR(found.aupr_in.value, one.at("aupr_in")[0].get<double>(), 1e-14);
    EXPECT_NEAR(found.aupr_in_trapezoid.value, one.at("aupr_in")[1].get<double>(), 1e-14);
    EXPECT_NEAR(found.aupr_out.value, one.at("aupr_out")[0].get<double>(), 1e-14);
    EXPECT_NEAR(found.aupr_out_trapezoid.value, one.at("aupr_out")[1].get<double>(), 1e-14);
    expect_point(found.fpr95_in, one.at("fpr95_in"), 1.0);
    expect_point(found.fpr95_out, one.at("fpr95_out"), -1.0);
    EXPECT_NEAR(found.detection_error.error.value, one.at("detection_error").get<double>(), 1e-14);
  }
}

TEST(DetectionTest, by_hand_with_ties) {
  // ID 3 2 2, OOD 2 1. Pairs: 3 beats both; each 2 ties with 2 and beats 1 -> (2 + 1.5 + 1.5) / 6.
  const auto found = detection(Scores{2, 3, 2}, Scores{1, 2}, "hand");
  EXPECT_DOUBLE_EQ(found.auroc.value, 5.0 / 6.0);
  // ID positive: score 3 finds 1 of 3 at precision 1, score 2 finds 3 of 3 at precision 3/4.
  EXPECT_DOUBLE_EQ(found.aupr_in.value, 1.0 / 3.0 + 2.0 / 3.0 * 0.75);
  EXPECT_DOUBLE_EQ(found.aupr_in_trapezoid.value, 1.0 / 3.0 + 2.0 / 3.0 * 0.875);
  EXPECT_DOUBLE_EQ(found.fpr95_in.false_positive_rate.value, 0.5);
  EXPECT_DOUBLE_EQ(found.fpr95_in.threshold.value, 2.0);
  EXPECT_DOUBLE_EQ(found.fpr95_out.false_positive_rate.value, 2.0 / 3.0);
  // Threshold 2: no miss, half of OOD accepted; threshold 3: two of three missed.
  EXPECT_DOUBLE_EQ(found.detection_error.error.value, 0.25);
  EXPECT_DOUBLE_EQ(found.detection_error.threshold.value, 2.0);
}

TEST(DetectionTest, keeps_the_thresholds_that_scikit_learn_drops_by_default) {
  const auto expected = reference().at("diagonal");
  const auto found = detection(scores_of(expected.at("in")), scores_of(expected.at("out")), "ties");
  EXPECT_DOUBLE_EQ(found.fpr95_in.false_positive_rate.value, expected.at("fpr95").get<double>());
  EXPECT_DOUBLE_EQ(found.fpr95_in.false_positive_rate.value, 0.95);
  EXPECT_DOUBLE_EQ(expected.at("fpr95_drop_intermediate").get<double>(), 1.0);
}

TEST(DetectionTest, decides_95_percent_in_integers) {
  // 19 of 20 is exactly 95 %, although 0.95 is not a double: the lowest positive is not needed.
  Scores in(19, 1.0);
  in.push_back(0.0);
  const auto groups = group_scores(in, Scores{0.5}, "exact");
  const auto point = fpr_at_tpr(groups, PositiveSide::InDistribution, 95);
  EXPECT_EQ(point.threshold.value, 1.0);
  EXPECT_EQ(fpr_at_tpr(groups, PositiveSide::InDistribution, 96).threshold.value, 0.0);
  EXPECT_THROW(fpr_at_tpr(groups, PositiveSide::InDistribution, 0), UsageError);
  EXPECT_THROW(fpr_at_tpr(groups, PositiveSide::InDistribution, 101), UsageError);
}

TEST(DetectionTest, does_not_depend_on_the_order_of_rows) {
  Random random(5);
  Scores in(500);
  Scores out(300);
  for (auto& s : in) s = static_cast<double>(random.below(40));
  for (auto& s : out) s = static_cast<double>(random.below(40));
  const auto before = detection(in, out, "order");
  std::reverse(in.begin(), in.end());
  std::rotate(out.begin(), out.begin() + 77, out.end());
  const auto after = detection(in, out, "order");
  EXPECT_EQ(before.auroc.value, after.auroc.value);
  EXPECT_EQ(before.auroc_standard_error.value, after.auroc_standard_error.value);
  EXPECT_EQ(before.aupr_in.value, after.aupr_in.value);
  EXPECT_EQ(before.aupr_out_trapezoid.value, after.aupr_out_trapezoid.value);
}

TEST(DetectionTest, swapping_the_sides_and_the_sign_swaps_the_conventions) {
  Random random(6);
  Scores in(81);
  Scores out(60);
  for (auto& s : in) s = std::floor(random.normal() * 4 + 2);
  for (auto& s : out) s = std::floor(random.normal() * 4);
  Scores minus_in;
  Scores minus_out;
  for (const double s : in) minus_in.push_back(-s);
  for (const double s : out) minus_out.push_back(-s);
  const auto here = detection(in, out, "here");
  const auto there = detection(minus_out, minus_in, "there");
  EXPECT_DOUBLE_EQ(here.auroc.value, there.auroc.value);
  EXPECT_DOUBLE_EQ(here.auroc_standard_error.value, there.auroc_standard_error.value);
  EXPECT_EQ(here.aupr_in.value, there.aupr_out.value);
  EXPECT_EQ(here.fpr95_out.false_positive_rate.value, there.fpr95_in.false_positive_rate.value);
  EXPECT_EQ(here.detection_error.error.value, there.detection_error.error.value);
}

TEST(DetectionTest, of_degenerate_samples) {
  const auto empty = detection(Scores{}, Scores{1.0}, "empty");
  for (const auto& number : {empty.auroc, empty.auroc_standard_error, empty.aupr_in,
                             empty.aupr_out_trapezoid, empty.fpr95_in.false_positive_rate,
                             empty.fpr95_out.threshold, empty.detection_error.error}) {
    EXPECT_EQ(number.null_reason, "one of the two sets is empty");
  }
  const auto single = detection(Scores{1.0}, Scores{0.0, 0.0}, "single");
  EXPECT_EQ(single.auroc.value, 1.0);
  EXPECT_FALSE(single.auroc_standard_error.has_value());
  EXPECT_EQ(single.detection_error.error.value, 0.0);

  const auto equal = detection(Scores(4, 0.5), Scores(12, 0.5), "equal");
  EXPECT_EQ(equal.auroc.value, 0.5);
  EXPECT_EQ(equal.auroc_standard_error.value, 0.0);
  EXPECT_EQ(equal.aupr_in.value, 0.25);  // the base rate
  EXPECT_EQ(equal.fpr95_in.false_positive_rate.value, 1.0);
  EXPECT_EQ(equal.detection_error.error.value, 0.5);
  EXPECT_THROW(detection(Scores{std::nan("")}, Scores{1.0}, "nan"), FormatError);
}

TEST(DetectionTest, ranks_infinities_but_gives_no_infinite_threshold) {
  const double infinity = std::numeric_limits<double>::infinity();
  const auto found = detection(Scores{infinity, infinity}, Scores{-infinity, 0.0}, "infinite");
  EXPECT_EQ(found.auroc.value, 1.0);
  EXPECT_EQ(found.fpr95_in.false_positive_rate.value, 0.0);
  EXPECT_EQ(found.fpr95_in.threshold.null_reason, "not finite");
}

TEST(AurocStandardErrorTest, covers_the_true_auroc_at_the_nominal_rate) {
  // ID N(1, 1), OOD N(0, 1): AUROC = Phi(1 / sqrt 2). 95 % of Wald intervals should hold it; the
  // bounds are five binomial standard deviations wide.
  const double truth = 0.5 * std::erfc(-0.5);
  Random random(8);
  int covered = 0;
  constexpr int kRuns = 600;
  for (int run = 0; run < kRuns; ++run) {
    Scores in(80);
    Scores out(60);
    for (auto& s : in) s = random.normal() + 1.0;
    for (auto& s : out) s = random.normal();
    const auto groups = group_scores(in, out, "simulated");
    const double half = 1.959964 * auroc_standard_error(groups).value;
    if (std::abs(auroc(groups).value - truth) <= half) ++covered;
  }
  EXPECT_GT(covered, 0.95 * kRuns - 5 * std::sqrt(kRuns * .95 * .05));
  EXPECT_LT(covered, 0.95 * kRuns + 5 * std::sqrt(kRuns * .95 * .05));
}

TEST(AurocStandardErrorTest, does_not_overflow_on_a_million_rows_a_side) {
  // Half the OOD rows tie with all ID rows: AUROC 3/4; the OOD placements are 1/2 and 1 (variance
  // 1/16), the ID placements all 3/4. The sums of squares pass 2^64.
  const Scores in(1'000'000, 1.0);
  Scores out(1'000'000, 0.0);
  std::fill(out.begin(), out.begin() + 500'000, 1.0);
  const auto groups = group_scores(in, out, "large");
  EXPECT_DOUBLE_EQ(auroc(groups).value, 0.75);
  EXPECT_NEAR(auroc_standard_error(groups).value, 0.25 / 1000.0, 1e-9);
}

}  // namespace
}  // namespace calsweep::analysis
