#include "analysis/metrics/smooth_ece.hpp"

#include <gtest/gtest.h>

#include "analysis/metrics/sorted_calibration_error.hpp"
#include "sweeps/errors.hpp"
#include "tests/analysis/fixtures.hpp"
#include "tests/analysis/metrics/sorted_fixtures.hpp"

namespace calsweep::analysis {
namespace {

using Flags = std::vector<std::uint8_t>;

ConfidenceProfile record(const char* name) {
  const auto rows = fixtures::load_confidence_record(name);
  return ConfidenceProfile::from_rows(std::span<const float>(rows.confidence), rows.correct);
}

// CALIBRATION.md 3.6.
TEST(SmoothEceTest, two_real_records) {
  const auto lenet = record("lenet-5-cifar-10");
  EXPECT_NEAR(relplot_smooth_ece(lenet).error.value, .107822, 5e-7);
  EXPECT_NEAR(relplot_smooth_ece(lenet).width, .108398, 5e-7);
  const auto wide = record("wideresnet-16-4-cifar-10");
  EXPECT_NEAR(relplot_smooth_ece(wide).error.value, .075682, 5e-7);
  EXPECT_NEAR(relplot_smooth_ece(wide).width, .076172, 5e-7);
  EXPECT_NEAR(smooth_ece_at(wide, relplot_smooth_ece(wide).width).value, .053716, 5e-7);
  EXPECT_NEAR(smooth_ece(wide).error.value, .053716, 5e-7);
}

// CALIBRATION.md, fact 4: half the rows at 1.0 of which .9 are right, half calibrated elsewhere.
TEST(SmoothEceTest, relplot_halves_the_mass_at_one) {
  std::vector<float> confidence(200, 1.0F);
  Flags correct(200, 1);
  for (std::size_t i = 0; i < 10; ++i) correct[i] = 0;
  for (std::size_t i = 100; i < 200; ++i) {
    confidence[i] = .5F;
    correct[i] = i % 2;
  }
  const auto toy = ConfidenceProfile::from_rows(std::span<const float>(confidence), correct);
  EXPECT_NEAR(relplot_smooth_ece(toy).error.value, .0342, 5e-5);
  EXPECT_NEAR(smooth_ece(toy).error.value, .0500, 5e-5);
}

TEST(SmoothEceTest, relplot_values_of_the_package) {
  const auto& reference = fixtures::sorted_reference();
  for (const auto& expected : reference["smooth"]) {
    const auto found = relplot_smooth_ece(fixtures::profile_of(expected));
    EXPECT_NEAR(found.error.value, expected["relplot"][0].get<double>(), 1e-8);
    EXPECT_EQ(found.width, expected["relplot"][1].get<double>());
  }
  for (const auto& [name, expected] : reference["records"].items()) {
    const auto found = relplot_smooth_ece(record(name.c_str()));
    EXPECT_NEAR(found.error.value, expected["relplot"][0].get<double>(), 1e-8);
    EXPECT_EQ(found.width, expected["relplot"][1].get<double>());
  }
}

TEST(SmoothEceTest, definition_by_direct_summation) {
  for (const auto& expected : fixtures::sorted_reference()["smooth"]) {
    const auto profile = fixtures::profile_of(expected);
    const double direct = expected["at_width"].get<double>();
    EXPECT_NEAR(smooth_ece_at(profile, expected["width"].get<double>()).value, direct,
                1e-4 * direct);
    const double fixed = expected["fixed_point"].get<double>();
    EXPECT_NEAR(smooth_ece(profile).width, fixed, 1e-4 * fixed);
    EXPECT_NEAR(smooth_ece(profile).error.value, fixed, 1e-4 * fixed);
  }
}

TEST(SmoothEceTest, falls_with_the_width_and_reaches_the_mean_gap) {
  const auto profile = fixtures::profile_of(fixtures::sorted_reference()["smooth"][2]);
  double last = 1.0;
  for (const double width : {.01, .02, .05, .1, .2, .5, 1.0}) {
    const double error = smooth_ece_at(profile, width).value;
    EXPECT_LE(error, last + 1e-6);
    last = error;
  }
  const double mean_gap = equal_mass_errors(profile, 1).l1.value;
  EXPECT_GE(last, mean_gap - 1e-9);
}

TEST(SmoothEceTest, degenerate_sets) {
  EXPECT_FALSE(smooth_ece({}).error.has_value());
  EXPECT_FALSE(relplot_smooth_ece({}).error.has_value());
  EXPECT_THROW(smooth_ece_at({}, 0.0), UsageError);
  const auto right = ConfidenceProfile::from_groups({{1.0, 10, 10}});
  EXPECT_EQ(smooth_ece(right).error.value, 0.0);
  EXPECT_EQ(smooth_ece(right).width, 0.0);
  for (const double confidence : {0.0, .3, 1.0}) {  // one residual, wherever it lies
    const auto one = ConfidenceProfile::from_groups({{confidence, 10, 4}});
    EXPECT_NEAR(smooth_ece(one).error.value, std::abs(confidence - .4), 1e-6);
  }
}

}  // namespace
}  // namespace calsweep::analysis
