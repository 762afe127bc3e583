#include "analysis/uncertainty/null_distribution.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <boost/math/distributions/binomial.hpp>
#include <cmath>
#include <map>

#include "analysis/metrics/smooth_ece.hpp"
#include "analysis/metrics/sorted_calibration_error.hpp"
#include "sweeps/errors.hpp"
#include "tests/analysis/fixtures.hpp"

namespace calsweep::analysis {
namespace {

using Flags = std::vector<std::uint8_t>;

ConfidenceProfile record(const char* name) {
  const auto rows = fixtures::load_confidence_record(name);
  return ConfidenceProfile::from_rows(std::span<const float>(rows.confidence), rows.correct);
}

NullRequest standard_request(const ConfidenceProfile& profile) {
  NullRequest request;
  request.binned = binned_functionals("ew15", equal_width_bins(profile, 15));
  const auto mass = binned_functionals("em15", equal_mass_bins(profile, 15));
  request.binned.insert(request.binned.end(), mass.begin(), mass.end());
  return request;
}

std::map<std::string, NullSummary> by_name(const std::vector<NullSummary>& summaries) {
  std::map<std::string, NullSummary> found;
  for (const auto& summary : summaries) found[summary.name] = summary;
  return found;
}

TEST(BernoulliMaskTest, has_the_probability_asked_for) {
  Random random(1);
  EXPECT_EQ(bernoulli_mask(random, 0.0), 0U);
  EXPECT_EQ(bernoulli_mask(random, 1.0), ~std::uint64_t{0});
  for (const double p : {1e-3, .25, .3, .5, .9, .999}) {
    double ones = 0.0;
    const int n = 4000;
    for (int i = 0; i < n; ++i) ones += std::popcount(bernoulli_mask(random, p));
    const double trials = 64.0 * n;
    EXPECT_NEAR(ones / trials, p, 4.5 * std::sqrt(p * (1 - p) / trials)) << p;
  }
}

// Chi-square of the deciles against Boost's binomial distribution, below and above 2048 trials.
TEST(BinomialDrawTest, has_the_binomial_distribution) {
  for (const auto& [n, p] : {std::pair{std::int64_t{40}, .3}, std::pair{std::int64_t{1000}, .97},
                             std::pair{std::int64_t{100'000}, .11}}) {
    Random random(static_cast<std::uint64_t>(n));
    const boost::math::binomial_distribution<> exact(static_cast<double>(n), p);
    std::vector<std::int64_t> edges;
    for (int d = 1; d < 10; ++d) {
      edges.push_back(static_cast<std::int64_t>(boost::math::quantile(exact, d / 10.0)));
    }
    edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
    std::vector<double> seen(edges.size() + 1, 0.0);
    const int draws = 4000;
    for (int i = 0; i < draws; ++i) {
      const auto k = binomial_draw(random, n, p);
      ASSERT_GE(k, 0);
      ASSERT_LE(k, n);
      ++seen[static_cast<std::size_t>(std::lower_bound(edges.begin(), edges.end(), k) -
                                      edges.begin())];
    }
    double chi2 = 0.0, below = 0.0;
    for (std::size_t c = 0; c < seen.size(); ++c) {
      const double upto =
          c < edges.size() ? boost::math::cdf(exact, static_cast<double>(edges[c])) : 1.0;
      const double expected = draws * (upto - below);
      chi2 += (seen[c] - expected) * (seen[c] - expected) / expected;
      below = upto;
    }
    EXPECT_LT(chi2, 30.0) << n;  // 9 degrees of freedom: 4e-4
  }
}

TEST(NullDistributionTest, real_records_are_not_calibrated_and_a_calibrated_one_is) {
  const auto wide = record("wideresnet-16-4-cifar-10");
  const auto observed = by_name(null_distribution(wide, standard_request(wide), {}));
  EXPECT_NEAR(observed.at("ew15_l1").observed.value, .053716, 5e-7);
  EXPECT_EQ(observed.at("ew15_l1").p_consistent.value, 1.0 / 1001.0);
  EXPECT_LT(observed.at("ew15_l1").quantile95.value, .01);
  EXPECT_EQ(observed.at("ks").p_consistent.value, 1.0 / 1001.0);
  EXPECT_NEAR(observed.at("ks").observed.value, ks_error(wide).value, 1e-15);
  std::vector<std::int64_t> correct;
  Random random(5);
  for (const auto& group : wide.groups()) {
    correct.push_back(binomial_draw(random, group.count, group.confidence));
  }
  const auto calibrated = wide.with_correct(correct);
  const auto consistent = by_name(null_distribution(calibrated, standard_request(wide), {}));
  EXPECT_GT(consistent.at("ew15_l1").p_consistent.value, .01);
  EXPECT_GT(consistent.at("ks").p_consistent.value, .01);
  // The null does not depend on the outcomes that were observed.
  EXPECT_EQ(consistent.at("ew15_l1").floor.value, observed.at("ew15_l1").floor.value);
}

// E|p - c| of Binomial(n, c) / n by direct summation; E (c - a)^2 = c (1 - c).
TEST(NullDistributionTest, floor_of_one_group_is_the_mean_deviation) {
  const auto profile = ConfidenceProfile::from_groups({{.8, 50, 40}});
  const boost::math::binomial_distribution<> exact(50, .8);
  double expected = 0.0;
  for (int k = 0; k <= 50; ++k) expected += std::abs(k / 50.0 - .8) * boost::math::pdf(exact, k);
  NullOptions options;
  options.n_resamples = 20000;
  const auto found = by_name(null_distribution(profile, standard_request(profile), options));
  EXPECT_NEAR(found.at("ew15_l1").floor.value, expected, 4.5 * .035 / std::sqrt(20000.0));
  EXPECT_NEAR(found.at("ks").floor.value, found.at("ew15_l1").floor.value, 1e-12);
  EXPECT_NEAR(found.at("brier_top").floor.value, .16, 4.5 * .034 / std::sqrt(20000.0));
  EXPECT_EQ(found.at("ew15_l1").p_consistent.value, 1.0);  // observed 0: every null is at least it
}

/// n calibrated rows with the confidences of the record, temperature-like spread.
ConfidenceProfile calibrated_set(std::span<const float> from, std::int64_t n, Random& random) {
  std::vector<float> confidence;
  Flags correct;
  for (std::int64_t i = 0; i < n; ++i) {
    confidence.push_back(from[random.below(from.size())]);
    correct.push_back(random.uniform() < static_cast<double>(confidence.back()) ? 1 : 0);
  }
  return ConfidenceProfile::from_rows(std::span<const float>(confidence), correct);
}

TEST(NullDistributionTest, rejects_calibrated_models_at_the_nominal_rate) {
  const auto rows = fixtures::load_confidence_record("lenet-5-cifar-10");
  Random random(20261126);
  std::map<std::string, int> rejected;
  std::map<std::string, double> covered;
  const int n_sets = 500;
  for (int set = 0; set < n_sets; ++set) {
    const auto profile = calibrated_set(rows.confidence, 300, random);
    NullOptions options;
    options.n_resamples = 199;
    options.key = "set " + std::to_string(set);
    for (const auto& found : null_distribution(profile, standard_request(profile), options)) {
      if (found.p_consistent.value <= .05) ++rejected[found.name];
      if (found.observed.value <= found.quantile95.value) covered[found.name] += 1.0 / n_sets;
    }
  }
  // 25 expected; Binomial(500, .05) lies in 7 … 46 but for 1 in 10,000.
  for (const auto* name : {"ew15_l1", "ew15_l2", "ew15_max", "ew15_overconfidence", "em15_l1",
                           "em15_l2", "em15_max", "em15_overconfidence", "ks", "brier_top"}) {
    EXPECT_GE(rejected[name], 7) << name;
    EXPECT_LE(rejected[name], 46) << name;
    EXPECT_NEAR(covered[name], .95, .045) << name;
  }
  // Debiased errors are floored at 0: their many zeros tie, the test is valid but not exact.
  EXPECT_LE(rejected["em15_debiased_l2"], 46);
}

// The floor falls as 1 / sqrt(n): CALIBRATION.md, fact 7, has 0.041 at n = 500 and 0.0093 at
// 10,000 for confidences that we do not have; the ratio is that of any confidences.
TEST(NullDistributionTest, floor_falls_with_the_square_root_of_n) {
  const auto rows = fixtures::load_confidence_record("lenet-5-cifar-10");
  Random random(3);
  const auto floor_at = [&](std::int64_t n) {
    const auto profile = calibrated_set(rows.confidence, n, random);
    return by_name(null_distribution(profile, standard_request(profile), {}))
        .at("ew15_l1")
        .floor.value;
  };
  EXPECT_NEAR(floor_at(500) / floor_at(10000), std::sqrt(20.0), .45);
}

TEST(NullDistributionTest, cells_give_the_same_null_as_rows) {
  const auto lenet = record("lenet-5-cifar-10");
  const auto exact = by_name(null_distribution(lenet, standard_request(lenet), {}));
  NullOptions options;
  options.exact_rows = 1000;
  options.n_cells = 512;
  const auto cells = by_name(null_distribution(lenet, standard_request(lenet), options));
  for (const auto& [name, summary] : exact) {
    const double floor = summary.floor.value;
    EXPECT_NEAR(cells.at(name).floor.value, floor, .06 * floor) << name;
    EXPECT_NEAR(cells.at(name).quantile95.value, summary.quantile95.value,
                .09 * summary.quantile95.value)
        << name;
  }
  EXPECT_EQ(cells.at("ew15_l1").observed.value, exact.at("ew15_l1").observed.value);
}

TEST(NullDistributionTest, whole_profile_errors_see_the_same_resamples) {
  const auto lenet = record("lenet-5-cifar-10");
  NullRequest request;
  request.binned = binned_functionals("ew15", equal_width_bins(lenet, 15));
  request.whole = {
      {"ece", [](const ConfidenceProfile& p) { return equal_width_errors(p).l1.value; }},
      {"ks_again", [](const ConfidenceProfile& p) { return ks_error(p).value; }}};
  request.whole_resamples = 70;
  NullOptions options;
  options.n_resamples = 70;
  const auto found = by_name(null_distribution(lenet, request, options));
  EXPECT_EQ(found.at("ece").n_resamples, 70);
  EXPECT_NEAR(found.at("ece").floor.value, found.at("ew15_l1").floor.value, 1e-12);
  EXPECT_NEAR(found.at("ks_again").floor.value, found.at("ks").floor.value, 1e-12);
  EXPECT_EQ(found.at("ks_again").quantile95.value, found.at("ks").quantile95.value);
}

TEST(NullDistributionTest, same_key_same_bits_and_other_key_other_bits) {
  const auto lenet = record("lenet-5-cifar-10");
  const auto value = [&](const char* key) {
    NullOptions options;
    options.key = key;
    return by_name(null_distribution(lenet, standard_request(lenet), options))
        .at("em15_l1")
        .floor.value;
  };
  EXPECT_EQ(value("a"), value("a"));
  EXPECT_NE(value("a"), value("b"));
}

TEST(NullDistributionTest, degenerate_sets) {
  const ConfidenceProfile empty;
  const auto none = null_distribution(empty, standard_request(empty), {});
  ASSERT_EQ(none.size(), 12U);
  EXPECT_EQ(none[0].p_consistent.null_reason, "the set is empty");
  const auto certain = ConfidenceProfile::from_groups({{1.0, 100, 99}});
  const auto found = by_name(null_distribution(certain, standard_request(certain), {}));
  EXPECT_EQ(found.at("ew15_l1").floor.value, 0.0);  // certainty is never wrong
  EXPECT_EQ(found.at("ew15_l1").p_consistent.value, 1.0 / 1001.0);
  NullOptions options;
  options.n_resamples = 0;
  EXPECT_THROW(null_distribution(certain, standard_request(certain), options), UsageError);
}

}  // namespace
}  // namespace calsweep::analysis
