// Conformal thresholds and sets against the papers' definitions (prediction_sets.json), the
// coverage that theory promises on simulated data, and refusals.
#include "analysis/conformal/prediction_sets.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "analysis/conformal/coverage.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/random.hpp"

namespace calsweep::analysis {
namespace {

const nlohmann::json& reference() {
  static const auto json = nlohmann::json::parse(
      std::ifstream(std::string(CALSWEEP_ROOM_DIR) + "/prediction_sets.json"));
  return json;
}

ConformalScore score_named(const std::string& name) {
  for (const auto score : {ConformalScore::Threshold, ConformalScore::Aps, ConformalScore::Raps}) {
    if (to_string(score) == name) return score;
  }
  throw std::runtime_error("no score " + name);
}

/// Rows whose label is drawn from probabilities that the "model" sees through a temperature of 1/2:
/// exchangeable, and badly calibrated.
struct Simulated {
  std::vector<double> probabilities;
  std::vector<std::int32_t> labels;
};

Simulated simulate(std::size_t n, std::size_t k, Random& random) {
  Simulated made;
  std::vector<double> truth(k);
  std::vector<double> seen(k);
  for (std::size_t i = 0; i < n; ++i) {
    double sum = 0.0;
    double sum_seen = 0.0;
    for (std::size_t c = 0; c < k; ++c) {
      truth[c] = std::exp(1.5 * random.normal());
      seen[c] = truth[c] * truth[c];
      sum += truth[c];
      sum_seen += seen[c];
    }
    double u = random.uniform() * sum;
    std::size_t label = 0;
    while (label + 1 < k && u >= truth[label]) u -= truth[label++];
    made.labels.push_back(static_cast<std::int32_t>(label));
    for (const double p : seen) made.probabilities.push_back(p / sum_seen);
  }
  return made;
}

TEST(ConformalQuantileTest, ranks_are_those_of_exact_arithmetic) {
  for (const auto& row : reference().at("ranks")) {
    const double alpha = row[0];
    const std::vector<double> scores(row[1].get<std::size_t>(), 0.5);
    const auto quantile = conformal_quantile(scores, alpha);
    EXPECT_EQ(quantile.rank, row[2].get<std::int64_t>()) << alpha << " " << row[1];
    EXPECT_EQ(std::isinf(quantile.threshold), quantile.rank > quantile.n_calibration);
  }
}

TEST(ConformalQuantileTest, deviation_is_that_of_the_beta_binomial) {
  for (const auto& row : reference().at("deviations")) {
    const ConformalQuantile quantile{0.5, row[1], row[0]};
    EXPECT_NEAR(quantile.coverage_deviation(row[2]), row[3].get<double>(), 1e-14);
  }
}

TEST(ConformalQuantileTest, refuses_bad_input) {
  EXPECT_THROW(conformal_quantile(std::vector<double>{std::nan("")}, 0.1), FormatError);
  EXPECT_THROW(conformal_quantile(std::vector<double>{0.1}, 0.0), UsageError);
  EXPECT_THROW(conformal_quantile(std::vector<double>{0.1}, 1.0), UsageError);
  EXPECT_THROW(conformal_quantile(std::vector<double>{0.1}, std::nan("")), UsageError);
}

/// Coverage of new half-normal scores below the (1 - alpha) quantile of n, averaged over `runs`.
template <class Quantile>
double mean_coverage(std::size_t n, int runs, Quantile quantile) {
  Random random(n);
  std::vector<double> scores(n);
  double sum = 0.0;
  for (int run = 0; run < runs; ++run) {
    for (auto& s : scores) s = std::abs(random.normal());
    sum += std::erf(quantile(scores) / std::sqrt(2.0));
  }
  return sum / runs;
}

TEST(ConformalQuantileTest, interpolating_without_the_correction_undercovers) {
  // sktime issue 10758: nominal 0.90, half-normal scores. numpy's default quantile covers 0.8537 at
  // n = 15 and 0.8921 at n = 100; the corrected one covers k / (n + 1): 15/16 and 91/101.
  const auto linear = [](std::vector<double> scores) {
    std::sort(scores.begin(), scores.end());
    const double at = 0.9 * static_cast<double>(scores.size() - 1);
    const auto low = static_cast<std::size_t>(at);
    const double part = at - static_cast<double>(low);
    return scores[low] + part * (scores[low + 1] - scores[low]);
  };
  const auto corrected = [](const std::vector<double>& scores) {
    return conformal_quantile(scores, 0.1).threshold;
  };
  EXPECT_NEAR(mean_coverage(15, 20000, linear), 0.8537, 0.003);
  EXPECT_NEAR(mean_coverage(100, 4000, linear), 0.8921, 0.003);
  EXPECT_NEAR(mean_coverage(15, 20000, corrected), 15.0 / 16.0, 0.003);
  EXPECT_NEAR(mean_coverage(100, 4000, corrected), 91.0 / 101.0, 0.003);
}

TEST(PredictionSetsTest, are_those_of_the_papers_definitions) {
  for (const auto& expected : reference().at("cases")) {
    SCOPED_TRACE(expected.at("score").get<std::string>() + expected.at("alpha").dump());
    const auto p = expected.at("probabilities").get<std::vector<double>>();
    const auto labels = expected.at("labels").get<std::vector<std::int32_t>>();
    const auto k = expected.at("n_classes").get<std::size_t>();
    const auto n = expected.at("n").get<std::size_t>();
    ConformalOptions options{score_named(expected.at("score")), expected.at("alpha"), false};
    options.lambda = expected.at("lambda");
    options.k_reg = expected.at("k_reg");
    const auto predictor = ConformalPredictor::calibrate(options, std::span(p).first(n * k),
                                                         static_cast<std::int64_t>(k),
                                                         std::span(labels).first(n), "validation");
    EXPECT_EQ(predictor.quantile().rank, expected.at("rank").get<std::int64_t>());
    if (expected.at("threshold").is_null()) {
      EXPECT_TRUE(std::isinf(predictor.quantile().threshold));
    } else {
      EXPECT_NEAR(predictor.quantile().threshold, expected.at("threshold").get<double>(), 1e-14);
    }
    const std::size_t n_test = labels.size() - n;
    for (std::size_t i = 0; i < 2 * n_test; ++i) {
      const auto row = std::span(p).subspan((n + i % n_test) * k, k);
      EXPECT_EQ(predictor.classes(row, i < n_test ? 1.0 : 0.3),
                expected.at("sets")[i].get<std::vector<std::int64_t>>());
    }
  }
}

struct Method {
  ConformalScore score;
  bool randomised;
};

TEST(PredictionSetsTest, cover_at_the_promised_rate_on_exchangeable_rows) {
  for (const Method method :
       {Method{ConformalScore::Threshold, false}, Method{ConformalScore::Aps, false},
        Method{ConformalScore::Aps, true}, Method{ConformalScore::Raps, false},
        Method{ConformalScore::Raps, true}}) {
    for (const double alpha : {0.1, 0.3}) {
      Random random(17);
      double covered = 0.0;
      double expected = 0.0;
      constexpr int kRuns = 120;
      constexpr std::int64_t kTest = 100;
      ConformalQuantile quantile;
      for (int run = 0; run < kRuns; ++run) {
        const auto calibration = simulate(60, 8, random);
        const auto test = simulate(kTest, 8, random);
        ConformalOptions options{method.score, alpha, method.randomised, 0.02, 2};
        options.seed = static_cast<std::uint64_t>(run);
        const auto predictor = ConformalPredictor::calibrate(options, calibration.probabilities, 8,
                                                             calibration.labels, "validation");
        const auto sets = predictor.predict(test.probabilities, test.labels, "test");
        quantile = predictor.quantile();
        covered += coverage_report(sets, test.labels, alpha).coverage.value / kRuns;
        expected = quantile.expected_coverage();
      }
      const double deviation = quantile.coverage_deviation(kTest) / std::sqrt(kRuns);
      SCOPED_TRACE(std::string(to_string(method.score)) + (method.randomised ? " randomised" : ""));
      EXPECT_GE(covered, 1.0 - alpha - 4.0 * deviation);
      // Without ties coverage is exactly rank / (n + 1) on average: no slack beyond rounding up.
      EXPECT_NEAR(covered, expected, 4.5 * deviation);
    }
  }
}

TEST(PredictionSetsTest, randomised_draws_are_keyed_and_reproducible) {
  Random random(4);
  const auto calibration = simulate(200, 6, random);
  const auto test = simulate(300, 6, random);
  const auto sizes = [&](std::uint64_t seed, const std::string& key, const std::string& set) {
    ConformalOptions options{ConformalScore::Aps};
    options.seed = seed;
    options.key = key;
    return ConformalPredictor::calibrate(options, calibration.probabilities, 6, calibration.labels,
                                         "validation")
        .predict(test.probabilities, test.labels, set)
        .size;
  };
  EXPECT_EQ(sizes(1, "a", "test"), sizes(1, "a", "test"));
  EXPECT_NE(sizes(1, "a", "test"), sizes(2, "a", "test"));
  EXPECT_NE(sizes(1, "a", "test"), sizes(1, "b", "test"));
  EXPECT_NE(sizes(1, "a", "test"), sizes(1, "a", "other"));
}

TEST(PredictionSetsTest, break_ties_by_class_and_fill_empty_sets_only_if_asked) {
  // Two calibration rows of score 1 - 0.5: threshold 0.5, so a row of quarters has no class.
  const std::vector<double> halves = {0.5, 0.5, 0, 0, 0.5, 0.5, 0, 0};
  const std::vector<std::int32_t> labels = {0, 1};
  const std::vector<double> quarters = {0.25, 0.25, 0.25, 0.25};
  ConformalOptions options{ConformalScore::Threshold, 0.5};
  const auto made = ConformalPredictor::calibrate(options, halves, 4, labels, "validation");
  EXPECT_EQ(made.quantile().threshold, 0.5);
  EXPECT_TRUE(made.classes(quarters, 1.0).empty());
  EXPECT_EQ(made.classes(std::vector<double>{0, 0.5, 0, 0.5}, 1.0),
            (std::vector<std::int64_t>{1, 3}));
  options.allow_empty = false;
  EXPECT_EQ(ConformalPredictor::calibrate(options, halves, 4, labels, "validation")
                .classes(quarters, 1.0),
            (std::vector<std::int64_t>{0}));
}

TEST(PredictionSetsTest, without_calibration_rows_hold_every_class) {
  const auto made = ConformalPredictor::calibrate({}, {}, 3, {}, "validation");
  EXPECT_TRUE(std::isinf(made.quantile().threshold));
  const std::vector<double> p = {1.0, 0.0, 0.0, 0.2, 0.3, 0.5};
  EXPECT_EQ(made.predict(p, {}, "ood/x").size, (std::vector<std::int64_t>{3, 3}));
  EXPECT_TRUE(made.predict(p, {}, "ood/x").covered.empty());
  EXPECT_EQ(made.quantile().expected_coverage(), 1.0);
}

TEST(PredictionSetsTest, of_one_class_never_lose_it_to_rounding) {
  // Ten times 0.1 adds up to 0.99... or 1.00...2: at threshold 1 the last class must still be in.
  const std::vector<double> tenths(10, 0.1);
  const std::vector<double> certain = {0, 0, 0, 0, 0, 0, 0, 0, 0, 1.0};
  const auto made = ConformalPredictor::calibrate({ConformalScore::Aps, 0.5, false}, certain, 10,
                                                  std::vector<std::int32_t>{9}, "validation");
  EXPECT_EQ(made.quantile().threshold, 1.0);
  EXPECT_EQ(made.classes(tenths, 1.0).size(), 10U);
}

TEST(PredictionSetsTest, refuse_bad_input_naming_the_row) {
  const std::vector<double> p = {0.5, 0.5, 0.2, 0.8};
  const std::vector<std::int32_t> labels = {0, 1};
  const auto calibrate = [&](ConformalOptions options, std::span<const double> probabilities,
                             std::int64_t k, std::span<const std::int32_t> of) {
    return ConformalPredictor::calibrate(std::move(options), probabilities, k, of, "validation");
  };
  EXPECT_THROW(calibrate({}, p, 3, labels), FormatError);
  EXPECT_THROW(calibrate({}, p, 2, {}), FormatError);
  EXPECT_THROW(calibrate({}, p, 2, std::vector<std::int32_t>{0, 2}), FormatError);
  EXPECT_THROW(calibrate({}, p, 2, std::vector<std::int32_t>{-1, 0}), FormatError);
  EXPECT_THROW(calibrate({}, std::vector<double>{0.5, 0.5, std::nan(""), 1}, 2, labels),
               FormatError);
  EXPECT_THROW(calibrate({ConformalScore::Aps, 1.5}, p, 2, labels), UsageError);
  EXPECT_THROW(calibrate({ConformalScore::Raps, 0.1, true, -1.0}, p, 2, labels), UsageError);
  EXPECT_THROW(calibrate({ConformalScore::Raps, 0.1, true, 0.1, -1}, p, 2, labels), UsageError);
  const auto made = calibrate({}, p, 2, labels);
  EXPECT_THROW(made.predict(std::vector<double>{0.1, 0.2, 0.7}, {}, "test"), FormatError);
}

}  // namespace
}  // namespace calsweep::analysis
