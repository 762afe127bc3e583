// What calibrators see of a record that holds probabilities, some of them 0.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "analysis/predictor_outputs.hpp"
#include "tests/analysis/calibrators/reference_cases.hpp"

namespace calsweep::analysis {
namespace {

TEST(LogProbabilitiesTest, are_those_of_p_and_never_below_the_smallest_normal_float32) {
  const auto smallest = std::numeric_limits<float>::min();
  EXPECT_EQ(kLeastProbability, double{smallest});
  const float floor = -126.0F * std::log(2.0F);
  const auto logs =
      log_probabilities(std::vector{0.0, 5e-324, 1e-45, 1e-38, double{smallest}, 2e-38, 0.25, 1.0});
  for (std::size_t i = 0; i < 5; ++i) EXPECT_FLOAT_EQ(logs[i], floor) << i;
  EXPECT_FLOAT_EQ(floor, -87.336545F);
  EXPECT_GT(logs[5], floor);
  EXPECT_EQ(logs[6], std::log(0.25F));
  EXPECT_EQ(logs[7], 0.0F);
}

TEST(LogProbabilitiesTest, temperature_of_a_record_with_a_zero_by_hand) {
  // 99 rows right with p = .9; one label has p = 0, that is 2^-126: the NLL is (99 ln(1 + 9^-b) +
  // ln(1 + e^(cb))) / 100 with c = 126 ln 2, and its derivative is 0 at the optimum.
  std::vector<double> p;
  std::vector<std::int32_t> labels(100, 0);
  for (int i = 0; i < 99; ++i) p.insert(p.end(), {0.9, 0.1});
  p.insert(p.end(), {0.0, 1.0});
  const auto made = fit("temperature", Rows{2, log_probabilities(p), labels});
  ASSERT_TRUE(made.calibrator) << made.reason;
  const double beta = parameter(*made.calibrator, "beta"), c = 126.0 * std::log(2.0);
  const double slope =
      c / (1.0 + std::exp(-c * beta)) - 99.0 * std::log(9.0) / (1.0 + std::pow(9.0, beta));
  EXPECT_NEAR(slope, 0.0, 1e-4);  // float32 logits
  EXPECT_NEAR(parameter(*made.calibrator, "nll_before"), (99 * std::log(1 / 0.9) + c) / 100, 1e-6);
}

TEST(LogProbabilitiesTest, the_type_of_the_record_does_not_change_a_fit) {
  const Rows rows = drawn_rows(300, 3, 25.0, 0.05, "types");
  std::vector<double> as_float64, as_float32;
  for (std::size_t i = 0; i < rows.labels.size(); ++i) {
    double sum = 0.0, largest = -INFINITY;
    for (std::size_t c = 0; c < 3; ++c) largest = std::max(largest, double{rows.logits[3 * i + c]});
    for (std::size_t c = 0; c < 3; ++c) sum += std::exp(double{rows.logits[3 * i + c]} - largest);
    for (std::size_t c = 0; c < 3; ++c) {
      const double p = std::exp(double{rows.logits[3 * i + c]} - largest) / sum;
      as_float64.push_back(p);
      const auto rounded = static_cast<float>(p);
      as_float32.push_back(rounded < std::numeric_limits<float>::min() ? 0.0 : double{rounded});
    }
  }
  EXPECT_GT(std::count(as_float32.begin(), as_float32.end(), 0.0), 0);
  for (const char* name : {"temperature", "vector", "dirichlet", "beta"}) {
    const auto of64 = fit(name, Rows{3, log_probabilities(as_float64), rows.labels});
    const auto of32 = fit(name, Rows{3, log_probabilities(as_float32), rows.labels});
    ASSERT_TRUE(of64.calibrator && of32.calibrator) << name << of64.reason;
    EXPECT_NEAR(parameter(*of32.calibrator, "nll_after") / parameter(*of64.calibrator, "nll_after"),
                1.0, 1e-6)
        << name;
  }
}

}  // namespace
}  // namespace calsweep::analysis
