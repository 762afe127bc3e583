#include "analysis/calibrators/near_isotonic.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "analysis/calibrators/isotonic.hpp"
#include "tests/analysis/calibrators/reference_cases.hpp"

namespace calsweep::analysis {
namespace {

std::vector<NearIsotonicModel> path_of(const std::vector<ScoreGroup>& runs) {
  std::vector<NearIsotonicModel> path;
  near_isotonic_path(runs, [&](const NearIsotonicModel& model) { path.push_back(model); });
  return path;
}

/// The value of each run.
std::vector<double> spread(const NearIsotonicModel& model, std::size_t n_runs) {
  std::vector<double> values;
  for (std::size_t g = 0; g < model.y.size(); ++g) {
    values.resize(g + 1 < model.y.size() ? model.first[g + 1] : n_runs, model.y[g]);
  }
  return values;
}

TEST(NearIsotonicTest, equals_the_exact_path_checked_by_scipys_dual) {
  for (const auto& item : score_map_reference()["near_isotonic"]) {
    const std::vector<double> x = item["x"], y = item["y"], at = item["at"], value = item["value"];
    const auto runs = runs_of_equal_target(x, y);
    const auto path = path_of(runs);
    ASSERT_EQ(path.size(), item["n_solutions"]);
    for (const auto& solution : item["solutions"]) {
      const auto& model = path[solution["index"].get<std::size_t>()];
      EXPECT_NEAR(model.lambda, solution["lambda"], 1e-12);
      const auto values = spread(model, runs.size());
      ASSERT_EQ(values.size(), solution["values"].size());
      for (std::size_t i = 0; i < values.size(); ++i) {
        EXPECT_NEAR(values[i], solution["values"][i], 1e-12);
      }
    }
    const auto made = fit_near_isotonic(x, y);
    for (std::size_t i = 0; i < at.size(); ++i) EXPECT_NEAR(made.function(at[i]), value[i], 1e-10);
  }
}

TEST(NearIsotonicTest, two_models_by_hand) {
  // Targets 1 0 111 0. lambda = 1/2: 1/2 1/2 5/6 5/6 5/6 1/2; lambda = 3/4: 1/2 1/2 3/4 3/4 3/4
  // 3/4.
  const std::vector<double> x = {.1, .2, .3, .4, .5, .6}, y = {1, 0, 1, 1, 1, 0};
  const auto path = path_of(runs_of_equal_target(x, y));
  ASSERT_EQ(path.size(), 3U);
  EXPECT_EQ(path[1].lambda, 0.5);
  EXPECT_EQ(path[2].lambda, 0.75);
  // exp(-BIC / 2) = L n^(-d / 2)
  const double three = .25 * (125.0 / 216.0) * .5 / std::pow(6.0, 1.5);
  const double two = .25 * (27.0 / 64.0) * .25 / 6.0;
  const auto made = fit_near_isotonic(x, y);
  EXPECT_EQ(made.n_models, 2);
  EXPECT_NEAR(made.function(.1), .5, 1e-14);
  EXPECT_NEAR(made.function(.4), (5.0 / 6 * three + .75 * two) / (three + two), 1e-14);
  EXPECT_NEAR(made.function(.9), (.5 * three + .75 * two) / (three + two), 1e-14);
  // Linear between the runs.
  EXPECT_NEAR(made.function(.25), 0.5 * (made.function(.2) + made.function(.3)), 1e-14);
}

TEST(NearIsotonicTest, path_ends_in_isotonic_regression_and_only_merges) {
  for (int i = 0; i < 20; ++i) {
    const Rows rows = drawn_rows(300, 2, 1.0, 1.0, fmt::format("path {}", i));
    std::vector<double> x, y;
    for (std::size_t r = 0; r < 300; ++r) {
      x.push_back(double{rows.logits[2 * r + 1]} - double{rows.logits[2 * r]});
      y.push_back(rows.labels[r]);
    }
    const auto runs = runs_of_equal_target(x, y);
    const auto path = path_of(runs);
    for (std::size_t m = 1; m < path.size(); ++m) {
      EXPECT_LT(path[m - 1].lambda, path[m].lambda);
      EXPECT_TRUE(std::includes(path[m - 1].first.begin(), path[m - 1].first.end(),
                                path[m].first.begin(), path[m].first.end()));
    }
    const auto isotonic = fit_isotonic(x, y);
    const auto last = spread(path.back(), runs.size());
    EXPECT_TRUE(std::is_sorted(last.begin(), last.end()));
    for (std::size_t r = 0; r < runs.size(); ++r) {
      EXPECT_NEAR(last[r], isotonic(runs[r].first_x), 1e-14);
    }
  }
}

TEST(NearIsotonicTest, separable_rows_are_isotonic_regression) {
  // No fall, no merge: only the solution at lambda = 0 is left (netcal issue 64 fails here).
  const std::vector<double> x = {.1, .2, .3, .7, .9}, y = {0, 0, 0, 1, 1};
  const auto made = fit_near_isotonic(x, y);
  EXPECT_EQ(made.n_models, 1);
  EXPECT_EQ(made.function(.3), 0.0);
  EXPECT_EQ(made.function(.7), 1.0);
  EXPECT_NEAR(made.function(.5), 0.5, 1e-15);
}

TEST(NearIsotonicTest, degenerate_rows) {
  EXPECT_EQ(fit_near_isotonic(std::vector{.3}, std::vector{1.0}).function(.9), 1.0);
  const auto equal = fit_near_isotonic(std::vector{.3, .3, .3}, std::vector{1.0, 0.0, 0.0});
  EXPECT_EQ(equal.function(.1), 1.0 / 3);
  EXPECT_EQ(equal.n_models, 1);
  EXPECT_EQ(fit_near_isotonic(std::vector{.1, .5, 1.0}, std::vector{0.0, 0.0, 0.0}).function(.5),
            0.0);
  // Perfectly wrong: pooled to the mean, as in isotonic regression.
  const auto wrong = fit_near_isotonic(std::vector{0.0, 1.0}, std::vector{1.0, 0.0});
  EXPECT_EQ(wrong.function(0.0), 0.5);
  EXPECT_EQ(wrong.function(1.0), 0.5);
}

TEST(NearIsotonicTest, order_of_rows_does_not_matter_to_the_bit) {
  const Rows rows = drawn_rows(400, 2, 1.0, 1.0, "near isotonic order");
  std::vector<double> x, y;
  for (std::size_t i = 0; i < 400; ++i) {
    x.push_back(std::floor(double{rows.logits[2 * i]} * 20.0));
    y.push_back(rows.labels[i]);
  }
  const auto forward = fit_near_isotonic(x, y);
  std::reverse(x.begin(), x.end());
  std::reverse(y.begin(), y.end());
  const auto backward = fit_near_isotonic(x, y);
  EXPECT_EQ(forward.function.x, backward.function.x);
  EXPECT_EQ(forward.function.y, backward.function.y);
}

TEST(NearIsotonicTest, models_that_the_bound_on_bic_leaves_out_have_no_weight) {
  // 3000 rows: the path begins with hundreds of groups. Average all solutions without the bound.
  const Rows rows = drawn_rows(3000, 2, 2.0, 1.0, "bound");
  std::vector<double> x, y;
  for (std::size_t r = 0; r < 3000; ++r) {
    x.push_back(double{rows.logits[2 * r + 1]} - double{rows.logits[2 * r]});
    y.push_back(rows.labels[r]);
  }
  const auto runs = runs_of_equal_target(x, y);
  std::vector<double> bic;
  const auto path = path_of(runs);
  for (const auto& model : path) {
    double log_l = 0.0;
    for (std::size_t g = 0; g < model.y.size(); ++g) {
      if (model.ones[g] > 0.0) log_l += model.ones[g] * std::log(model.y[g]);
      if (model.rows[g] > model.ones[g]) {
        log_l += (model.rows[g] - model.ones[g]) * std::log(1.0 - model.y[g]);
      }
    }
    bic.push_back(static_cast<double>(model.y.size()) * std::log(3000.0) - 2.0 * log_l);
  }
  const double best = *std::min_element(bic.begin() + 1, bic.end());
  std::vector<double> mean(runs.size(), 0.0);
  double total = 0.0;
  for (std::size_t m = 1; m < path.size(); ++m) {
    const double weight = std::exp(0.5 * (best - bic[m]));
    const auto values = spread(path[m], runs.size());
    for (std::size_t r = 0; r < runs.size(); ++r) mean[r] += weight * values[r];
    total += weight;
  }
  const auto made = fit_near_isotonic(x, y);
  EXPECT_LT(made.n_models, static_cast<std::int64_t>(path.size()) / 2);
  for (std::size_t r = 0; r < runs.size(); ++r) {
    EXPECT_NEAR(made.function(runs[r].first_x), mean[r] / total, 1e-12);
  }
}

}  // namespace
}  // namespace calsweep::analysis
