#include "analysis/calibrators/temperature.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "analysis/calibrators/calibrated_outputs.hpp"
#include "tests/analysis/calibrators/reference_cases.hpp"

namespace calsweep::analysis {
namespace {

/// Mean over rows of E_q[z] - z_label, by the C library, not by our vector kernels.
double gradient_by_hand(const Rows& rows, double beta) {
  const auto k = static_cast<std::size_t>(rows.k);
  double sum = 0.0;
  for (std::size_t i = 0; i < rows.labels.size(); ++i) {
    double top = -INFINITY, total = 0.0, moment = 0.0;
    for (std::size_t c = 0; c < k; ++c) top = std::max(top, double{rows.logits[i * k + c]});
    for (std::size_t c = 0; c < k; ++c) {
      const double m = double{rows.logits[i * k + c]} - top;
      total += std::exp(beta * m);
      moment += m * std::exp(beta * m);
    }
    const auto label = static_cast<std::size_t>(rows.labels[i]);
    sum += moment / total - (double{rows.logits[i * k + label]} - top);
  }
  return sum / static_cast<double>(rows.labels.size());
}

TEST(TemperatureTest, equals_scipy_to_1e_8) {
  for (const auto& item : reference()["temperature"]) {
    const Rows rows = Rows::of(item);
    const auto made = fit("temperature", rows);
    ASSERT_TRUE(made.calibrator) << made.reason;
    const double t = item["T"];
    EXPECT_NEAR(parameter(*made.calibrator, "T") / t, 1.0, 1e-8);
    EXPECT_NEAR(parameter(*made.calibrator, "nll_before"), item["nll_before"], 1e-12);
    EXPECT_NEAR(parameter(*made.calibrator, "nll_after"), item["nll"], 1e-12);
    EXPECT_NEAR(nll_of(made.calibrator->apply(rows.logits, rows.k, "test"), rows.labels),
                item["nll"].get<double>(), 1e-12);
  }
}

TEST(TemperatureTest, certificate_holds_the_optimum) {
  for (int i = 0; i < 50; ++i) {
    const Rows rows = drawn_rows(200, 10, 3.0, 0.2 + 0.05 * i, fmt::format("certificate {}", i));
    const auto made = fit("temperature", rows);
    ASSERT_TRUE(made.calibrator) << made.reason;
    EXPECT_EQ(parameter(*made.calibrator, "converged"), 1.0);
    const double lower = parameter(*made.calibrator, "beta_lower");
    const double upper = parameter(*made.calibrator, "beta_upper");
    EXPECT_LT(lower, parameter(*made.calibrator, "beta"));
    EXPECT_LT(parameter(*made.calibrator, "beta"), upper);
    EXPECT_LT(upper - lower, 1e-11 * upper);
    EXPECT_LT(gradient_by_hand(rows, lower - 1e-11), 0.0);
    EXPECT_GT(gradient_by_hand(rows, upper + 1e-11), 0.0);
  }
}

TEST(TemperatureTest, doubled_logits_double_T) {
  const Rows rows = drawn_rows(500, 5, 2.0, 0.7, "doubled");
  Rows doubled = rows;
  for (float& z : doubled.logits) z *= 2.0F;
  const auto once = fit("temperature", rows), twice = fit("temperature", doubled);
  EXPECT_NEAR(parameter(*twice.calibrator, "T"), 2.0 * parameter(*once.calibrator, "T"), 1e-11);
  EXPECT_NEAR(parameter(*twice.calibrator, "nll_after"), parameter(*once.calibrator, "nll_after"),
              1e-13);
}

TEST(TemperatureTest, recovers_the_true_T_within_its_standard_error) {
  int beyond_two = 0;
  for (int i = 0; i < 40; ++i) {
    const Rows rows = drawn_rows(1000, 4, 2.0, 0.5, fmt::format("recover {}", i));
    const auto made = fit("temperature", rows);
    const double error = parameter(*made.calibrator, "beta") - 0.5;
    const double z = std::abs(error) / parameter(*made.calibrator, "beta_standard_error");
    EXPECT_LT(z, 4.0);
    beyond_two += z > 2.0 ? 1 : 0;
  }
  EXPECT_LE(beyond_two, 6);  // expected 1.8; P(> 6) = 0.002
  EXPECT_GE(beyond_two, 1);  // P(0) = 0.16 under the null; these draws have some
}

TEST(TemperatureTest, never_moves_the_argmax_even_where_rounding_makes_ties) {
  Rows rows = drawn_rows(2000, 10, 3.0, 0.3, "argmax");
  for (std::size_t i = 0; i < 100; ++i) {  // classes that differ by one unit in the last place
    rows.logits[i * 10 + 3] = 1e-30F;
    for (const std::size_t c : {0U, 1U, 2U, 4U, 5U, 6U, 7U, 8U, 9U}) rows.logits[i * 10 + c] = 0.0F;
  }
  const auto made = fit("temperature", rows);
  ASSERT_GT(parameter(*made.calibrator, "T"), 2.0);
  const auto outputs = made.calibrator->apply(rows.logits, rows.k, "test");
  for (std::size_t i = 0; i < rows.labels.size(); ++i) {
    const auto row = rows.logits.begin() + static_cast<std::ptrdiff_t>(i * 10);
    EXPECT_EQ(outputs.predicted[i], std::max_element(row, row + 10) - row);
  }
}

TEST(TemperatureTest, a_row_does_not_depend_on_its_neighbours) {
  const Rows rows = drawn_rows(519, 7, 3.0, 0.3, "neighbours");
  for (const char* name : {"temperature", "vector", "matrix", "dirichlet", "isotonic", "enir",
                           "beta", "histogram-binning", "bbq", "isotonic-top-label"}) {
    const auto made = fit(name, rows);
    ASSERT_TRUE(made.calibrator) << name << ": " << made.reason;
    const auto together = made.calibrator->apply(rows.logits, 7, "test");
    for (const std::size_t i : {0U, 1U, 255U, 256U, 511U, 517U, 518U}) {
      const auto alone =
          made.calibrator->apply(std::span<const float>(rows.logits).subspan(i * 7, 7), 7, "test");
      EXPECT_EQ(alone.confidence[0], together.confidence[i]) << name << " row " << i;
      for (std::size_t c = 0; c < alone.probabilities.size(); ++c) {
        EXPECT_EQ(alone.probabilities[c], together.probabilities[i * 7 + c]) << name << " " << i;
      }
    }
  }
}

TEST(TemperatureTest, limits_have_reasons) {
  const auto reason = [](const std::vector<float>& z, const std::vector<std::int32_t>& y) {
    return fit("temperature", Rows{2, z, y}).reason;
  };
  EXPECT_EQ(reason({}, {}), "no validation rows");
  EXPECT_EQ(reason({1, 0, 0, 3}, {0, 1}),
            "every validation row is right: the NLL falls for ever as T -> 0");
  // A tie at the top is as right as it gets: the NLL falls to ln 2 / 2.
  EXPECT_EQ(reason({1, 0, 2, 2}, {0, 1}),
            "every validation row is right: the NLL falls for ever as T -> 0");
  EXPECT_EQ(reason({1, 1, 2, 2}, {0, 1}),
            "all logits of a row are equal in every validation row: no temperature has an effect");
  EXPECT_EQ(reason({1, 0, 1, 0}, {1, 0}),
            "the logits are uninformative: the NLL is least at beta <= 0, where T is infinite or "
            "negative");
  EXPECT_EQ(reason({1, 0, NAN, 0}, {1, 0}),
            "validation row 1 (from 0) has a logit that is NaN or infinite");
  EXPECT_EQ(reason({1, 0, 1, -INFINITY}, {1, 0}),
            "validation row 1 (from 0) has a logit that is NaN or infinite");
}

TEST(TemperatureTest, solves_by_hand_and_at_any_scale) {
  // Two rows right by margin g, one wrong: sigma(beta g) = 2/3, so beta = ln 2 / g.
  for (const float g : {1e-30F, 1e-6F, 1.0F, 300.0F, 1e30F}) {
    const auto made = fit("temperature", Rows{2, {g, 0, g, 0, g, 0}, {0, 0, 1}});
    ASSERT_TRUE(made.calibrator) << made.reason;
    EXPECT_NEAR(parameter(*made.calibrator, "beta") * double{g} / std::log(2.0), 1.0, 1e-12) << g;
    EXPECT_EQ(parameter(*made.calibrator, "converged"), 1.0);
  }
}

TEST(TemperatureTest, one_class_of_labels_is_no_obstacle) {
  const auto made = fit("temperature", Rows{2, {1, 0, 2, 0, 0, 1}, {0, 0, 0}});
  ASSERT_TRUE(made.calibrator) << made.reason;
  EXPECT_NEAR(
      gradient_by_hand({2, {1, 0, 2, 0, 0, 1}, {0, 0, 0}}, parameter(*made.calibrator, "beta")),
      0.0, 1e-14);
}

/// ECE of the paper's published code, written anew: midpoints, [a, b), confidence 1 dropped.
double paper_ece(const CalibratedOutputs& outputs, const Rows& rows) {
  std::vector<double> right(10), count(10);
  double binned = 0.0, ece = 0.0;
  for (std::size_t i = 0; i < rows.labels.size(); ++i) {
    const auto c = static_cast<float>(outputs.confidence[i]);
    for (std::size_t bin = 0; bin < 10; ++bin) {
      const auto lower = static_cast<float>(static_cast<double>(bin) * 0.1);
      const auto upper = static_cast<float>(static_cast<double>(bin + 1) * 0.1);
      if (c < lower || c >= upper) continue;
      count[bin] += 1.0;
      right[bin] += outputs.predicted[i] == rows.labels[i] ? 1.0 : 0.0;
      binned += 1.0;
    }
  }
  for (std::size_t bin = 0; bin < 10; ++bin) {
    const double midpoint = 0.1 * static_cast<double>(bin) + 0.05;
    if (count[bin] > 0.0) ece += std::abs(right[bin] - count[bin] * midpoint) / binned;
  }
  return ece;
}

TEST(TemperatureGridTest, takes_the_grid_point_of_least_ece_and_never_below_1) {
  for (const double sharpness : {0.2, 0.35, 0.5, 0.6, 0.8, 0.9, 1.0, 2.0}) {
    const Rows rows = drawn_rows(800, 5, 2.5, sharpness, fmt::format("grid {}", sharpness));
    const LogitRows made(rows.logits, rows.k, "test");
    double best = 0.0, least = INFINITY;
    for (const double t : {1.0, 1.05, 1.1, 1.2, 1.5, 2.0, 3.0, 5.0}) {
      const double ece = paper_ece(scale_by_beta(made, 1.0 / t), rows);
      if (ece < least) best = t, least = ece;
    }
    const auto grid = fit("temperature-ece10-grid", rows);
    EXPECT_EQ(parameter(*grid.calibrator, "T"), best);
    EXPECT_NEAR(parameter(*grid.calibrator, "ece10_after"), least, 1e-12);
    if (sharpness == 2.0) {
      EXPECT_EQ(best, 1.0);
      EXPECT_LT(parameter(*fit("temperature", rows).calibrator, "T"), 0.7);
    }
  }
}

}  // namespace
}  // namespace calsweep::analysis
