#include "worker/epoch_metrics.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace calsweep::worker {
namespace {

// A vector on which conventions differ, with values computed by the conventions' own published
// codes (Guo et al.'s _ECELoss; the noise warm-up paper's calibration.py).
const std::vector<float> kEdgeConfidences = {1.0F, 1.0F, 1.0F, 0.95F, 0.9F, 0.8F,
                                             0.7F, 0.6F, 0.5F, 0.3F,  0.2F, 0.1F};
const std::vector<std::uint8_t> kEdgeCorrect = {1, 1, 0, 1, 0, 1, 0, 1, 1, 0, 1, 0};

TEST(EpochMetricsTest, guo2017_equals_its_reference_code_on_bin_edges) {
  EXPECT_NEAR(ece_guo2017(kEdgeConfidences, kEdgeCorrect, 10), 0.404167, 5e-7);
  EXPECT_NEAR(ece_guo2017(kEdgeConfidences, kEdgeCorrect, 15), 0.404167, 5e-7);
  EXPECT_NEAR(ece_guo2017(kEdgeConfidences, kEdgeCorrect, 20), 0.412500, 5e-7);
}

TEST(EpochMetricsTest, noise2026_equals_its_reference_code_on_bin_edges) {
  EXPECT_NEAR(ece_noise2026(kEdgeConfidences, kEdgeCorrect, 10), 0.427778, 5e-7);
  EXPECT_NEAR(ece_noise2026(kEdgeConfidences, kEdgeCorrect, 15), 0.425926, 5e-7);
  EXPECT_NEAR(ece_noise2026(kEdgeConfidences, kEdgeCorrect, 20), 0.436111, 5e-7);
}

TEST(EpochMetricsTest, noise2026_is_nan_when_every_confidence_is_one) {
  EXPECT_TRUE(
      std::isnan(ece_noise2026(std::vector<float>(3, 1.0F), std::vector<std::uint8_t>(3, 1))));
  EXPECT_NEAR(ece_guo2017(std::vector<float>(3, 1.0F), {{0, 0, 1}}), 2.0 / 3.0, 1e-12);
}

// Two of the float32 values in which torch.linspace(0, 1, 16) differs from k / 15.
TEST(EpochMetricsTest, edges_round_as_torch_linspace_does) {
  const auto edges = linspace_edges(16);
  EXPECT_EQ(edges[3], 0.20000001788139343F);
  EXPECT_EQ(edges[9], 0.5999999642372131F);
  EXPECT_EQ(edges[15], 1.0F);
}

// By hand: rows (0, 0) -> tie, first class, confidence 1/2; (0, ln 3) -> second class, 3/4.
TEST(EpochMetricsTest, equals_hand_calculation) {
  const float ln3 = std::log(3.0F);
  const std::vector<float> logits = {0.0F, 0.0F, 0.0F, ln3, 0.0F, ln3};
  const auto metrics = epoch_metrics(logits, {{0, 1, 0}}, 2);
  EXPECT_NEAR(metrics.accuracy, 2.0 / 3.0, 1e-12);
  EXPECT_NEAR(metrics.confidence, (0.5 + 0.75 + 0.75) / 3.0, 1e-7);
  EXPECT_NEAR(metrics.nll, (std::log(2.0) + std::log(4.0 / 3.0) + std::log(4.0)) / 3.0, 1e-7);
  EXPECT_NEAR(metrics.ece_guo2017, (0.5 + 0.5) / 3.0, 1e-7);     // |1-.5|, |1-1.5|
  EXPECT_NEAR(metrics.ece_noise2026, (0.45 + 0.5) / 3.0, 1e-7);  // midpoints .55 and .75
}

TEST(EpochMetricsTest, large_logits_do_not_overflow) {
  const auto metrics = epoch_metrics(std::vector<float>{1e30F, -1e30F}, {{0}}, 2);
  EXPECT_EQ(metrics.nll, 0.0);
  EXPECT_EQ(metrics.confidence, 1.0);
}

TEST(EpochMetricsTest, nothing_measured_is_nan) {
  const auto metrics = epoch_metrics({}, {}, 10);
  EXPECT_TRUE(std::isnan(metrics.accuracy));
  EXPECT_TRUE(std::isnan(metrics.ece_guo2017));
}

}  // namespace
}  // namespace calsweep::worker
