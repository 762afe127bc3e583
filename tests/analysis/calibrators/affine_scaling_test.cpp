#include "analysis/calibrators/affine_scaling.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <ctime>

#include "sweeps/errors.hpp"
#include "tests/analysis/calibrators/reference_cases.hpp"

namespace calsweep::analysis {
namespace {

/// The penalties of a case; those that are the kind's defaults are left to it.
CalibratorOptions options_of(const nlohmann::json& item) {
  CalibratorOptions options;
  const double k = item["k"], lambda = item["lambda"], mu = item["mu"];
  const bool penalised = item["kind"] == "matrix-odir" || item["kind"] == "dirichlet";
  if (lambda != (penalised ? 0.25 * k * (k - 1.0) : 0.0)) options.off_diagonal_penalty = lambda;
  if (mu != (penalised ? 1e-3 * k : 0.0)) options.bias_penalty = mu;
  return options;
}

TEST(AffineScalingTest, equals_scipy_in_nll_and_probabilities) {
  int by_default = 0;
  for (const auto& item : affine_reference()["affine"]) {
    const Rows rows = Rows::of(item);
    const auto options = options_of(item);
    by_default += item["lambda"] > 0.0 && !options.off_diagonal_penalty ? 1 : 0;
    const auto made = fit(item["kind"].get<std::string>(), rows, options);
    ASSERT_TRUE(made.calibrator) << made.reason;
    EXPECT_EQ(parameter(*made.calibrator, "converged"), 1.0);
    EXPECT_LT(parameter(*made.calibrator, "gradient_norm"), 1e-5);
    EXPECT_NEAR(parameter(*made.calibrator, "off_diagonal_penalty"), item["lambda"], 1e-12);
    EXPECT_NEAR(parameter(*made.calibrator, "bias_penalty"), item["mu"], 1e-12);
    EXPECT_NEAR(parameter(*made.calibrator, "nll_after"), item["nll"], 1e-6);
    const auto outputs = made.calibrator->apply(rows.logits, rows.k, "test");
    EXPECT_NEAR(nll_of(outputs, rows.labels), parameter(*made.calibrator, "nll_after"), 1e-12);
    for (std::size_t i = 0; i < item["p"].size(); ++i) {
      EXPECT_NEAR(outputs.probabilities[i], item["p"][i], 1e-4);
    }
  }
  EXPECT_GE(by_default, 150);
}

TEST(AffineScalingTest, gauge_is_fixed) {
  const Rows rows = drawn_rows(400, 4, 2.0, 0.5, "gauge");
  const auto vector = fit("vector", rows), matrix = fit("matrix", rows);
  double sum = 0.0;
  for (int c = 0; c < 4; ++c) sum += parameter(*vector.calibrator, fmt::format("b[{}]", c));
  EXPECT_NEAR(sum, 0.0, 1e-14);
  sum = 0.0;
  for (int c = 0; c < 4; ++c) sum += parameter(*matrix.calibrator, fmt::format("b[{}]", c));
  EXPECT_NEAR(sum, 0.0, 1e-14);
  for (int column = 0; column < 4; ++column) {
    sum = 0.0;
    for (int c = 0; c < 4; ++c) {
      sum += parameter(*matrix.calibrator, fmt::format("W[{},{}]", c, column));
    }
    EXPECT_NEAR(sum, 1.0, 1e-14);
  }
}

TEST(AffineScalingTest, weights_reproduce_the_probabilities) {
  const Rows rows = drawn_rows(300, 3, 2.0, 0.5, "weights");
  for (const std::string name : {"vector", "matrix"}) {
    const auto made = fit(name, rows);
    const auto outputs = made.calibrator->apply(rows.logits, 3, "test");
    for (std::size_t i = 0; i < 3; ++i) {
      double e[3], total = 0.0;
      for (std::size_t c = 0; c < 3; ++c) {
        double s = parameter(*made.calibrator, fmt::format("b[{}]", c));
        for (std::size_t j = 0; j < 3; ++j) {
          const double z = double{rows.logits[i * 3 + j]};
          if (name == "matrix") s += parameter(*made.calibrator, fmt::format("W[{},{}]", c, j)) * z;
          if (name == "vector" && c == j)
            s += parameter(*made.calibrator, fmt::format("w[{}]", c)) * z;
        }
        total += e[c] = std::exp(s);
      }
      for (std::size_t c = 0; c < 3; ++c) {
        EXPECT_NEAR(outputs.probabilities[i * 3 + c], e[c] / total, 1e-12);
      }
    }
  }
}

TEST(AffineScalingTest, richer_maps_never_fit_worse) {
  for (int i = 0; i < 20; ++i) {
    const Rows rows = drawn_rows(400, 4, 2.0, 0.3 + 0.1 * i, fmt::format("nested {}", i));
    const auto t = fit("temperature", rows), v = fit("vector", rows), m = fit("matrix", rows);
    ASSERT_TRUE(t.calibrator && v.calibrator && m.calibrator);
    const double before = parameter(*t.calibrator, "nll_before");
    EXPECT_EQ(parameter(*m.calibrator, "nll_before"), before);
    EXPECT_LE(parameter(*t.calibrator, "nll_after"), before);
    EXPECT_LE(parameter(*v.calibrator, "nll_after"), parameter(*t.calibrator, "nll_after") + 1e-12);
    EXPECT_LE(parameter(*m.calibrator, "nll_after"), parameter(*v.calibrator, "nll_after") + 1e-12);
  }
}

TEST(AffineScalingTest, no_minimiser_has_a_reason) {
  EXPECT_EQ(fit("vector", Rows{3, {1, 0, 0, 0, 1, 0, 1, 2, 0}, {0, 1, 0}}).reason,
            "class 2 has no validation row: the NLL falls for ever as its bias falls");
  // Wrong as they stand, but a bias puts them right.
  const Rows separable{2, {1, 0, 2, 0, 3, 0, 4, 0}, {1, 1, 0, 0}};
  for (const char* name : {"vector", "matrix"}) {
    EXPECT_EQ(fit(name, separable).reason,
              "the map separates the validation rows: the NLL falls to 0 as its weights grow for "
              "ever");
  }
  EXPECT_EQ(fit("matrix", Rows{257, std::vector<float>(257, 0.0F), {0}}).reason.substr(0, 29),
            "a matrix for 257 classes woul");
}

TEST(AffineScalingTest, penalties_shrink_weights_and_make_absent_classes_fit) {
  CalibratorOptions odir;
  odir.off_diagonal_penalty = 0.5;
  odir.bias_penalty = 0.5;
  const Rows rows = drawn_rows(300, 4, 2.0, 0.5, "odir");
  const auto plain = fit("matrix", rows), penalised = fit("matrix", rows, odir);
  ASSERT_TRUE(penalised.calibrator);
  EXPECT_EQ(parameter(*penalised.calibrator, "converged"), 1.0);
  EXPECT_GT(parameter(*penalised.calibrator, "nll_after"),
            parameter(*plain.calibrator, "nll_after"));
  const auto off_diagonal = [](const FittedCalibrator& c) {
    double sum = 0.0;
    for (const auto& w : c.weights) {
      if (w.name[0] == 'W' && w.name[2] != w.name[4]) sum += w.value.value * w.value.value;
    }
    return sum;
  };
  EXPECT_LT(off_diagonal(*penalised.calibrator), off_diagonal(*plain.calibrator));
  Rows no_third = drawn_rows(100, 3, 2.0, 0.5, "no third");
  for (auto& label : no_third.labels) label %= 2;
  EXPECT_FALSE(fit("vector", no_third).calibrator);
  EXPECT_EQ(parameter(*fit("vector", no_third, odir).calibrator, "converged"), 1.0);
  odir.bias_penalty = -1.0;
  EXPECT_THROW(fit("matrix", rows, odir), UsageError);
  odir.bias_penalty = INFINITY;
  EXPECT_THROW(fit("dirichlet", rows, odir), UsageError);
}

TEST(AffineScalingTest, is_fast_at_ten_classes_and_5000_rows) {
  const Rows rows = drawn_rows(5000, 10, 4.0, 0.5, "fast");
  for (const char* name : {"temperature", "vector", "matrix"}) {
    const std::clock_t started = std::clock();  // of the processor: other processes do not count
    const auto made = fit(name, rows);
    const double ms = 1e3 * static_cast<double>(std::clock() - started) / CLOCKS_PER_SEC;
    RecordProperty(name, fmt::format("{:.1f} ms", ms));
    EXPECT_LE(parameter(*made.calibrator, "evaluations"), 90.0) << name;
    EXPECT_EQ(parameter(*made.calibrator, "converged"), 1.0) << name;
    fmt::print("{}: {:.1f} ms, {} evaluations\n", name, ms,
               parameter(*made.calibrator, "evaluations"));
  }
}

}  // namespace
}  // namespace calsweep::analysis
