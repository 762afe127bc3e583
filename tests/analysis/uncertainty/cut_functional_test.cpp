#include "analysis/uncertainty/cut_functional.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "analysis/metrics/kernel_calibration_error.hpp"
#include "analysis/metrics/smooth_ece.hpp"
#include "analysis/metrics/sorted_calibration_error.hpp"
#include "analysis/uncertainty/null_distribution.hpp"
#include "sweeps/random.hpp"
#include "tests/analysis/fixtures.hpp"

namespace calsweep::analysis {
namespace {

using Bins = std::span<const BinTally>;

ConfidenceProfile record(const char* name) {
  const auto rows = fixtures::load_confidence_record(name);
  return ConfidenceProfile::from_rows(std::span<const float>(rows.confidence), rows.correct);
}

double value_of(const CutFunctional& functional, const ConfidenceProfile& profile) {
  return functional.value(cut_sums(profile, functional.cuts));
}

double l1(Bins bins, std::int64_t n) { return binned_errors(bins, n).l1; }
double l2(Bins bins, std::int64_t n) { return binned_errors(bins, n).l2; }

/// n rows of confidence c uniform on [.5, 1] or on few values, right with probability c - shift.
ConfidenceProfile made(std::int64_t n, double shift, bool tied, Random& random) {
  std::vector<double> confidence;
  std::vector<std::uint8_t> correct;
  for (std::int64_t i = 0; i < n; ++i) {
    double c = .5 + random.uniform() / 2.0;
    if (tied) c = std::round(c * 20.0) / 20.0;
    confidence.push_back(c);
    correct.push_back(random.uniform() < c - shift ? 1 : 0);
  }
  return ConfidenceProfile::from_rows(std::span<const double>(confidence), correct);
}

/// ECE over bins that follow on one another.
CutFunctional l1_of_cuts(const ConfidenceProfile& profile, const GroupBins& bins) {
  CutFunctional functional{"few", {0}, {}};
  for (const auto [begin, end] : bins) functional.cuts.push_back(end);
  functional.value = [n = static_cast<double>(profile.n_rows())](std::span<const CutSums> sums) {
    double gaps = 0.0;
    for (std::size_t c = 1; c < sums.size(); ++c) {
      gaps += std::abs((sums[c].correct - sums[c - 1].correct) -
                       (sums[c].confidence - sums[c - 1].confidence));
    }
    return gaps / n;
  };
  return functional;
}

std::vector<std::int64_t> ranks_of(std::int64_t n, std::int64_t n_parts) {
  std::vector<std::int64_t> ranks;
  for (std::int64_t p = 0; p <= n_parts; ++p) {
    ranks.push_back(p * (n / n_parts) + std::min(p, n % n_parts));
  }
  return ranks;
}

// Every one equals the metric that it stands for, tied or not.
TEST(CutFunctionalTest, equal_the_metrics_of_the_profile) {
  Random random(2);
  for (const std::int64_t n : {1, 7, 60, 431}) {
    for (const bool tied : {false, true}) {
      const auto profile = made(n, .1, tied, random);
      EXPECT_NEAR(value_of(rank_cuts("tu", profile, ranks_of(n, 15), l1), profile),
                  rank_split_errors(profile).l1.value, 1e-12);
      EXPECT_NEAR(value_of(sweep_cuts("sweep", profile), profile),
                  sweep_error(profile, 64).ece.value, 1e-12);
    }
  }
  const auto profile = made(431, .1, true, random);
  EXPECT_NEAR(value_of(rank_cuts("hendrycks", profile, {0, 100, 200, 300}, l2), profile),
              hendrycks_errors(profile, 100).l2.value, 1e-12);
}

// On cells of 1/1024: what docs/uncertainty.md says is lost.
TEST(CutFunctionalTest, smooth_and_kernel_errors_of_cells_are_close) {
  Random random(3);
  for (const double shift : {0.0, .02, .1}) {
    const auto profile = made(4000, shift, false, random);
    const double exact = smooth_ece(profile).error.value;
    EXPECT_NEAR(value_of(smooth_cuts("s", profile), profile), exact, .015 * exact) << shift;
    const double kernel = kernel_calibration_error(profile).mmce.value;
    EXPECT_NEAR(value_of(kernel_cuts("k", profile), profile), kernel, .003 * kernel) << shift;
  }
  for (const auto* name : {"lenet-5-cifar-10", "wideresnet-16-4-cifar-10"}) {
    const auto profile = record(name);
    const double exact = smooth_ece(profile).error.value;
    EXPECT_NEAR(value_of(smooth_cuts("s", profile), profile), exact, .01 * exact) << name;
  }
}

TEST(CutFunctionalTest, degenerate_sets) {
  const auto certain = ConfidenceProfile::from_groups({{1.0, 5, 5}});
  EXPECT_LT(value_of(smooth_cuts("s", certain), certain), 1e-12);
  EXPECT_EQ(value_of(kernel_cuts("k", certain), certain), 0.0);
  EXPECT_EQ(value_of(sweep_cuts("w", certain), certain), 0.0);
  const auto wrong = ConfidenceProfile::from_groups({{1.0, 5, 0}});
  EXPECT_NEAR(value_of(smooth_cuts("s", wrong), wrong), smooth_ece(wrong).error.value, .02);
  EXPECT_EQ(value_of(kernel_cuts("k", wrong), wrong), 1.0);
  const auto zero = ConfidenceProfile::from_groups({{0.0, 3, 0}, {1.0, 3, 3}});
  EXPECT_LT(value_of(smooth_cuts("s", zero), zero), 1e-12);
}

// A calibrated model's error lies above its 95 % quantile in 5 % of sets: of 150 sets 1 to 18 but
// for 1 in 2,000.
TEST(CutFunctionalTest, floors_cover_calibrated_models_at_the_nominal_rate) {
  Random random(20261126);
  std::map<std::string, int> rejected;
  std::map<std::string, double> floor, mean;
  const int n_sets = 150;
  for (int set = 0; set < n_sets; ++set) {
    const auto profile = made(300, 0.0, false, random);
    NullRequest request;
    request.ks = request.brier_top = false;
    request.cut = {smooth_cuts("smooth", profile), kernel_cuts("kernel", profile),
                   sweep_cuts("sweep", profile), rank_cuts("tu", profile, ranks_of(300, 15), l1),
                   rank_cuts("hendrycks", profile, {0, 100, 200}, l2)};
    request.cut_resamples = 99;
    NullOptions options;
    options.n_resamples = 99;
    options.key = "set " + std::to_string(set);
    for (const auto& found : null_distribution(profile, request, options)) {
      rejected[found.name] += found.p_consistent.value <= .05 ? 1 : 0;
      floor[found.name] += found.floor.value / n_sets;
      mean[found.name] += found.observed.value / n_sets;
    }
  }
  for (const auto& [name, count] : rejected) {
    EXPECT_GE(count, 1) << name;
    EXPECT_LE(count, 18) << name;
    EXPECT_NEAR(mean[name], floor[name], .12 * floor[name]) << name;
  }
}

// Few resamples of many cuts are the first of all resamples of a few.
TEST(CutFunctionalTest, sparse_cuts_see_the_same_draws) {
  const auto profile = record("lenet-5-cifar-10");
  NullRequest request;
  const auto bins = equal_mass_bins(profile, 15);
  request.binned = {{"all", bins, l1}};
  request.cut = {l1_of_cuts(profile, bins)};
  request.cut_resamples = 70;
  NullOptions options;
  options.n_resamples = 70;
  const auto found = null_distribution(profile, request, options);
  EXPECT_NEAR(found[0].floor.value, found.back().floor.value, 1e-12);
  options.n_resamples = 300;
  EXPECT_EQ(null_distribution(profile, request, options).back().floor.value,
            found.back().floor.value);
  options.exact_rows = 0;  // cells: the cuts of few resamples are cell edges too
  const auto cells = null_distribution(profile, request, options);
  EXPECT_NEAR(cells.back().floor.value, found.back().floor.value, .1 * found.back().floor.value);
}

}  // namespace
}  // namespace calsweep::analysis
