#include "analysis/calibrators/calibrator.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "sweeps/errors.hpp"
#include "tests/analysis/calibrators/reference_cases.hpp"

namespace calsweep::analysis {
namespace {

TEST(CalibratorTest, registry_is_sorted_and_every_name_fits) {
  const auto definitions = calibrator_definitions();
  EXPECT_TRUE(std::is_sorted(definitions.begin(), definitions.end(),
                             [](const auto& a, const auto& b) { return a.name < b.name; }));
  EXPECT_EQ(definitions.size(), 9U);
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
  for (const char* name : {"temperature", "temperature-ece10-grid", "vector", "matrix", "isotonic",
                           "histogram-binning", "beta"}) {
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

}  // namespace
}  // namespace calsweep::analysis
