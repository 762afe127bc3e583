#include "analysis/statistics/bayesian_signed_rank.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "analysis/statistics/paired_differences.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/random.hpp"

namespace calsweep::analysis {
namespace {

struct Shares {
  double below = 0.0, within = 0.0, above = 0.0;
};

/// z0 and the differences, ascending; for each, where its partners enter and leave the region.
struct Pairs {
  struct Edges {
    std::size_t below, from_low_edge, above_high_edge, from_high_edge;
  };
  std::vector<double> z;
  std::size_t prior = 0;  // position of z0
  std::vector<Edges> edges;
};

Pairs make_pairs(std::span<const double> differences, double rope) {
  Pairs pairs;
  pairs.z.assign(differences.begin(), differences.end());
  pairs.z.push_back(0.0);
  std::sort(pairs.z.begin(), pairs.z.end());
  pairs.prior = static_cast<std::size_t>(std::lower_bound(pairs.z.begin(), pairs.z.end(), 0.0) -
                                         pairs.z.begin());
  const auto first = [&](auto is_before) {
    return static_cast<std::size_t>(
        std::partition_point(pairs.z.begin(), pairs.z.end(), is_before) - pairs.z.begin());
  };
  for (const double z : pairs.z) {
    pairs.edges.push_back({first([&](double other) { return z + other < -2.0 * rope; }),
                           first([&](double other) { return z + other <= -2.0 * rope; }),
                           first([&](double other) { return z + other <= 2.0 * rope; }),
                           first([&](double other) { return z + other < 2.0 * rope; })});
  }
  return pairs;
}

/// sum over pairs of w_i w_j, by cumulative weights: O(n).
Shares shares_of(const Pairs& pairs, std::span<const double> weights,
                 std::vector<double>& cumulative) {
  cumulative.assign(1, 0.0);
  for (const double w : weights) cumulative.push_back(cumulative.back() + w);
  const double total = cumulative.back();
  Shares shares;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const auto& e = pairs.edges[i];
    shares.below += weights[i] * (cumulative[e.below] + cumulative[e.from_low_edge]) / 2.0;
    shares.above +=
        weights[i] * (total - (cumulative[e.above_high_edge] + cumulative[e.from_high_edge]) / 2.0);
  }
  shares.below /= total * total;
  shares.above /= total * total;
  shares.within = 1.0 - shares.below - shares.above;
  return shares;
}

/// E[w_i w_j] = (a_i a_j + [i = j] a_i) / (A (A + 1)) for w ~ Dirichlet(a), A = sum of a.
Shares expected_shares(const Pairs& pairs, const std::vector<double>& a) {
  std::vector<double> cumulative;
  Shares shares = shares_of(pairs, a, cumulative);
  const double total = cumulative.back();
  double below = shares.below * total * total;
  double above = shares.above * total * total;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const auto& e = pairs.edges[i];
    const auto half = [&](bool strictly, bool edge) {
      return (strictly ? 0.5 : 0.0) + (edge ? 0.5 : 0.0);
    };
    below += a[i] * half(i < e.below, i < e.from_low_edge);
    above += a[i] * half(i >= e.above_high_edge, i >= e.from_high_edge);
  }
  shares.below = below / (total * (total + 1.0));
  shares.above = above / (total * (total + 1.0));
  shares.within = 1.0 - shares.below - shares.above;
  return shares;
}

void draw_weights(double prior_strength, std::size_t prior, Random& random,
                  std::vector<double>& weights) {
  for (std::size_t i = 0; i < weights.size(); ++i) {
    weights[i] = i == prior ? random.gamma(prior_strength) : -std::log1p(-random.uniform());
  }
}

void count_largest(const Shares& shares, double rope, std::array<double, 3>& largest) {
  const std::array<double, 3> values = {shares.below, rope > 0.0 ? shares.within : 0.0,
                                        shares.above};
  const double top = std::max({values[0], values[1], values[2]});
  const auto tied = static_cast<double>(std::count(values.begin(), values.end(), top));
  for (std::size_t k = 0; k < 3; ++k) largest[k] += values[k] == top ? 1.0 / tied : 0.0;
}

void check(const BayesianOptions& options) {
  if (options.rope >= 0.0 && std::isfinite(options.rope) && options.prior_strength > 0.0 &&
      std::isfinite(options.prior_strength) && options.n_samples >= 1) {
    return;
  }
  throw UsageError(
      fmt::format("Bayesian signed-rank test: rope {} (at least 0), prior strength {} "
                  "(above 0), {} samples (at least 1)",
                  options.rope, options.prior_strength, options.n_samples));
}

Measured standard_error(double p, double n) { return Measured::of(std::sqrt(p * (1.0 - p) / n)); }

}  // namespace

BayesianSignedRank bayesian_signed_rank(std::span<const double> differences,
                                        const BayesianOptions& options) {
  check(options);
  check_finite(differences, "Bayesian signed-rank test");
  BayesianSignedRank result;
  if (differences.empty()) {
    for (auto* field :
         {&result.p_below, &result.p_within, &result.p_above, &result.se_below, &result.se_within,
          &result.se_above, &result.mean_below, &result.mean_within, &result.mean_above}) {
      *field = Measured::none("no pairs");
    }
    return result;
  }
  const auto pairs = make_pairs(differences, options.rope);
  std::vector<double> weights(pairs.z.size(), 1.0);
  weights[pairs.prior] = options.prior_strength;
  const auto mean = expected_shares(pairs, weights);
  result.mean_below = Measured::of(mean.below);
  result.mean_within = Measured::of(mean.within);
  result.mean_above = Measured::of(mean.above);

  Random random(random_key(0, 0, "bayesian signed-rank|" + options.key));
  std::array<double, 3> largest = {0.0, 0.0, 0.0};
  std::vector<double> cumulative;
  for (std::int64_t i = 0; i < options.n_samples; ++i) {
    draw_weights(options.prior_strength, pairs.prior, random, weights);
    count_largest(shares_of(pairs, weights, cumulative), options.rope, largest);
  }
  const auto n = static_cast<double>(options.n_samples);
  result.n_samples = options.n_samples;
  result.p_below = Measured::of(largest[0] / n);
  result.p_within = Measured::of(largest[1] / n);
  result.p_above = Measured::of(largest[2] / n);
  result.se_below = standard_error(largest[0] / n, n);
  result.se_within = standard_error(largest[1] / n, n);
  result.se_above = standard_error(largest[2] / n, n);
  return result;
}

}  // namespace calsweep::analysis
