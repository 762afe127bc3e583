#include "analysis/results/results_line.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

PredictorResult example() {
  PredictorResult result;
  result.id = TrialId::of("a").str();
  NetworkOrigin origin;
  origin.record.id = TrialId::of("a");
  origin.record.settings = "{\"model.depth\":2}";
  origin.record.seed = 3;
  origin.record.fused_width = 10;
  origin.record.train_seconds = 0.1 + 0.2;
  origin.record.epochs = {
      {0, std::nan(""), .1, std::numeric_limits<double>::infinity(), .3, .4, .5}};
  origin.unit = UnitId::of("u");
  origin.checksum = std::string(64, 'c');
  origin.attempt = 7;
  origin.provenance = {"1", "2", "3", "host \xff", "cpu", "now", 4};
  result.origin = origin;
  PredictionSetResult set;
  set.set = "test";
  set.calibrator = "temperature";
  set.n_rows = 10;
  set.n_classes = 4;
  set.metrics = {{"ece", "guo2017", Measured::of(1.0 / 3.0), {.floor = 0.1, .ci_high = 0.7}},
                 {"ece", "noise2026", Measured::none("all saturated")}};
  set.confidence = {{17, 10, 7, 4.25}};
  set.classes = {{3, 2, 0.5}, {1, 2}};
  set.strata = {{"aps", "class", 3, 10, 9, 14}};
  result.sets = {set};
  result.calibrations = {{"temperature", "validation", "", {{"T", 1.5}}},
                         {"vector", "validation", "no rows", {}}};
  result.sizes = {{2, 3, "nll", 0.1}};
  return result;
}

TEST(ResultsLineTest, survives_the_trip_with_nan_and_reasons) {
  const auto line = encode(example());
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const auto back = std::get<PredictorResult>(decode_results_line(line));
  const auto& metrics = back.sets.at(0).metrics;
  EXPECT_EQ(metrics.at(0).value.value, 1.0 / 3.0);
  EXPECT_TRUE(metrics.at(0).value.has_value());
  EXPECT_TRUE(std::isnan(metrics.at(1).value.value));
  EXPECT_EQ(metrics.at(1).value.null_reason, "all saturated");
  const auto& record = back.origin->record;
  EXPECT_TRUE(std::isnan(record.epochs.at(0).train_loss));
  EXPECT_TRUE(std::isinf(record.epochs.at(0).test_nll));
  EXPECT_EQ(record.train_seconds, 0.1 + 0.2);
  EXPECT_EQ(record.fused_width, 10);
  EXPECT_EQ(back.origin->attempt, 7);
  EXPECT_EQ(back.origin->provenance.threads, 4);
  EXPECT_EQ(metrics.at(0).uncertainty.floor, 0.1);
  EXPECT_TRUE(std::isnan(metrics.at(0).uncertainty.ci_low));
  EXPECT_EQ(metrics.at(0).uncertainty.ci_high, 0.7);
  EXPECT_EQ(back.sets.at(0).calibrator, "temperature");
  EXPECT_EQ(back.sets.at(0).confidence.at(0).correct, 7);
  EXPECT_TRUE(std::isnan(back.sets.at(0).classes.at(1).sum_probability));
  EXPECT_EQ(back.sets.at(0).strata.at(0).covered, 9);
  EXPECT_EQ(back.calibrations.at(0).parameters.at(0).second, 1.5);
  EXPECT_EQ(back.calibrations.at(1).null_reason, "no rows");
  EXPECT_EQ(back.sizes.at(0).metric, "nll");
  EXPECT_EQ(encode(back), line);
}

TEST(ResultsLineTest, carries_problems) {
  const auto back = std::get<AnalysisProblem>(
      decode_results_line(encode(AnalysisProblem{"id", "units/x.h5", "it is torn"})));
  EXPECT_EQ(back.predictor, "id");
  EXPECT_EQ(back.file, "units/x.h5");
  EXPECT_EQ(back.message, "it is torn");
}

TEST(ResultsLineTest, refuses_what_is_no_result) {
  for (const char* line : {"", "{", "[]", "{\"predictor\": 3}", "{\"predictor\": \"zz\"}"}) {
    EXPECT_THROW(decode_results_line(line), FormatError) << line;
  }
}

}  // namespace
}  // namespace calsweep::analysis
