#include "analysis/uncertainty/classwise_resamples.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <cmath>
#include <map>
#include <string>

#include "sweeps/errors.hpp"
#include "sweeps/random.hpp"

namespace calsweep::analysis {
namespace {

struct Rows {
  std::int64_t n_classes = 0;
  std::vector<double> probabilities;
  std::vector<std::int32_t> labels;
};

/// Softmax of normal logits; labels drawn from softmax(logits * sharpness).
Rows made(std::int64_t n, std::int64_t k, double sharpness, Random& random) {
  Rows rows{k, {}, {}};
  for (std::int64_t i = 0; i < n; ++i) {
    std::vector<double> p, truth;
    double sum = 0.0, sum_truth = 0.0;
    for (std::int64_t c = 0; c < k; ++c) {
      const double z = 2.0 * random.normal();
      p.push_back(std::exp(z));
      truth.push_back(std::exp(sharpness * z));
      sum += p.back();
      sum_truth += truth.back();
    }
    for (const double x : p) rows.probabilities.push_back(x / sum);
    double u = random.uniform() * sum_truth;
    std::int32_t label = 0;
    while (label + 1 < k && u >= truth[static_cast<std::size_t>(label)]) {
      u -= truth[static_cast<std::size_t>(label++)];
    }
    rows.labels.push_back(label);
  }
  return rows;
}

struct Cells {
  ClasswiseCells width;
  AdaptiveCells adaptive;
  std::vector<ClasswiseError> errors() const {
    return {{"width", &width}, {"ace", &adaptive.all}, {"tace", &adaptive.thresholded}};
  }
};

Cells cells_of(const Rows& rows) {
  return {equal_width_cells(rows.probabilities, rows.n_classes, rows.labels),
          adaptive_cells(rows.probabilities, rows.n_classes, rows.labels)};
}

// 50 rows of p = (.8, .2): both classes have the error |k / 50 - .8| of k ~ Binomial(50, .8). Its
// mean and its 95 % quantile by Boost's distribution.
TEST(ClasswiseNullTest, of_two_classes_is_the_binomial_deviation) {
  Rows rows{2, {}, std::vector<std::int32_t>(50, 0)};
  for (int i = 0; i < 50; ++i) rows.probabilities.insert(rows.probabilities.end(), {.8, .2});
  const auto cells = cells_of(rows);
  const boost::math::binomial_distribution<> exact(50, .8);
  double mean = 0.0;
  for (int k = 0; k <= 50; ++k) mean += std::abs(k / 50.0 - .8) * boost::math::pdf(exact, k);
  const double beyond = boost::math::cdf(exact, 30) + boost::math::pdf(exact, 50);
  const auto found = classwise_null(rows.probabilities, 2, cells.errors(), 6400, "key");
  for (const auto& summary : found) {
    EXPECT_NEAR(summary.floor.value, mean, 4.5 * .035 / std::sqrt(6400.0)) << summary.name;
    EXPECT_NEAR(summary.observed.value, .2, 1e-7);
    EXPECT_NEAR(summary.p_consistent.value, beyond, 4.5 * std::sqrt(beyond / 6400.0));
    EXPECT_NEAR(summary.quantile95.value, .12, .021);  // P(|k - 40| <= 5) = .948: 5 or 6 of 50
  }
}

// Each class is drawn at its rate, the last resort (row by row, lane by lane) included.
TEST(ClasswiseNullTest, draws_every_class_at_its_probability) {
  const std::vector<double> p = {.004, .55, .03, .3, .016, .1};
  Rows rows{6, {}, std::vector<std::int32_t>(400, 1)};
  for (int i = 0; i < 400; ++i)
    rows.probabilities.insert(rows.probabilities.end(), p.begin(), p.end());
  // One cell per class: the error of calibrated labels is the mean of the six deviations.
  const auto adaptive = adaptive_cells(rows.probabilities, 6, rows.labels, 1);
  double mean = 0.0;
  for (const double q : p) {
    const boost::math::binomial_distribution<> exact(400, q);
    for (int k = 0; k <= 400; ++k) {
      mean += std::abs(k / 400.0 - q) * boost::math::pdf(exact, k) / 6.0;
    }
  }
  const auto found = classwise_null(rows.probabilities, 6, {{"ace", &adaptive.all}}, 3200, "x");
  EXPECT_NEAR(found[0].floor.value, mean, .015 * mean);
}

// 200 calibrated sets of 3 classes, and of 2, where classes mirror each other: Binomial(200, .05)
// is at most 23 but for 1 in 3,000 and at least 1 but for 1 in 28,000.
TEST(ClasswiseNullTest, rejects_calibrated_models_at_the_nominal_rate) {
  Random random(12);
  for (const std::int64_t k : {2, 3}) {
    std::map<std::string, int> rejected;
    for (int set = 0; set < 200; ++set) {
      const auto rows = made(200, k, 1.0, random);
      const auto cells = cells_of(rows);
      for (const auto& found : classwise_null(rows.probabilities, k, cells.errors(), 99,
                                              "set " + std::to_string(set))) {
        rejected[found.name] += found.p_consistent.value <= .05 ? 1 : 0;
      }
    }
    for (const auto& [name, count] : rejected) {
      EXPECT_GE(count, 1) << name << " " << k;
      EXPECT_LE(count, 23) << name << " " << k;
    }
  }
}

// Truth by 100,000 rows of the same model, miscalibrated, hardly so and not at all; nominal 95 %:
// of 150 sets at least 131 (1 in 3,000) must cover it.
class ClasswiseCoverageTest : public testing::TestWithParam<double> {};
TEST_P(ClasswiseCoverageTest, intervals_cover_the_truth) {
  Random random(31);
  const double sharpness = GetParam();
  const auto all = made(100'000, 3, sharpness, random);
  const auto truth = cells_of(all);
  double expected[] = {truth.width.error().value, truth.adaptive.all.error().value,
                       truth.adaptive.thresholded.error().value};
  if (sharpness == 1.0) std::fill(expected, expected + 3, 0.0);
  int covered[3] = {};
  for (int set = 0; set < 80; ++set) {
    const auto rows = made(600, 3, sharpness, random);
    const auto cells = cells_of(rows);
    const auto found = classwise_bootstrap(rows.probabilities, 3, rows.labels, cells.errors(), 199,
                                           "set " + std::to_string(set));
    for (std::size_t e = 0; e < 3; ++e) {
      const auto& interval = found[e].interval;
      covered[e] += interval.lower.value <= expected[e] && expected[e] <= interval.upper.value;
    }
  }
  for (const int count : covered) EXPECT_GE(count, 67) << sharpness;
}
INSTANTIATE_TEST_SUITE_P(Sharpness, ClasswiseCoverageTest, testing::Values(.5, .85, 1.0));

// The variance of |labels - p| of one cell by hand: blocks of one row each.
TEST(ClasswiseBootstrapTest, has_the_standard_error_of_a_proportion) {
  Rows rows{2, {}, {}};
  for (int i = 0; i < 100; ++i) {
    rows.probabilities.insert(rows.probabilities.end(), {.9, .1});
    rows.labels.push_back(i % 2);
  }
  const auto cells = cells_of(rows);
  const auto found = classwise_bootstrap(rows.probabilities, 2, rows.labels,
                                         {{"ace", &cells.adaptive.all}}, 4000, "k");
  EXPECT_NEAR(found[0].replicates.observed, .4, 1e-7);
  EXPECT_NEAR(bootstrap_standard_error(found[0].replicates).value, .05, .004);
  EXPECT_NEAR(found[0].replicates.observed, cells.adaptive.all.error().value, 1e-7);
}

TEST(ClasswiseResamplesTest, same_key_same_bits_and_degenerate_sets) {
  Random random(1);
  const auto rows = made(90, 4, 1.0, random);
  const auto cells = cells_of(rows);
  const auto floor = [&](const char* key) {
    return classwise_null(rows.probabilities, 4, cells.errors(), 70, key)[1].floor.value;
  };
  EXPECT_EQ(floor("a"), floor("a"));
  EXPECT_NE(floor("a"), floor("b"));
  const Rows none{3, {}, {}};
  const auto empty = cells_of(none);
  EXPECT_EQ(classwise_null({}, 3, empty.errors(), 10, "k")[0].floor.null_reason,
            "the set is empty");
  EXPECT_TRUE(
      classwise_bootstrap({}, 3, {}, empty.errors(), 10, "k")[0].replicates.resampled.empty());
  const Rows certain{2, {1.0, 0.0}, {0}};
  const auto one = cells_of(certain);
  EXPECT_EQ(classwise_null(certain.probabilities, 2, one.errors(), 70, "k")[0].quantile95.value,
            0.0);
  EXPECT_THROW(classwise_null(rows.probabilities, 4, cells.errors(), 0, "k"), UsageError);
}

}  // namespace
}  // namespace calsweep::analysis
