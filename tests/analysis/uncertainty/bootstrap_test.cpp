#include "analysis/uncertainty/bootstrap.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "analysis/metrics/sorted_calibration_error.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/random.hpp"
#include "tests/analysis/fixtures.hpp"

namespace calsweep::analysis {
namespace {

using Flags = std::vector<std::uint8_t>;

const std::vector<ProfileFunctional> kErrors = {
    {"ece", [](const ConfidenceProfile& p) { return equal_width_errors(p).l1.value; }},
    {"em", [](const ConfidenceProfile& p) { return equal_mass_errors(p).l1.value; }}};

std::vector<double> squares(std::span<const float> confidence, const Flags& correct) {
  std::vector<double> values;
  for (std::size_t i = 0; i < correct.size(); ++i) {
    const double gap = static_cast<double>(confidence[i]) - correct[i];
    values.push_back(gap * gap);
  }
  return values;
}

TEST(BootstrapTest, of_means_has_the_classical_standard_error) {
  const auto rows = fixtures::load_confidence_record("lenet-5-cifar-10");
  const auto brier = squares(rows.confidence, rows.correct);
  const auto found = bootstrap(rows.confidence, rows.correct, {{"brier", brier}}, kErrors, {});
  ASSERT_EQ(found.size(), 5U);
  EXPECT_EQ(found[0].name, "accuracy");
  EXPECT_EQ(found[0].observed, .5308);
  const double expected = std::sqrt(.5308 * (1 - .5308) / 10000);
  EXPECT_NEAR(bootstrap_standard_error(found[0]).value, expected, .1 * expected);
  EXPECT_NEAR(bootstrap_bias(found[0]).value, 0.0, 4.5 * expected / std::sqrt(1000.0));
  EXPECT_EQ(found[2].name, "brier");
  EXPECT_NEAR(found[3].observed, .107888, 5e-7);
  for (const auto& interval :
       {percentile_interval(found[0]), basic_interval(found[0]), bca_interval(found[0])}) {
    EXPECT_NEAR(interval.lower.value, .5308 - 1.96 * expected, .2 * expected);
    EXPECT_NEAR(interval.upper.value, .5308 + 1.96 * expected, .2 * expected);
  }
}

TEST(BootstrapTest, same_key_draws_the_same_rows_for_every_method) {
  Random random(9);
  std::vector<float> first, second;
  Flags correct;
  for (int i = 0; i < 400; ++i) {
    first.push_back(static_cast<float>(random.uniform()));
    second.push_back(1.0F - first.back());  // the opposite order of confidences
    correct.push_back(static_cast<std::uint8_t>(random.below(2)));
  }
  const auto a = bootstrap(first, correct, {}, {}, {});
  const auto b = bootstrap(second, correct, {}, {}, {});
  EXPECT_EQ(a[0].resampled, b[0].resampled);
  for (std::size_t r = 0; r < a[1].resampled.size(); ++r) {
    EXPECT_NEAR(a[1].resampled[r] + b[1].resampled[r], 1.0, 1e-6);
  }
  const auto difference = paired_difference(a[0], b[0]);
  EXPECT_EQ(percentile_interval(difference).lower.value, 0.0);
  EXPECT_EQ(bca_interval(difference).upper.value, 0.0);
}

// 400 sets of 200 rows, nominal 95 %: Binomial(400, .95) is at least 361 but for 1 in 20,000;
// percentile intervals of so few rows may fall a little short.
TEST(BootstrapTest, intervals_cover_accuracy_and_brier) {
  Random random(77);
  const int n_sets = 400;
  int covered[2][3] = {};
  // c uniform on [.5, 1], calibrated: accuracy .75, E (c - a)^2 = E c (1 - c) = 1/6.
  const double truth[] = {.75, 1.0 / 6.0};
  for (int set = 0; set < n_sets; ++set) {
    std::vector<float> confidence;
    Flags correct;
    for (int i = 0; i < 200; ++i) {
      const double c = .5 + random.uniform() / 2.0;
      confidence.push_back(static_cast<float>(c));
      correct.push_back(random.uniform() < c ? 1 : 0);
    }
    const auto brier = squares(confidence, correct);
    BootstrapOptions options;
    options.n_resamples = 399;
    options.jackknife_blocks = 50;
    options.key = "set " + std::to_string(set);
    const auto found = bootstrap(confidence, correct, {{"brier", brier}}, {}, options);
    for (int m = 0; m < 2; ++m) {
      const auto& replicates = found[m == 0 ? 0 : 2];
      const Interval intervals[] = {percentile_interval(replicates), basic_interval(replicates),
                                    bca_interval(replicates)};
      for (int k = 0; k < 3; ++k) {
        covered[m][k] +=
            intervals[k].lower.value <= truth[m] && truth[m] <= intervals[k].upper.value;
      }
    }
  }
  for (int m = 0; m < 2; ++m) {
    for (int k = 0; k < 3; ++k) {
      EXPECT_GE(covered[m][k], 361) << m << " " << k;
      EXPECT_LE(covered[m][k], 397) << m << " " << k;
    }
  }
}

// Resampling adds noise that a binned error counts as error: the percentile interval sits too high
// and the basic one undoes it. Truth: confidence c, accuracy c - .1, so ECE .1 in every binning.
TEST(BootstrapTest, basic_interval_centres_the_bias_of_ece) {
  Random random(5);
  double bias = 0.0;
  int above = 0, covered = 0;
  const int n_sets = 100;
  for (int set = 0; set < n_sets; ++set) {
    std::vector<float> confidence;
    Flags correct;
    for (int i = 0; i < 500; ++i) {
      const double c = .5 + random.uniform() / 2.0;
      confidence.push_back(static_cast<float>(c));
      correct.push_back(random.uniform() < c - .1 ? 1 : 0);
    }
    BootstrapOptions options;
    options.n_resamples = 199;
    options.key = "set " + std::to_string(set);
    const auto found = bootstrap(confidence, correct, {}, kErrors, options);
    bias += bootstrap_bias(found[2]).value / n_sets;
    const auto basic = basic_interval(found[2]);
    above += percentile_interval(found[2]).lower.value > .1;
    covered += basic.lower.value <= .1 && .1 <= basic.upper.value;
  }
  EXPECT_GT(bias, .002);
  EXPECT_GE(covered, 85);  // of 100 at nominal .95
  EXPECT_GT(above, 2);     // where 2.5 are nominal: see docs/uncertainty.md
}

// By hand: z0 = 0 and no skewness make BCa the percentile interval.
TEST(BootstrapTest, intervals_by_hand) {
  Replicates replicates{"by hand", 10.0, {}, {9.0, 10.0, 11.0}};
  for (int k = 1; k <= 19; ++k) replicates.resampled.push_back(k);
  EXPECT_NEAR(percentile_interval(replicates, .9).lower.value, 1.0, 1e-12);
  EXPECT_NEAR(percentile_interval(replicates, .9).upper.value, 19.0, 1e-12);
  EXPECT_NEAR(percentile_interval(replicates, .5).lower.value, 5.0, 1e-12);
  EXPECT_NEAR(basic_interval(replicates, .9).upper.value, 19.0, 1e-12);
  EXPECT_NEAR(bca_interval(replicates, .5).lower.value, 5.0, 1e-9);
  replicates.observed = 12.0;
  EXPECT_NEAR(basic_interval(replicates, .9).lower.value, 5.0, 1e-12);
  // 11.5 of 19 below: z0 = .2670; Phi(2 z0 -+ .6745) = .4445 and .8866: 20 times that.
  EXPECT_NEAR(bca_interval(replicates, .5).lower.value, 8.88, .02);
  EXPECT_NEAR(bca_interval(replicates, .5).upper.value, 17.73, .02);
  replicates.observed = 0.0;
  EXPECT_FALSE(bca_interval(replicates).lower.has_value());
}

TEST(BootstrapTest, degenerate_sets) {
  const auto none = bootstrap({}, {}, {}, kErrors, {});
  ASSERT_EQ(none.size(), 4U);
  EXPECT_FALSE(percentile_interval(none[0]).lower.has_value());
  EXPECT_FALSE(bca_interval(none[0]).lower.has_value());
  EXPECT_FALSE(bootstrap_bias(none[0]).has_value());
  const std::vector<float> one = {.75F};
  const auto alone = bootstrap(one, Flags{1}, {}, kErrors, {});
  EXPECT_EQ(bca_interval(alone[2]).lower.value, .25);
  const std::vector<double> wrong = {1.0, 2.0};
  EXPECT_THROW(bootstrap(one, Flags{1}, {{"nll", wrong}}, {}, {}), FormatError);
  BootstrapOptions options;
  options.n_resamples = 0;
  EXPECT_THROW(bootstrap(one, Flags{1}, {}, {}, options), UsageError);
}

}  // namespace
}  // namespace calsweep::analysis
