#include "analysis/uncertainty/reliability_bars.hpp"

#include <gtest/gtest.h>

#include <boost/math/distributions/binomial.hpp>
#include <fstream>
#include <nlohmann/json.hpp>

#include "sweeps/errors.hpp"
#include "tests/analysis/fixtures.hpp"

namespace calsweep::analysis {
namespace {

// scipy.stats.binomtest(k, n).proportion_ci: ../metrics/make_sorted_reference.py.
TEST(ReliabilityBarsTest, proportion_intervals_as_in_scipy) {
  const auto reference =
      nlohmann::json::parse(std::ifstream(CALSWEEP_ROOM_DIR "/../metrics/sorted_reference.json"));
  for (const auto& row : reference["intervals"]) {
    const auto k = row["k"].get<std::int64_t>(), n = row["n"].get<std::int64_t>();
    EXPECT_NEAR(clopper_pearson(k, n).lower.value, row["exact"][0].get<double>(), 1e-10);
    EXPECT_NEAR(clopper_pearson(k, n).upper.value, row["exact"][1].get<double>(), 1e-10);
    EXPECT_NEAR(wilson(k, n).lower.value, row["wilson"][0].get<double>(), 1e-12);
    EXPECT_NEAR(wilson(k, n).upper.value, row["wilson"][1].get<double>(), 1e-12);
  }
}

TEST(ReliabilityBarsTest, consistency_bars_are_binomial_quantiles) {
  const auto profile = ConfidenceProfile::from_groups({{.25, 100, 90}, {.8, 200, 160}});
  NullOptions options;
  options.n_resamples = 10000;
  const auto bars = reliability_bars(profile, equal_width_bins(profile, 10), options);
  ASSERT_EQ(bars.size(), 10U);
  const boost::math::binomial_distribution<> low(100, .25), high(200, .8);
  EXPECT_NEAR(bars[2].consistency.lower.value, boost::math::quantile(low, .025) / 100, .011);
  EXPECT_NEAR(bars[2].consistency.upper.value, boost::math::quantile(low, .975) / 100, .011);
  EXPECT_NEAR(bars[7].consistency.lower.value, boost::math::quantile(high, .025) / 200, .006);
  EXPECT_NEAR(bars[7].consistency.upper.value, boost::math::quantile(high, .975) / 200, .006);
  EXPECT_EQ(bars[2].accuracy.value, .9);
  EXPECT_EQ(bars[2].mean_confidence.value, .25);
  EXPECT_FALSE(bars[0].accuracy.has_value());
  EXPECT_FALSE(bars[0].wilson.lower.has_value());
}

TEST(ReliabilityBarsTest, degenerate_bins) {
  EXPECT_EQ(clopper_pearson(0, 5).lower.value, 0.0);
  EXPECT_EQ(clopper_pearson(5, 5).upper.value, 1.0);
  EXPECT_EQ(wilson(0, 5).lower.value, 0.0);
  EXPECT_EQ(wilson(5, 5).upper.value, 1.0);
  EXPECT_FALSE(wilson(0, 0).lower.has_value());
  EXPECT_THROW(wilson(2, 1), UsageError);
  EXPECT_THROW(clopper_pearson(1, 2, 1.0), UsageError);
  const auto bars = reliability_bars({}, equal_width_bins({}, 3), {});
  ASSERT_EQ(bars.size(), 3U);
  EXPECT_FALSE(bars[0].consistency.lower.has_value());
}

}  // namespace
}  // namespace calsweep::analysis
