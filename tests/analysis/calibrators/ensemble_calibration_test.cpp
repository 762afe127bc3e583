#include "analysis/calibrators/ensemble_calibration.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "sweeps/errors.hpp"
#include "tests/analysis/calibrators/reference_cases.hpp"

namespace calsweep::analysis {
namespace {

struct Members {
  std::vector<std::vector<float>> logits;
  std::vector<std::int32_t> labels;
  std::int64_t k = 0;

  std::vector<std::span<const float>> spans() const { return {logits.begin(), logits.end()}; }
};

/// Noisy views of the same truth, each overconfident by its own factor.
Members noisy_members(std::int64_t n, const std::vector<double>& factors,
                      std::string_view purpose) {
  const Rows truth = drawn_rows(n, 4, 1.5, 1.0, purpose);
  Members members{{}, truth.labels, 4};
  for (const double factor : factors) {
    Random random(random_key(9, static_cast<std::int64_t>(members.logits.size()), purpose));
    auto& logits = members.logits.emplace_back();
    for (const float z : truth.logits) {
      logits.push_back(static_cast<float>(factor * (double{z} + 0.7 * random.normal())));
    }
  }
  return members;
}

std::vector<double> softmax_by_hand(const std::vector<float>& z, std::size_t row, std::size_t k,
                                    double beta) {
  std::vector<double> p(k);
  double sum = 0.0;
  for (std::size_t c = 0; c < k; ++c) sum += p[c] = std::exp(beta * double{z[row * k + c]});
  for (double& v : p) v /= sum;
  return p;
}

double mean_probability(const Members& members, std::size_t row, std::size_t c,
                        const std::vector<double>& beta) {
  double sum = 0.0;
  for (std::size_t m = 0; m < members.logits.size(); ++m) {
    sum += softmax_by_hand(members.logits[m], row, 4, beta[m])[c];
  }
  return sum / static_cast<double>(members.logits.size());
}

TEST(EnsembleCalibrationTest, calibrate_then_pool_by_hand) {
  const Members members = noisy_members(600, {1.0, 3.0, 0.5}, "calibrate then pool");
  const auto made =
      fit_ensemble(EnsembleOrder::CalibrateThenPool, members.spans(), 4, members.labels, "test");
  ASSERT_TRUE(made.ensemble) << made.reason;
  ASSERT_EQ(made.ensemble->beta.size(), 3U);
  for (std::size_t m = 0; m < 3; ++m) {
    const auto alone = fit("temperature", Rows{4, members.logits[m], members.labels});
    EXPECT_EQ(made.ensemble->beta[m], parameter(*alone.calibrator, "beta"));
  }
  EXPECT_GT(made.ensemble->beta[2], 4.0 * made.ensemble->beta[1]);
  const auto outputs = made.ensemble->apply(members.spans(), 4, "test");
  for (std::size_t row = 0; row < 600; row += 7) {
    for (std::size_t c = 0; c < 4; ++c) {
      EXPECT_NEAR(outputs.probabilities[row * 4 + c],
                  mean_probability(members, row, c, made.ensemble->beta), 1e-13);
    }
  }
}

TEST(EnsembleCalibrationTest, pool_then_calibrate_by_hand) {
  const Members members = noisy_members(600, {1.0, 3.0, 0.5}, "pool then calibrate");
  const auto made =
      fit_ensemble(EnsembleOrder::PoolThenCalibrate, members.spans(), 4, members.labels, "test");
  ASSERT_TRUE(made.ensemble) << made.reason;
  ASSERT_EQ(made.ensemble->beta.size(), 1U);
  const auto outputs = made.ensemble->apply(members.spans(), 4, "test");
  for (std::size_t row = 0; row < 600; row += 7) {
    double power[4], sum = 0.0;
    for (std::size_t c = 0; c < 4; ++c) {
      sum += power[c] =
          std::pow(mean_probability(members, row, c, {1, 1, 1}), made.ensemble->beta[0]);
    }
    for (std::size_t c = 0; c < 4; ++c) {
      EXPECT_NEAR(outputs.probabilities[row * 4 + c], power[c] / sum, 1e-12);
    }
  }
  const auto other =
      fit_ensemble(EnsembleOrder::CalibrateThenPool, members.spans(), 4, members.labels, "test");
  EXPECT_NE(other.ensemble->apply(members.spans(), 4, "test").confidence[0], outputs.confidence[0]);
}

// IntraOrderPreserving#3: the "ensemble" was its first member.
TEST(EnsembleCalibrationTest, every_member_counts_in_fitting_and_in_applying) {
  const Members members = noisy_members(300, {1.0, 1.5, 2.0}, "every member");
  for (const auto order : {EnsembleOrder::PoolThenCalibrate, EnsembleOrder::CalibrateThenPool}) {
    const auto made = fit_ensemble(order, members.spans(), 4, members.labels, "test");
    const auto outputs = made.ensemble->apply(members.spans(), 4, "test");
    for (std::size_t m = 0; m < 3; ++m) {
      Members changed = members;
      std::reverse(changed.logits[m].begin(), changed.logits[m].end());
      const auto applied = made.ensemble->apply(changed.spans(), 4, "test");
      EXPECT_NE(applied.confidence, outputs.confidence) << "applied without member " << m;
      const auto refitted = fit_ensemble(order, changed.spans(), 4, members.labels, "test");
      if (refitted.ensemble) {
        EXPECT_NE(refitted.ensemble->beta, made.ensemble->beta) << "fitted without member " << m;
      }
    }
  }
}

TEST(EnsembleCalibrationTest, equal_members_are_one_member) {
  const Members one = noisy_members(300, {2.0}, "equal members");
  Members three = one;
  three.logits = {one.logits[0], one.logits[0], one.logits[0]};
  const auto single = fit("temperature", Rows{4, one.logits[0], one.labels});
  const auto expected = single.calibrator->apply(one.logits[0], 4, "test");
  for (const auto order : {EnsembleOrder::PoolThenCalibrate, EnsembleOrder::CalibrateThenPool}) {
    const auto made = fit_ensemble(order, three.spans(), 4, three.labels, "test");
    EXPECT_NEAR(made.ensemble->beta[0], parameter(*single.calibrator, "beta"), 1e-10);
    const auto outputs = made.ensemble->apply(three.spans(), 4, "test");
    for (std::size_t i = 0; i < 1200; ++i) {
      EXPECT_NEAR(outputs.probabilities[i], expected.probabilities[i], 1e-10);
    }
  }
}

TEST(EnsembleCalibrationTest, refuses_what_does_not_belong_together) {
  const Members members = noisy_members(20, {1.0, 2.0}, "refuses");
  const auto made =
      fit_ensemble(EnsembleOrder::PoolThenCalibrate, members.spans(), 4, members.labels, "test");
  ASSERT_TRUE(made.ensemble) << made.reason;
  const auto spans = members.spans();
  EXPECT_THROW(made.ensemble->apply(std::span(spans).first(1), 4, "test"), FormatError);
  const std::vector<std::span<const float>> uneven = {spans[0], spans[1].first(8)};
  EXPECT_THROW(made.ensemble->apply(uneven, 4, "test"), FormatError);
  EXPECT_THROW(fit_ensemble(EnsembleOrder::PoolThenCalibrate, {}, 4, members.labels, "test"),
               UsageError);
  Members broken = members;
  broken.logits[1][9] = NAN;
  EXPECT_THROW(made.ensemble->apply(broken.spans(), 4, "test"), FormatError);
  EXPECT_EQ(
      fit_ensemble(EnsembleOrder::CalibrateThenPool, broken.spans(), 4, members.labels, "test")
          .reason,
      "member 1: row 2 (from 0) has a logit that is NaN or infinite");
  const std::vector<float> right = {1, 0, 0, 1}, wrong = {1, 0, 0, 1, 0, 1, 1, 0};
  const std::vector<std::int32_t> labels = {0, 1};
  const std::vector<std::span<const float>> all_right = {right, right};
  EXPECT_EQ(fit_ensemble(EnsembleOrder::CalibrateThenPool, all_right, 2, labels, "test").reason,
            "member 0: every validation row is right: the NLL falls for ever as T -> 0");
}

}  // namespace
}  // namespace calsweep::analysis
