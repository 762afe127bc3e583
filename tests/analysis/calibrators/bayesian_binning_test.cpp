#include "analysis/calibrators/bayesian_binning.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/analysis/calibrators/reference_cases.hpp"

namespace calsweep::analysis {
namespace {

TEST(BayesianBinningTest, equals_the_paper_with_scipys_betaln) {
  for (const auto& item : score_map_reference()["bayesian_binning"]) {
    const std::vector<double> x = item["x"], y = item["y"], at = item["at"], value = item["value"];
    const auto made = fit_bayesian_binning(x, y);
    for (std::size_t i = 0; i < at.size(); ++i) EXPECT_NEAR(made.function(at[i]), value[i], 1e-10);
    EXPECT_NEAR(made.best_log_score, item["best_log_score"], 1e-9);
    if (item["unique"]) {
      EXPECT_EQ(made.best_bins, item["best_bins"]);
    }
  }
}

TEST(BayesianBinningTest, two_models_by_hand) {
  // Five rows at .2 with one 1, five at .8 with four: 10 rows, so 1 or 2 bins.
  const std::vector<double> x = {.2, .2, .2, .2, .2, .8, .8, .8, .8, .8};
  const std::vector<double> y = {1, 0, 0, 0, 0, 1, 1, 0, 1, 1};
  const auto made = fit_bayesian_binning(x, y);
  // One bin, prior Beta(1, 1): B(6, 6) = 5! 5! / 11! = 1/2772; (5 + 1) / (10 + 2).
  // Two, cut at 1/2, priors Beta(1/2, 3/2) and its mirror: B(3/2, 11/2) / B(1/2, 3/2) = 21/512
  // each; (1 + 1/2) / (5 + 2) = 3/14.
  const double one = 1.0 / 2772.0, two = 21.0 * 21.0 / (512.0 * 512.0);
  const double low = (0.5 * one + 3.0 / 14.0 * two) / (one + two);
  EXPECT_NEAR(made.function(0.0), low, 1e-14);
  EXPECT_NEAR(made.function(0.5), low, 1e-14);
  EXPECT_NEAR(made.function(0.500001), 1.0 - low, 1e-14);
  EXPECT_EQ(made.best_bins, 2);
  EXPECT_NEAR(made.best_log_score, std::log(two), 1e-13);
  EXPECT_EQ(made.function.cuts, std::vector<double>{.5});
}

TEST(BayesianBinningTest, range_of_bins_is_the_papers) {
  EXPECT_EQ(bin_range(1).most, 1);
  EXPECT_EQ(bin_range(26).most, 6);      // ceil(26 / 5)
  EXPECT_EQ(bin_range(5000).most, 171);  // 10 * 17.1
  EXPECT_EQ(bin_range(5000).least, 1);
  EXPECT_EQ(bin_range(1'000'000).most, 1000);  // exact cubes
  EXPECT_EQ(bin_range(1'000'000).least, 10);
  EXPECT_EQ(bin_range(1'000'001).most, 1001);
  EXPECT_EQ(bin_range(999'999).least, 9);
}

TEST(BayesianBinningTest, order_of_rows_does_not_matter_to_the_bit) {
  const Rows rows = drawn_rows(400, 2, 1.0, 1.0, "binning order");
  std::vector<double> x, y;
  for (std::size_t i = 0; i < 400; ++i) {
    x.push_back(1.0 / (1.0 + std::exp(std::floor(-4.0 * double{rows.logits[2 * i]}))));
    y.push_back(rows.labels[i]);
  }
  const auto forward = fit_bayesian_binning(x, y);
  std::reverse(x.begin(), x.end());
  std::reverse(y.begin(), y.end());
  const auto backward = fit_bayesian_binning(x, y);
  EXPECT_EQ(forward.function.cuts, backward.function.cuts);
  EXPECT_EQ(forward.function.values, backward.function.values);
}

TEST(BayesianBinningTest, degenerate_rows) {
  // One row: Beta(1, 1), so 2/3 and 1/3.
  EXPECT_NEAR(fit_bayesian_binning(std::vector{.3}, std::vector{1.0}).function(.9), 2.0 / 3, 1e-15);
  EXPECT_NEAR(fit_bayesian_binning(std::vector{0.0}, std::vector{0.0}).function(0.0), 1.0 / 3,
              1e-15);
  // All scores equal: every model is one bin.
  const std::vector<double> equal(20, 1.0),
      targets = {1, 1, 1, 0, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1};
  EXPECT_NEAR(fit_bayesian_binning(equal, targets).function(1.0), 18.0 / 22, 1e-14);
  // Neighbours in double precision, at the ends: finite, and inside (0, 1).
  const std::vector<double> tight = {
      0.0, 0.0, 0.0, 0.0, 0.0, 5e-324, 5e-324, 5e-324, 5e-324, 5e-324, std::nextafter(1.0, 0.0),
      1.0, 1.0, 1.0, 1.0};
  const std::vector<double> y = {0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1};
  const auto made = fit_bayesian_binning(tight, y);
  EXPECT_TRUE(std::isfinite(made.best_log_score));
  for (const double at : tight) {
    EXPECT_GT(made.function(at), 0.0);
    EXPECT_LT(made.function(at), 1.0);
  }
  EXPECT_LT(made.function(0.0), 0.5);
  EXPECT_GT(made.function(5e-324), 0.5);
}

}  // namespace
}  // namespace calsweep::analysis
