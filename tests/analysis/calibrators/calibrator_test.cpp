#include "analysis/calibrators/calibrator.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "analysis/calibrators/logit_rows.hpp"
#include "sweeps/errors.hpp"
#include "tests/analysis/calibrators/reference_cases.hpp"

namespace calsweep::analysis {
namespace {

TEST(CalibratorTest, registry_is_sorted_and_every_name_fits) {
  const auto definitions = calibrator_definitions();
  EXPECT_TRUE(std::is_sorted(definitions.begin(), definitions.end(),
                             [](const auto& a, const auto& b) { return a.name < b.name; }));
  EXPECT_EQ(definitions.size(), 13U);
  const Rows rows = drawn_rows(400, 2, 2.0, 0.5, "registry");
  for (const auto& definition : definitions) {
    const auto made = fit(definition.name, rows);
    ASSERT_TRUE(made.calibrator) << definition.name << ": " << made.reason;
    const auto outputs = made.calibrator->apply(rows.logits, 2, "test");
    EXPECT_EQ(outputs.n_rows(), 400);
    EXPECT_EQ(outputs.probabilities.empty(), definition.top_label);
    EXPECT_EQ(definition.name == "platt", definition.binary_only);
  }
}

TEST(CalibratorTest, reported_nll_is_that_of_the_outputs) {
  const Rows rows = drawn_rows(400, 3, 2.0, 0.5, "reported");
  for (const char* name :
       {"temperature", "temperature-ece10-grid", "vector", "matrix", "matrix-odir", "dirichlet",
        "isotonic", "enir", "histogram-binning", "bbq", "beta"}) {
    const auto made = fit(name, rows);
    ASSERT_TRUE(made.calibrator) << name << made.reason;
    const auto outputs = made.calibrator->apply(rows.logits, 3, "test");
    EXPECT_NEAR(parameter(*made.calibrator, "nll_after"), nll_of(outputs, rows.labels), 1e-12)
        << name;
    EXPECT_LT(parameter(*made.calibrator, "nll_after"), parameter(*made.calibrator, "nll_before"));
  }
}

TEST(CalibratorTest, refuses_wrong_input) {
  const Rows rows = drawn_rows(50, 3, 2.0, 0.5, "refuses");
  EXPECT_THROW(fit("temprature", rows), UsageError);
  EXPECT_THROW(fit("temperature", Rows{3, {1, 2}, {0}}), FormatError);
  EXPECT_THROW(fit("temperature", Rows{3, {1, 2, 3}, {0, 1}}), FormatError);
  EXPECT_THROW(fit("temperature", Rows{3, {1, 2, 3}, {3}}), FormatError);
  EXPECT_THROW(fit("temperature", Rows{3, {1, 2, 3}, {-1}}), FormatError);
  EXPECT_THROW(fit("temperature", Rows{1, {1}, {0}}), FormatError);
  CalibratorOptions no_bins;
  no_bins.n_bins = 0;
  EXPECT_THROW(fit("histogram-binning", rows, no_bins), UsageError);
  const auto made = fit("temperature", rows);
  EXPECT_THROW(made.calibrator->apply(std::vector<float>{1, 2}, 2, "test"), FormatError);
  EXPECT_THROW(made.calibrator->apply(std::vector<float>{1, 2, NAN}, 3, "test"), FormatError);
  EXPECT_EQ(made.calibrator->apply(std::vector<float>{}, 3, "test").n_rows(), 0);
}

TEST(CalibratorTest, no_rows_and_bad_rows_have_reasons_for_every_calibrator) {
  for (const auto& definition : calibrator_definitions()) {
    EXPECT_EQ(fit(definition.name, Rows{2, {}, {}}).reason, "no validation rows");
    EXPECT_EQ(fit(definition.name, Rows{2, {0, 1, INFINITY, 0}, {0, 1}}).reason,
              "validation row 1 (from 0) has a logit that is NaN or infinite");
  }
}

TEST(CalibratorTest, huge_logits_stay_finite) {
  Rows rows = drawn_rows(300, 3, 2.0, 0.5, "huge");
  for (float& z : rows.logits) z *= 1e4F;
  for (const auto& definition : calibrator_definitions()) {
    const auto made = fit(definition.name, rows);
    if (!made.calibrator) continue;
    for (const double c : made.calibrator->apply(rows.logits, 3, "test").confidence) {
      ASSERT_TRUE(c >= 0.0 && c <= 1.0 + 1e-12) << definition.name << " " << c;
    }
  }
  EXPECT_TRUE(fit("temperature", rows).calibrator);
  EXPECT_TRUE(fit("vector", rows).calibrator);
}

void expect_probabilities(const CalibratedOutputs& outputs, std::string_view name) {
  const auto k = static_cast<std::size_t>(outputs.n_classes);
  for (std::size_t i = 0; i < outputs.confidence.size(); ++i) {
    ASSERT_TRUE(outputs.confidence[i] >= 0.0 && outputs.confidence[i] <= 1.0 + 1e-12) << name;
    if (outputs.probabilities.empty()) continue;
    double sum = 0.0;
    for (std::size_t c = 0; c < k; ++c) {
      const double p = outputs.probabilities[i * k + c];
      ASSERT_TRUE(p >= 0.0 && p <= 1.0 + 1e-12) << name << " " << p;
      sum += p;
    }
    ASSERT_NEAR(sum, 1.0, 1e-12) << name;
  }
}

TEST(CalibratorTest, degenerate_rows_give_probabilities_or_a_reason) {
  const Rows one_row{3, {1, 2, 0}, {0}};
  const Rows one_class{2, {1, 0, 0, 1, 2, 0, 0, 3}, {1, 1, 1, 1}};
  const Rows all_right{3, {1, 0, 0, 0, 2, 0, 0, 0, 3, 4, 0, 1}, {0, 1, 2, 0}};
  const Rows all_wrong{2, {0, 1, 0, 2, 1, 0, 2, 0}, {0, 0, 1, 1}};
  const Rows all_equal{2, {1, 1, 1, 1, 1, 1, 1, 1}, {0, 1, 1, 0}};
  // p is exactly 0 and 1.
  const Rows certain{2, {0, 2000, 2000, 0, 0, 2000, 2000, 0, 0, 1}, {1, 0, 0, 0, 1}};
  for (const Rows& rows : {one_row, one_class, all_right, all_wrong, all_equal, certain}) {
    for (const auto& definition : calibrator_definitions()) {
      const auto made = fit(definition.name, rows);
      EXPECT_EQ(made.calibrator == nullptr, !made.reason.empty()) << definition.name;
      if (!made.calibrator) continue;
      expect_probabilities(made.calibrator->apply(rows.logits, rows.k, "test"), definition.name);
      std::vector<float> others(static_cast<std::size_t>(4 * rows.k), -3.0F);
      others[0] = 900.0F;
      others[static_cast<std::size_t>(rows.k) + 1] = 0.5F;
      expect_probabilities(made.calibrator->apply(others, rows.k, "test"), definition.name);
    }
  }
  // Those that count have a fit of everything.
  for (const Rows& rows : {one_row, one_class, all_right, all_wrong, all_equal, certain}) {
    for (const char* name : {"histogram-binning", "bbq", "isotonic", "enir"}) {
      EXPECT_TRUE(fit(name, rows).calibrator) << name;
    }
  }
}

TEST(CalibratorTest, calibrated_rows_stay_about_as_they_are) {
  const Rows rows = drawn_rows(20000, 3, 1.5, 1.0, "already calibrated");
  const LogitRows z(rows.logits, 3, "test");
  for (const auto& definition : calibrator_definitions()) {
    if (definition.top_label || definition.binary_only) continue;
    const auto made = fit(definition.name, rows);
    ASSERT_TRUE(made.calibrator) << definition.name << made.reason;
    const auto outputs = made.calibrator->apply(rows.logits, 3, "test");
    double distance = 0.0;
    std::size_t at = 0;
    for (const auto& block : z.blocks()) {
      const auto p = softmax(block);
      for (Eigen::Index i = 0; i < p.rows(); ++i) {
        for (Eigen::Index c = 0; c < 3; ++c)
          distance += std::abs(outputs.probabilities[at++] - p(i, c));
      }
    }
    // Fifteen bins of histogram binning alone move p by half a bin at most, 1/60 on average.
    EXPECT_LT(distance / 60000.0, definition.name == "histogram-binning" ? 0.02 : 0.015)
        << definition.name;
    EXPECT_NEAR(parameter(*made.calibrator, "nll_after"), parameter(*made.calibrator, "nll_before"),
                0.008)  // what fits many numbers gains a little on the rows it has seen
        << definition.name;
  }
}

TEST(CalibratorTest, equal_rows_give_equal_bits_and_counting_ones_in_any_order) {
  const Rows rows = drawn_rows(500, 4, 2.0, 0.5, "bits");
  Rows reversed{4, {}, {rows.labels.rbegin(), rows.labels.rend()}};
  for (std::size_t i = 500; i-- > 0;) {
    for (std::size_t c = 0; c < 4; ++c) reversed.logits.push_back(rows.logits[i * 4 + c]);
  }
  for (const auto& definition : calibrator_definitions()) {
    if (definition.binary_only) continue;
    const auto made = fit(definition.name, rows), again = fit(definition.name, rows);
    const auto outputs = made.calibrator->apply(rows.logits, 4, "test");
    const auto repeated = again.calibrator->apply(rows.logits, 4, "test");
    EXPECT_EQ(outputs.confidence, repeated.confidence) << definition.name;
    EXPECT_EQ(outputs.probabilities, repeated.probabilities) << definition.name;
    const bool counts = definition.name == "histogram-binning" || definition.name == "bbq" ||
                        definition.name.starts_with("isotonic") || definition.name == "enir";
    if (!counts) continue;
    const auto other = fit(definition.name, reversed).calibrator->apply(rows.logits, 4, "test");
    EXPECT_EQ(outputs.confidence, other.confidence) << definition.name;
    EXPECT_EQ(outputs.probabilities, other.probabilities) << definition.name;
  }
}

}  // namespace
}  // namespace calsweep::analysis
