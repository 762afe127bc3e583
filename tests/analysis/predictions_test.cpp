#include "analysis/metrics/predictions.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>

#include "sweeps/errors.hpp"
#include "tests/analysis/fixtures.hpp"

namespace calsweep::analysis {
namespace {

TEST(PredictionsTest, agree_with_scipy_on_random_logits) {
  const auto& expected = fixtures::reference().at("predictions");
  const auto logits = expected.at("logits").get<std::vector<float>>();
  const auto labels = expected.at("labels").get<std::vector<std::int32_t>>();
  const auto made = predict_from_logits(logits, 7, labels, "test");
  EXPECT_NEAR(made.nll().value, expected.at("nll").get<double>(), 1e-13);
  EXPECT_NEAR(made.brier().value, expected.at("brier").get<double>(), 1e-13);
  EXPECT_NEAR(made.accuracy().value, expected.at("accuracy").get<double>(), 1e-15);
  EXPECT_NEAR(made.mean_confidence().value, expected.at("confidence").get<double>(), 1e-14);
}

TEST(PredictionsTest, take_the_first_of_equal_classes) {
  const std::vector<float> logits = {1.0F, 3.0F, 3.0F};
  const std::vector<std::int32_t> first = {1};
  const std::vector<std::int32_t> second = {2};
  EXPECT_EQ(predict_from_logits(logits, 3, first, "test").accuracy().value, 1.0);
  EXPECT_EQ(predict_from_logits(logits, 3, second, "test").accuracy().value, 0.0);
}

TEST(PredictionsTest, stay_finite_for_huge_logits) {
  const std::vector<float> logits = {3e38F, -3e38F, 1000.0F, 0.0F};
  const std::vector<std::int32_t> labels = {0, 1};
  const auto made = predict_from_logits(logits, 2, labels, "test");
  EXPECT_EQ(made.confidence[0], 1.0);
  // By hand: row 1 loses exactly the gap of 1000 nats, row 0 nothing.
  EXPECT_DOUBLE_EQ(made.nll().value, 500.0);
  EXPECT_DOUBLE_EQ(made.brier().value, 1.0);
}

TEST(PredictionsTest, keep_confidence_below_one_in_double_but_saturate_in_float32) {
  const std::vector<float> logits = {20.0F, 0.0F};
  const std::vector<std::int32_t> labels = {0};
  const auto made = predict_from_logits(logits, 2, labels, "test");
  EXPECT_LT(made.confidence[0], 1.0);
  EXPECT_EQ(made.confidence_f32[0], 1.0F);
  EXPECT_EQ(made.saturated_fraction().value, 1.0);
}

TEST(PredictionsTest, of_an_empty_set_have_no_values_but_a_reason) {
  const auto made = predict_from_logits({}, 10, {}, "test");
  for (const auto& value : {made.accuracy(), made.nll(), made.brier(), made.mean_confidence(),
                            made.saturated_fraction()}) {
    EXPECT_TRUE(std::isnan(value.value));
    EXPECT_EQ(value.null_reason, "the set is empty");
  }
}

TEST(PredictionsTest, name_the_row_of_a_logit_that_is_not_finite) {
  for (const float bad : {std::nanf(""), HUGE_VALF, -HUGE_VALF}) {
    const std::vector<float> logits = {0.0F, 1.0F, 2.0F, bad};
    const std::vector<std::int32_t> labels = {0, 1};
    try {
      predict_from_logits(logits, 2, labels, "trial abc, set test");
      FAIL() << "accepted " << bad;
    } catch (const FormatError& error) {
      EXPECT_NE(std::string(error.what()).find("trial abc, set test: row 1"), std::string::npos);
    }
  }
}

TEST(PredictionsTest, refuse_labels_out_of_range_and_wrong_shapes) {
  const std::vector<float> logits = {0.0F, 1.0F};
  const std::vector<std::int32_t> too_large = {2};
  const std::vector<std::int32_t> too_many = {0, 1};
  EXPECT_THROW(predict_from_logits(logits, 2, too_large, "test"), FormatError);
  EXPECT_THROW(predict_from_logits(logits, 2, too_many, "test"), FormatError);
  EXPECT_THROW(predict_from_logits(logits, 3, {}, "test"), FormatError);
  const std::vector<float> not_a_probability = {1.5F, 0.0F};
  EXPECT_THROW(predict_from_probabilities(not_a_probability, 2, {}, "test"), FormatError);
}

TEST(PredictionsTest, give_no_nll_for_a_label_of_probability_zero) {
  const std::vector<float> p = {1.0F, 0.0F};
  const std::vector<std::int32_t> labels = {1};
  const auto made = predict_from_probabilities(p, 2, labels, "test");
  EXPECT_FALSE(made.nll().has_value());
  EXPECT_DOUBLE_EQ(made.brier().value, 2.0);
}

TEST(PredictionsTest, take_milliseconds_for_ten_thousand_rows) {
  std::vector<float> logits(100000);
  for (std::size_t i = 0; i < logits.size(); ++i) {
    logits[i] = static_cast<float>(std::sin(static_cast<double>(i)) * 4.0);
  }
  const std::vector<std::int32_t> labels(10000, 3);
  const auto start = std::chrono::steady_clock::now();
  const auto made = predict_from_logits(logits, 10, labels, "test");
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  RecordProperty("milliseconds", std::to_string(took.count()));
  EXPECT_EQ(made.n_rows(), 10000);
  EXPECT_LT(took.count(), 500.0);  // a few ms when the machine is free and optimised
}

}  // namespace
}  // namespace calsweep::analysis
