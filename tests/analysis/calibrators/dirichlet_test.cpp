// Dirichlet calibration and matrix scaling with the ODIR penalty; the comparison with SciPy is in
// affine_scaling_test.cpp.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "analysis/calibrators/affine_scaling.hpp"
#include "tests/analysis/calibrators/reference_cases.hpp"

namespace calsweep::analysis {
namespace {

const char* const kSeparated =
    "the map separates the validation rows: the NLL falls to 0 as its weights grow for ever";

CalibratorOptions without_penalty() {
  CalibratorOptions options;
  options.off_diagonal_penalty = 0.0;
  options.bias_penalty = 0.0;
  return options;
}

TEST(DirichletTest, is_beta_calibration_for_two_classes) {
  // Kull et al. 2019, section 3: with K = 2 and no penalty the families are the same.
  int compared = 0;
  for (int i = 0; i < 20; ++i) {
    const Rows rows = drawn_rows(200, 2, 2.0, 0.3 + 0.1 * i, fmt::format("two classes {}", i));
    const auto beta = fit("beta", rows), dirichlet = fit("dirichlet", rows, without_penalty());
    ASSERT_TRUE(beta.calibrator && dirichlet.calibrator);
    const bool inside = parameter(*beta.calibrator, "class 1: a") > 0.0 &&
                        parameter(*beta.calibrator, "class 1: b") > 0.0;
    const double of_beta = parameter(*beta.calibrator, "nll_after");
    const double of_dirichlet = parameter(*dirichlet.calibrator, "nll_after");
    EXPECT_LE(of_dirichlet, of_beta + 1e-10);
    if (!inside) continue;
    ++compared;
    EXPECT_NEAR(of_dirichlet, of_beta, 1e-10);
    const auto p = beta.calibrator->apply(rows.logits, 2, "test").probabilities;
    const auto q = dirichlet.calibrator->apply(rows.logits, 2, "test").probabilities;
    for (std::size_t j = 0; j < q.size(); ++j) EXPECT_NEAR(q[j], p[j], 1e-4);
  }
  EXPECT_GE(compared, 10);
}

TEST(DirichletTest, sees_probabilities_only) {
  Rows rows = drawn_rows(300, 3, 2.0, 0.5, "shifted");
  const auto before = fit("dirichlet", rows), matrix = fit("matrix-odir", rows);
  for (std::size_t i = 0; i < rows.logits.size(); ++i) rows.logits[i] += 4.0F;
  const auto after = fit("dirichlet", rows), moved = fit("matrix-odir", rows);
  EXPECT_NEAR(parameter(*after.calibrator, "nll_after"), parameter(*before.calibrator, "nll_after"),
              2e-8);  // float32 rounds the shifted logits
  EXPECT_GT(std::abs(parameter(*moved.calibrator, "nll_after") -
                     parameter(*matrix.calibrator, "nll_after")),
            1e-7);
}

TEST(DirichletTest, default_penalty_keeps_off_diagonal_weights_small) {
  const Rows rows = drawn_rows(200, 4, 2.0, 0.5, "small");
  for (const char* name : {"dirichlet", "matrix-odir"}) {
    const auto made = fit(name, rows), free = fit(name, rows, without_penalty());
    double of_made = 0.0, of_free = 0.0;
    for (int c = 0; c < 4; ++c) {
      for (int j = 0; j < 4; ++j) {
        if (c == j) continue;
        of_made += std::abs(parameter(*made.calibrator, fmt::format("W[{},{}]", c, j)));
        of_free += std::abs(parameter(*free.calibrator, fmt::format("W[{},{}]", c, j)));
      }
    }
    EXPECT_LT(of_made, 0.5 * of_free) << name;
    EXPECT_EQ(parameter(*made.calibrator, "off_diagonal_penalty"), 0.25 * 12);
    EXPECT_NEAR(parameter(*made.calibrator, "bias_penalty"), 4e-3, 1e-16);
  }
}

TEST(DirichletTest, no_minimiser_has_a_reason_in_spite_of_the_penalty) {
  // Every row right: growing the diagonal, which is free, lowers the NLL to 0.
  EXPECT_EQ(fit("dirichlet", Rows{2, {1, 0, 0, 1, 3, 0}, {0, 1, 0}}).reason, kSeparated);
  EXPECT_EQ(fit("matrix-odir", Rows{2, {1, 0, 0, 1, 3, 0}, {0, 1, 0}}).reason, kSeparated);
  // ln p of the absent class is negative in every row.
  const std::string absent =
      "class 2 has no validation row: the NLL falls for ever as its diagonal weight, which is not "
      "penalised, takes it away";
  Rows no_third = drawn_rows(100, 3, 2.0, 0.5, "no third");
  for (auto& label : no_third.labels) label %= 2;
  EXPECT_EQ(fit("dirichlet", no_third).reason, absent);
  // Logits of both signs stop the weight.
  EXPECT_EQ(parameter(*fit("matrix-odir", no_third).calibrator, "converged"), 1.0);
  for (std::size_t i = 2; i < no_third.logits.size(); i += 3) no_third.logits[i] += 20.0F;
  EXPECT_EQ(fit("matrix-odir", no_third).reason, absent);
  EXPECT_EQ(fit("dirichlet", Rows{257, std::vector<float>(257, 0.0F), {0}}).reason.substr(0, 28),
            "a matrix for 257 classes wou");
}

TEST(DirichletTest, wrong_labels_of_a_separating_bias_still_have_an_optimum) {
  // A bias would put all rows right, but biases cost: the optimum exists and is found.
  const Rows rows{2, {1, 0, 2, 0, 3, 0, 4, 0}, {1, 1, 0, 0}};
  const auto made = fit("matrix-odir", rows);
  ASSERT_TRUE(made.calibrator) << made.reason;
  EXPECT_EQ(parameter(*made.calibrator, "converged"), 1.0);
}

}  // namespace
}  // namespace calsweep::analysis
