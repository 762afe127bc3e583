#include "analysis/metrics/kernel_calibration_error.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "analysis/metrics/corp_decomposition.hpp"
#include "analysis/metrics/selective_prediction.hpp"
#include "analysis/metrics/smooth_ece.hpp"
#include "analysis/metrics/sorted_calibration_error.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/random.hpp"
#include "tests/analysis/fixtures.hpp"
#include "tests/analysis/metrics/sorted_fixtures.hpp"

namespace calsweep::analysis {
namespace {

// classwise_reference.json: double loops in numpy (make_classwise_reference.py).
TEST(KernelCalibrationErrorTest, equals_the_double_sum) {
  const auto reference =
      nlohmann::json::parse(std::ifstream(CALSWEEP_ROOM_DIR "/classwise_reference.json"));
  ASSERT_GE(reference["top_label"].size(), 8U);
  for (const auto& expected : reference["top_label"]) {
    const auto profile = fixtures::profile_of(expected);
    const auto found = kernel_calibration_error(profile, expected["width"].get<double>());
    EXPECT_NEAR(found.mmce.value, expected["mmce"].get<double>(), 1e-12);
    EXPECT_NEAR(found.unbiased_squared.value, expected["unbiased"].get<double>(), 1e-12);
    EXPECT_NEAR(calibration_auroc(profile).value, expected["auroc"].get<double>(), 1e-12);
    EXPECT_NEAR(oracle_collaborative_accuracy(profile, .1).value, expected["oracle"].get<double>(),
                1e-12);
  }
}

// Two rows: d = .9 - 1 = -.1 and .5 - 0 = .5, kernel exp(-1): (.01 + .25 - .1 / e) / 4.
TEST(KernelCalibrationErrorTest, by_hand) {
  const auto profile = ConfidenceProfile::from_groups({{.5, 1, 0}, {.9, 1, 1}});
  const auto found = kernel_calibration_error(profile);
  EXPECT_NEAR(found.mmce.value, std::sqrt((.26 - .1 * std::exp(-1.0)) / 4.0), 1e-15);
  EXPECT_NEAR(found.unbiased_squared.value, -.05 * std::exp(-1.0), 1e-15);
}

// E of the unbiased square is 0 for a calibrated model; the biased one is E d^2 / n.
TEST(KernelCalibrationErrorTest, unbiased_form_is_centred_at_zero) {
  Random random(8);
  const int n_sets = 400, n = 50;
  double unbiased = 0.0, biased = 0.0, squares = 0.0;
  for (int set = 0; set < n_sets; ++set) {
    std::vector<double> confidence;
    std::vector<std::uint8_t> correct;
    for (int i = 0; i < n; ++i) {
      confidence.push_back(.5 + random.uniform() / 2.0);
      correct.push_back(random.uniform() < confidence.back() ? 1 : 0);
    }
    const auto profile = ConfidenceProfile::from_rows(std::span<const double>(confidence), correct);
    const auto found = kernel_calibration_error(profile);
    unbiased += found.unbiased_squared.value / n_sets;
    squares += found.unbiased_squared.value * found.unbiased_squared.value / n_sets;
    biased += found.mmce.value * found.mmce.value / n_sets;
  }
  const double error = std::sqrt(squares / n_sets);
  EXPECT_NEAR(unbiased, 0.0, 4.0 * error);
  EXPECT_NEAR(biased, 1.0 / 6.0 / n, 4.0 * error);  // E c (1 - c) = 1/6
}

// Gruber & Buettner 2022: the root of the Brier score is above every calibration error.
TEST(RootBrierTest, bounds_every_error_of_the_records) {
  for (const auto* name : {"lenet-5-cifar-10", "wideresnet-16-4-cifar-10"}) {
    const auto rows = fixtures::load_confidence_record(name);
    const auto profile =
        ConfidenceProfile::from_rows(std::span<const float>(rows.confidence), rows.correct);
    const double bound = std::sqrt(corp_brier(profile).score.value);
    for (const auto& errors : {equal_width_errors(profile), equal_mass_errors(profile),
                               kumar_equal_mass_errors(profile), rank_split_errors(profile)}) {
      EXPECT_LE(errors.l1.value, errors.l2.value + 1e-15);
      EXPECT_LE(errors.l2.value, bound);
    }
    EXPECT_LE(smooth_ece(profile).error.value, bound);
    EXPECT_LE(ks_error(profile).value, bound);
    EXPECT_LE(kernel_calibration_error(profile).mmce.value, bound);
  }
}

TEST(KernelCalibrationErrorTest, degenerate_sets) {
  const ConfidenceProfile empty;
  EXPECT_EQ(kernel_calibration_error(empty).mmce.null_reason, "the set is empty");
  EXPECT_EQ(calibration_auroc(empty).null_reason, "the set is empty");
  EXPECT_EQ(oracle_collaborative_accuracy(empty, .1).null_reason, "the set is empty");
  const auto one = ConfidenceProfile::from_groups({{.75, 1, 1}});
  EXPECT_EQ(kernel_calibration_error(one).mmce.value, .25);
  EXPECT_EQ(kernel_calibration_error(one).unbiased_squared.null_reason, "one row makes no pair");
  EXPECT_EQ(calibration_auroc(one).null_reason, "every row is correct");
  EXPECT_EQ(oracle_collaborative_accuracy(one, .01).value, 1.0);
  const auto wrong = ConfidenceProfile::from_groups({{.75, 4, 0}});
  EXPECT_EQ(calibration_auroc(wrong).null_reason, "every row is wrong");
  EXPECT_EQ(oracle_collaborative_accuracy(wrong, .5).value, .5);
  EXPECT_EQ(calibration_auroc(ConfidenceProfile::from_groups({{.5, 10, 3}})).value, .5);
  const auto saturated = ConfidenceProfile::from_groups({{1.0, 10, 8}});
  EXPECT_NEAR(kernel_calibration_error(saturated).mmce.value, .2, 1e-15);
  EXPECT_THROW(kernel_calibration_error(one, 0.0), UsageError);
  EXPECT_THROW(oracle_collaborative_accuracy(one, 0.0), UsageError);
}

}  // namespace
}  // namespace calsweep::analysis
