#include "analysis/uncertainty/reliability_bars.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/normal.hpp>
#include <cmath>

#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

void check(std::int64_t successes, std::int64_t n, double level) {
  if (successes < 0 || successes > n || !(level > 0.0 && level < 1.0)) {
    throw UsageError(fmt::format("no interval for {} of {} at level {}", successes, n, level));
  }
}

Interval no_interval() {
  const auto none = Measured::none("no row");
  return {none, none};
}

/// The k-th smallest with k = ceil(share * n), at least the first.
double order_statistic(const std::vector<double>& sorted, double share) {
  const auto rank = std::ceil(share * static_cast<double>(sorted.size()) - 1e-9);
  return sorted[static_cast<std::size_t>(std::max(rank, 1.0)) - 1];
}

Interval consistency(const NullResamples& resamples, GroupRange bin, std::int64_t count,
                     double level) {
  const auto begin = resamples.correct_before(bin.begin);
  const auto end = resamples.correct_before(bin.end);
  std::vector<double> accuracies(begin.size());
  for (std::size_t r = 0; r < accuracies.size(); ++r) {
    accuracies[r] = (end[r] - begin[r]) / static_cast<double>(count);
  }
  std::sort(accuracies.begin(), accuracies.end());
  return {Measured::of(order_statistic(accuracies, (1.0 - level) / 2.0)),
          Measured::of(order_statistic(accuracies, (1.0 + level) / 2.0))};
}

}  // namespace

Interval clopper_pearson(std::int64_t successes, std::int64_t n, double level) {
  check(successes, n, level);
  if (n == 0) return no_interval();
  using Binomial = boost::math::binomial_distribution<>;
  const double tail = (1.0 - level) / 2.0;
  const auto trials = static_cast<double>(n);
  const auto k = static_cast<double>(successes);
  return {Measured::of(Binomial::find_lower_bound_on_p(trials, k, tail)),
          Measured::of(Binomial::find_upper_bound_on_p(trials, k, tail))};
}

Interval wilson(std::int64_t successes, std::int64_t n, double level) {
  check(successes, n, level);
  if (n == 0) return no_interval();
  const double z = boost::math::quantile(boost::math::normal(), (1.0 + level) / 2.0);
  const auto trials = static_cast<double>(n);
  const double p = static_cast<double>(successes) / trials;
  const double centre = (p + z * z / (2.0 * trials)) / (1.0 + z * z / trials);
  const double half = z / (1.0 + z * z / trials) *
                      std::sqrt(p * (1.0 - p) / trials + z * z / (4.0 * trials * trials));
  return {Measured::of(successes == 0 ? 0.0 : centre - half),
          Measured::of(successes == n ? 1.0 : centre + half)};
}

std::vector<ReliabilityBars> reliability_bars(const ConfidenceProfile& profile,
                                              const GroupBins& bins, const NullOptions& options,
                                              double level) {
  check(0, 0, level);
  std::vector<std::size_t> cuts;
  for (const auto [begin, end] : bins) {
    cuts.push_back(begin);
    cuts.push_back(end);
  }
  std::vector<ReliabilityBars> all;
  if (profile.empty()) {
    const auto none = Measured::none("no row");
    all.assign(bins.size(), {0, 0, none, none, no_interval(), no_interval(), no_interval()});
    return all;
  }
  const NullResamples resamples(profile, cuts, options);
  const auto tallies = bin_tallies(profile, bins);
  for (std::size_t b = 0; b < bins.size(); ++b) {
    const auto count = std::llround(tallies[b].count);
    const auto correct = std::llround(tallies[b].correct);
    const auto none = Measured::none("no row");
    if (count == 0) {
      all.push_back({0, 0, none, none, no_interval(), no_interval(), no_interval()});
      continue;
    }
    all.push_back({count, correct, Measured::of(tallies[b].correct / tallies[b].count),
                   Measured::of(tallies[b].sum_confidence / tallies[b].count),
                   consistency(resamples, bins[b], count, level),
                   clopper_pearson(correct, count, level), wilson(correct, count, level)});
  }
  return all;
}

}  // namespace calsweep::analysis
