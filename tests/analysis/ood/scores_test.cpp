// OOD scores against SciPy (scores.json), their properties, and ranking rows by them.
#include "analysis/ood/scores.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "analysis/metrics/predictions.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/random.hpp"

namespace calsweep::analysis {
namespace {

std::vector<float> random_logits(std::size_t n, double scale) {
  Random random(3);
  std::vector<float> z(n);
  for (auto& value : z) value = static_cast<float>(scale * random.normal());
  return z;
}

void expect_all_near(const std::vector<double>& found, const nlohmann::json& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    const double wanted = expected[i].get<double>();
    EXPECT_NEAR(found[i], wanted, 1e-12 * std::max(1.0, std::abs(wanted)));
  }
}

TEST(OodScoresTest, agree_with_scipy) {
  const auto expected =
      nlohmann::json::parse(std::ifstream(std::string(CALSWEEP_ROOM_DIR) + "/scores.json"));
  for (const auto& one : expected.at("cases")) {
    const auto logits = one.at("logits").get<std::vector<float>>();
    const auto found = ood_scores(logits, one.at("n_classes").get<std::int64_t>(),
                                  one.at("temperature").get<double>(), "case");
    for (const auto& definition : ood_score_definitions()) {
      SCOPED_TRACE(definition.key);
      expect_all_near(found.of(definition.score), one.at(std::string(definition.key)));
    }
  }
}

TEST(OodScoresTest, max_softmax_is_the_confidence) {
  const auto z = random_logits(4000, 6.0);
  const auto predictions = predict_from_logits(z, 10, {}, "test");
  const auto scores = ood_scores(z, 10, 1.0, "test");
  ASSERT_EQ(scores.max_softmax.size(), predictions.confidence.size());
  for (std::size_t i = 0; i < predictions.confidence.size(); ++i) {
    EXPECT_NEAR(scores.max_softmax[i], predictions.confidence[i], 1e-15);
  }
}

TEST(OodScoresTest, from_probabilities_are_those_of_the_softmax) {
  const auto z = random_logits(600, 3.0);
  const auto direct = ood_scores(z, 10, 2.0, "test");
  const auto p = tempered_probabilities(z, 10, 2.0, "test");
  const auto pooled = ood_scores(p, 10, "test");
  for (std::size_t i = 0; i < 60; ++i) {
    EXPECT_NEAR(pooled.max_softmax[i], direct.max_softmax[i], 1e-15);
    EXPECT_NEAR(pooled.negative_entropy[i], direct.negative_entropy[i], 1e-13);
  }
  EXPECT_TRUE(pooled.energy.empty());
  EXPECT_TRUE(pooled.max_logit.empty());
}

TEST(OodScoresTest, at_extremes) {
  // Uniform row: confidence 1/K, entropy log K; one class at -1e30: no NaN from 0 log 0.
  const std::vector<float> z = {5.0F, 5.0F, 5.0F, 5.0F, 0.0F, -1e30F, -1e30F, -1e30F};
  const auto scores = ood_scores(z, 4, 1.0, "extreme");
  EXPECT_DOUBLE_EQ(scores.max_softmax[0], 0.25);
  EXPECT_DOUBLE_EQ(scores.negative_entropy[0], -std::log(4.0));
  EXPECT_DOUBLE_EQ(scores.energy[0], 5.0 + std::log(4.0));
  EXPECT_EQ(scores.max_softmax[1], 1.0);
  EXPECT_EQ(scores.negative_entropy[1], 0.0);
  EXPECT_EQ(scores.energy[1], 0.0);
  // A temperature so small that z / T overflows: the limit, not NaN.
  const auto cold = ood_scores(z, 4, 1e-300, "cold");
  EXPECT_EQ(cold.max_softmax[1], 1.0);
  EXPECT_EQ(cold.negative_entropy[1], 0.0);
  const std::vector<double> certain = {0.0, 1.0};
  EXPECT_EQ(ood_scores(certain, 2, "certain").negative_entropy[0], 0.0);
  EXPECT_TRUE(ood_scores(std::span<const float>(), 3, 1.0, "none").energy.empty());
}

TEST(OodScoresTest, refuse_bad_input_naming_the_row) {
  const std::vector<float> bad = {0.0F, 1.0F, std::numeric_limits<float>::quiet_NaN(), 1.0F};
  try {
    ood_scores(bad, 2, 1.0, "set");
    FAIL();
  } catch (const FormatError& error) {
    EXPECT_NE(std::string(error.what()).find("row 1"), std::string::npos) << error.what();
  }
  EXPECT_THROW(ood_scores(bad, 3, 1.0, "set"), FormatError);
  EXPECT_THROW(ood_scores(std::span<const float>(bad).first(2), 2, 0.0, "set"), UsageError);
  EXPECT_THROW(ood_scores(std::vector<double>{0.5, 1.5}, 2, "set"), FormatError);
  EXPECT_THROW(ood_scores(std::vector<double>{0.5, std::nan("")}, 2, "set"), FormatError);
}

TEST(LeastCertainRowsTest, come_by_ascending_score_and_ties_by_row) {
  const std::vector<double> scores = {0.9, 0.2, 0.5, 0.2, 0.1};
  EXPECT_EQ(least_certain_rows(scores, 3), (std::vector<std::int64_t>{4, 1, 3}));
  EXPECT_EQ(least_certain_rows(scores, 99).size(), 5U);
  EXPECT_TRUE(least_certain_rows(scores, -1).empty());
}

}  // namespace
}  // namespace calsweep::analysis
