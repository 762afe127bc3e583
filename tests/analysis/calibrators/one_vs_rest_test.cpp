#include "analysis/calibrators/one_vs_rest.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "analysis/calibrators/isotonic.hpp"
#include "tests/analysis/calibrators/reference_cases.hpp"

namespace calsweep::analysis {
namespace {

/// Two-class logits with the given probability of class 1.
std::vector<float> two_class(const std::vector<double>& p) {
  std::vector<float> z;
  for (const double q : p) {
    z.push_back(0.0F);
    z.push_back(static_cast<float>(std::log(q / (1.0 - q))));
  }
  return z;
}

TEST(HistogramBinningTest, counts_by_hand) {
  CalibratorOptions options;
  options.n_bins = 4;
  // Bins (0, .25], (.25, .5], (.5, .75], (.75, 1]; logit 0 gives exactly 0.5: in the second.
  const Rows rows{
      2, two_class({.1, .2, .2, .3, .5, .8, .9, .95, .99}), {0, 0, 1, 1, 0, 1, 1, 0, 1}};
  const auto made = fit("histogram-binning", rows, options);
  ASSERT_TRUE(made.calibrator) << made.reason;
  const auto outputs = made.calibrator->apply(two_class({.05, .4, .5, .6, .77}), 2, "test");
  const double expected[] = {1.0 / 3, 0.5, 0.5, 0.6, 0.75};  // the third bin is empty: p stays
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_NEAR(outputs.probabilities[2 * i + 1], expected[i], 1e-7) << i;
    EXPECT_NEAR(outputs.probabilities[2 * i], 1.0 - expected[i], 1e-7) << i;
  }
  EXPECT_EQ(outputs.predicted, (std::vector<std::int32_t>{0, 0, 0, 1, 1}));
  EXPECT_EQ(parameter(*made.calibrator, "class 1: bin[3]"), 0.75);
  EXPECT_EQ(made.calibrator->weights[2].value.null_reason, "no validation row in this bin");
}

TEST(HistogramBinningTest, three_classes_by_hand) {
  CalibratorOptions options;
  options.n_bins = 2;
  // softmax (.8, .1, .1), (.1, .8, .1), (.1, .1, .8): one bin above 1/2, one below.
  const float t = std::log(8.0F);
  const Rows rows{3, {t, 0, 0, t, 0, 0, 0, t, 0, 0, 0, t}, {0, 1, 1, 2}};
  // Above 1/2: class 0: 1 of 2, class 1: 1 of 1, class 2: 1 of 1. Below: 0 of 2, 1 of 3, 0 of 3.
  const auto made = fit("histogram-binning", rows, options);
  const auto outputs = made.calibrator->apply(std::vector<float>{t, 0, 0, 0, 0, t}, 3, "test");
  const double expected[] = {
      0.5 / (0.5 + 1.0 / 3), (1.0 / 3) / (0.5 + 1.0 / 3), 0.0, 0.0, 0.25, 0.75};
  for (std::size_t i = 0; i < 6; ++i) EXPECT_NEAR(outputs.probabilities[i], expected[i], 1e-15);
}

/// Logits whose softmax is the given probabilities.
std::vector<float> logs_of(const std::vector<double>& p) {
  std::vector<float> z;
  for (const double q : p) z.push_back(static_cast<float>(std::log(q)));
  return z;
}

TEST(OneVsRestTest, rows_of_zeros_become_uniform_and_are_counted) {
  CalibratorOptions options;
  options.n_bins = 4;
  // No label 0 with p0 in (.5, .75], no label 1 with p1 in (.25, .5], no label 2 with p2 <= .25.
  const Rows rows{3, logs_of({.6, .1, .3, .1, .3, .6, .45, .45, .1}), {2, 2, 0}};
  const auto made = fit("histogram-binning", rows, options);
  ASSERT_TRUE(made.calibrator) << made.reason;
  const auto outputs = made.calibrator->apply(logs_of({.6, .3, .1, .45, .45, .1}), 3, "test");
  EXPECT_EQ(outputs.n_uniform_rows, 1);
  for (std::size_t c = 0; c < 3; ++c) EXPECT_EQ(outputs.probabilities[c], 1.0 / 3.0);
  EXPECT_EQ(outputs.predicted[0], 0);
  EXPECT_EQ(outputs.probabilities[3], 1.0);
  EXPECT_EQ(parameter(*made.calibrator, "n_uniform_rows"), 0.0);
}

TEST(OneVsRestTest, isotonic_of_two_classes_is_scikit_learns_function_of_p1) {
  const Rows rows = drawn_rows(300, 2, 2.0, 0.5, "two classes");
  const auto made = fit("isotonic", rows);
  const LogitRows made_rows(rows.logits, 2, "test");
  std::vector<double> p, y;
  for (const auto& block : made_rows.blocks()) {
    const auto scores = class_scores(block);
    for (const double v : scores[1].p) p.push_back(v);
  }
  for (const auto label : rows.labels) y.push_back(label);
  const auto function = fit_isotonic(p, y);
  const auto outputs = made.calibrator->apply(rows.logits, 2, "test");
  for (std::size_t i = 0; i < p.size(); ++i) {
    EXPECT_EQ(outputs.probabilities[2 * i + 1], function(p[i]));
    EXPECT_EQ(outputs.probabilities[2 * i], 1.0 - function(p[i]));
  }
}

TEST(OneVsRestTest, rows_sum_to_one_and_confidence_is_the_largest) {
  const Rows rows = drawn_rows(600, 5, 2.0, 0.5, "sums"), other = drawn_rows(300, 5, 6.0, 0.5, "o");
  for (const char* name : {"histogram-binning", "bbq", "isotonic", "enir", "beta", "vector",
                           "matrix", "matrix-odir", "dirichlet"}) {
    const auto made = fit(name, rows);
    ASSERT_TRUE(made.calibrator) << name << ": " << made.reason;
    const auto outputs = made.calibrator->apply(other.logits, 5, "test");
    for (std::size_t i = 0; i < 300; ++i) {
      double sum = 0.0, largest = 0.0;
      for (std::size_t c = 0; c < 5; ++c) {
        sum += outputs.probabilities[i * 5 + c];
        largest = std::max(largest, outputs.probabilities[i * 5 + c]);
      }
      EXPECT_NEAR(sum, 1.0, 1e-12);
      EXPECT_EQ(outputs.confidence[i], largest);
      EXPECT_EQ(outputs.probabilities[i * 5 + static_cast<std::size_t>(outputs.predicted[i])],
                largest);
    }
  }
}

TEST(BetaTest, equals_scipys_bounded_optimum) {
  int on_bound = 0;
  for (const auto& item : reference()["beta"]) {
    const Rows rows = Rows::of(item);
    const auto made = fit("beta", rows);
    ASSERT_TRUE(made.calibrator) << made.reason;
    EXPECT_NEAR(parameter(*made.calibrator, "nll_after"), item["nll"], 1e-8);
    const double a = parameter(*made.calibrator, "class 1: a");
    const double b = parameter(*made.calibrator, "class 1: b");
    EXPECT_GE(a, 0.0);
    EXPECT_GE(b, 0.0);
    EXPECT_NEAR(a, item["a"], 2e-3 * (1.0 + a));
    EXPECT_NEAR(b, item["b"], 2e-3 * (1.0 + b));
    on_bound += a == 0.0 || b == 0.0 ? 1 : 0;
  }
  EXPECT_GE(on_bound, 50);
  EXPECT_LE(on_bound, 150);
}

TEST(BetaTest, identity_where_nothing_is_wrong_and_reasons_where_nothing_fits) {
  const Rows rows = drawn_rows(20000, 2, 2.0, 1.0, "beta identity");
  const auto made = fit("beta", rows);
  EXPECT_NEAR(parameter(*made.calibrator, "class 1: a"), 1.0, 0.1);
  EXPECT_NEAR(parameter(*made.calibrator, "class 1: b"), 1.0, 0.1);
  EXPECT_NEAR(parameter(*made.calibrator, "class 1: c"), 0.0, 0.1);
  EXPECT_EQ(fit("beta", Rows{2, {1, 0, 0, 1}, {1, 1}}).reason,
            "class 1: no validation row of another class");
  EXPECT_EQ(fit("beta", Rows{3, {1, 0, 0, 0, 1, 0}, {1, 0}}).reason.substr(0, 34),
            "class 2: no validation row of this");
  EXPECT_EQ(fit("beta", Rows{2, {1, 0, 0, 1, 0, 1}, {0, 1, 0}}).reason.substr(0, 30),
            "class 1: a threshold separates");
  EXPECT_EQ(fit("beta", Rows{2, {1, 0, 1, 0}, {0, 1}}).reason,
            "class 1: all validation rows have the same probability");
}

TEST(ClassScoresTest, log_of_the_rest_is_exact_where_p_rounds_to_1) {
  LogitRows::Block z(1, 3);
  z << 50.0, 0.0, 0.0;
  const auto scores = class_scores(z);
  EXPECT_EQ(scores[0].p(0), 1.0);
  EXPECT_NEAR(scores[0].log_rest(0), std::log(2.0) - 50.0, 1e-12);
  EXPECT_NEAR(scores[1].log_rest(0), 0.0, 1e-20);
}

}  // namespace
}  // namespace calsweep::analysis
