#include "analysis/statistics/power.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <numeric>

#include "analysis/statistics/discrete_distribution.hpp"
#include "analysis/statistics/normal_tail.hpp"
#include "analysis/statistics/wilcoxon.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/random.hpp"

namespace calsweep::analysis {
namespace {

constexpr std::int64_t kTestsPerEstimate = 40'000;

void check(const GridAssumption& grid, std::int64_t n_seeds) {
  minimum_seeds(GridCorrection::None, grid.n_cells, grid.n_effective, grid.alpha);
  if (!std::isfinite(grid.effect) || !(grid.correlation >= 0.0 && grid.correlation <= 1.0)) {
    throw UsageError(
        fmt::format("effect {} and correlation {}: the effect is a number, the "
                    "correlation lies between 0 and 1",
                    grid.effect, grid.correlation));
  }
  if (n_seeds < 1) throw UsageError(fmt::format("{} seeds: it takes one or more", n_seeds));
}

/// p values of the signed-rank test of n pairs without ties, by min(W+, W-).
class SignedRankP {
 public:
  explicit SignedRankP(std::int64_t n) : n_(static_cast<double>(n)) {
    if (n > kExactSignedRankLimit) return;
    std::vector<std::int64_t> ranks(static_cast<std::size_t>(n));
    std::iota(ranks.begin(), ranks.end(), 1);
    long double sum = 0.0L;
    for (const long double p : fair_subset_sums(ranks)) {
      sum += p;
      two_sided_.push_back(static_cast<double>(std::min(1.0L, 2.0L * sum)));
    }
  }
  /// signed_sum: W+ - W-.
  double operator()(double signed_sum) const {
    const double w = (n_ * (n_ + 1.0) / 2.0 - std::abs(signed_sum)) / 2.0;
    if (!two_sided_.empty()) return two_sided_[static_cast<std::size_t>(std::llround(w))];
    return two_sided_p(std::abs(signed_sum) / std::sqrt(n_ * (n_ + 1.0) * (2.0 * n_ + 1.0) / 6.0));
  }

 private:
  double n_;
  std::vector<double> two_sided_;
};

/// Differences [seeds, cells]: the first n seeds are the same whatever n.
Eigen::MatrixXd draw(const GridAssumption& grid, std::int64_t n_seeds, std::int64_t simulation) {
  Random random(random_key(static_cast<std::uint64_t>(simulation), 0, "power"));
  const double shared = std::sqrt(grid.correlation);
  const double own = std::sqrt(1.0 - grid.correlation);
  Eigen::MatrixXd differences(n_seeds, grid.n_cells);
  for (std::int64_t s = 0; s < n_seeds; ++s) {
    const double of_seed = random.normal();
    for (std::int64_t c = 0; c < grid.n_cells; ++c) {
      differences(s, c) =
          (c < grid.n_effective ? grid.effect : 0.0) + shared * of_seed + own * random.normal();
    }
  }
  return differences;
}

Eigen::MatrixXf signed_ranks(const Eigen::MatrixXd& differences) {
  Eigen::MatrixXf ranks(differences.rows(), differences.cols());
  std::vector<Eigen::Index> order(static_cast<std::size_t>(differences.rows()));
  for (Eigen::Index c = 0; c < differences.cols(); ++c) {
    std::iota(order.begin(), order.end(), Eigen::Index{0});
    std::sort(order.begin(), order.end(), [&](auto a, auto b) {
      return std::abs(differences(a, c)) < std::abs(differences(b, c));
    });
    for (std::size_t i = 0; i < order.size(); ++i) {
      const auto rank = static_cast<float>(i + 1);
      ranks(order[i], c) = differences(order[i], c) > 0.0 ? rank : -rank;
    }
  }
  return ranks;
}

std::int64_t sampled_flips(double alpha) {
  return static_cast<std::int64_t>(std::ceil(10.0 / alpha)) - 1;
}

/// Whether even a z test of one cell needs more than twice kMostSeeds: no simulation then.
bool is_hopeless(double effect, double alpha, double power) {
  const boost::math::normal normal;
  const double z = boost::math::quantile(boost::math::complement(normal, alpha / 2.0)) +
                   boost::math::quantile(normal, power);
  return z * z > 2.0 * static_cast<double>(kMostSeeds) * effect * effect;
}

}  // namespace

std::int64_t default_simulations(std::int64_t n_cells) {
  return std::clamp<std::int64_t>(kTestsPerEstimate / std::max<std::int64_t>(n_cells, 1), 100,
                                  4000);
}

std::vector<bool> significant_after(GridCorrection correction, std::span<const double> p_values,
                                    double alpha) {
  const std::size_t m = p_values.size();
  std::vector<double> sorted(p_values.begin(), p_values.end());
  std::sort(sorted.begin(), sorted.end());
  std::size_t n_rejected = 0;  // the smallest so many
  const auto passes = [&](std::size_t i, double factor) { return sorted[i] * factor <= alpha; };
  const auto all = static_cast<double>(m);
  for (std::size_t i = 0; i < m; ++i) {
    const auto rank = static_cast<double>(i + 1);
    const bool is_single = correction == GridCorrection::None || m == 1;
    if (is_single && passes(i, 1.0)) n_rejected = i + 1;
    if (correction == GridCorrection::Bonferroni && passes(i, all)) n_rejected = i + 1;
    if (correction == GridCorrection::BenjaminiHochberg && passes(i, all / rank))
      n_rejected = i + 1;
    if (correction == GridCorrection::Holm && n_rejected == i && passes(i, all - rank + 1.0)) {
      n_rejected = i + 1;
    }
  }
  std::vector<bool> significant(m, false);
  for (std::size_t i = 0; i < m && n_rejected > 0; ++i) {
    significant[i] = p_values[i] <= sorted[n_rejected - 1];
  }
  return significant;
}

SeedFlips seed_flips(std::int64_t n_seeds, std::int64_t at_most) {
  SeedFlips flips;
  flips.is_exhaustive = n_seeds <= 40 && (std::int64_t{1} << (n_seeds - 1)) <= at_most + 1;
  const std::int64_t n = flips.is_exhaustive ? std::int64_t{1} << (n_seeds - 1) : at_most;
  flips.signs.resize(n, n_seeds);
  Random random(random_key(static_cast<std::uint64_t>(n_seeds), 0, "seed flips"));
  for (std::int64_t i = 0; i < n; ++i) {
    std::uint64_t bits = static_cast<std::uint64_t>(i);
    for (std::int64_t s = 0; s < n_seeds; ++s, bits >>= 1) {
      if (!flips.is_exhaustive && s % 64 == 0) bits = random.next();
      flips.signs(i, s) = (bits & 1U) != 0 ? -1.0F : 1.0F;
    }
  }
  return flips;
}

std::vector<bool> max_t_significant(const Eigen::MatrixXf& signed_rank_values,
                                    const SeedFlips& flips, double alpha) {
  const Eigen::MatrixXf flipped = flips.signs * signed_rank_values;
  const Eigen::VectorXf largest = flipped.cwiseAbs().rowwise().maxCoeff();
  const Eigen::RowVectorXf observed = signed_rank_values.colwise().sum().cwiseAbs();
  const double added = flips.is_exhaustive ? 0.0 : 1.0;
  std::vector<bool> significant;
  for (Eigen::Index c = 0; c < observed.size(); ++c) {
    const float limit = observed(c) * (1.0F - 1e-5F);  // rounding: as extreme
    const auto extreme = static_cast<double>((largest.array() >= limit).count());
    const double p = (extreme + added) / (static_cast<double>(largest.size()) + added);
    significant.push_back(p <= alpha);
  }
  return significant;
}

SimulatedPower simulate_power(const GridAssumption& grid, std::int64_t n_seeds,
                              std::int64_t n_simulations) {
  check(grid, n_seeds);
  const SignedRankP p_of(n_seeds);
  const SeedFlips flips = seed_flips(n_seeds, sampled_flips(grid.alpha));
  std::array<double, kCorrections.size()> sums{};
  std::array<double, kCorrections.size()> squares{};
  for (std::int64_t simulation = 0; simulation < n_simulations; ++simulation) {
    const Eigen::MatrixXf ranks = signed_ranks(draw(grid, n_seeds, simulation));
    std::vector<double> p_values;
    for (Eigen::Index c = 0; c < ranks.cols(); ++c) {
      p_values.push_back(p_of(static_cast<double>(ranks.col(c).sum())));
    }
    for (std::size_t i = 0; i < kCorrections.size(); ++i) {
      // With one cell there is nothing to correct; maxT over sampled flips would only add noise.
      const bool is_max_t = kCorrections[i] == GridCorrection::MaxT && grid.n_cells > 1;
      const auto significant = is_max_t ? max_t_significant(ranks, flips, grid.alpha)
                                        : significant_after(kCorrections[i], p_values, grid.alpha);
      const auto found =
          std::count(significant.begin(), significant.begin() + grid.n_effective, true);
      const double share = static_cast<double>(found) / static_cast<double>(grid.n_effective);
      sums[i] += share;
      squares[i] += share * share;
    }
  }
  SimulatedPower made;
  made.n_simulations = n_simulations;
  const auto n = static_cast<double>(n_simulations);
  for (std::size_t i = 0; i < kCorrections.size(); ++i) {
    const double mean = sums[i] / n;
    const double variance = std::max(0.0, squares[i] / n - mean * mean);
    made.by_correction[i] = {mean, std::sqrt(variance / n)};
  }
  return made;
}

PowerSearch::PowerSearch(const GridAssumption& grid, std::int64_t n_simulations)
    : grid_(grid),
      n_simulations_(n_simulations > 0 ? n_simulations : default_simulations(grid.n_cells)) {
  check(grid, 1);
}

SimulatedPower PowerSearch::at(std::int64_t n_seeds, double effect) {
  const Question question{n_seeds, effect};
  const auto found = known_.find(question);
  if (found != known_.end()) return found->second;
  GridAssumption grid = grid_;
  grid.effect = effect;
  // Cost grows with the seeds: fewer simulations keep it bounded, and the error says so.
  const std::int64_t scaled = n_simulations_ * 60 / std::max<std::int64_t>(n_seeds, 60);
  const std::int64_t n = std::max(scaled, std::min<std::int64_t>(n_simulations_, 100));
  return known_[question] = simulate_power(grid, n_seeds, n);
}

std::optional<SeedsNeeded> PowerSearch::seeds_for(GridCorrection correction, double power) {
  if (is_hopeless(grid_.effect, grid_.alpha, power)) return std::nullopt;
  const auto reaches = [&](std::int64_t n) { return at(n).of(correction).power >= power; };
  std::int64_t too_few =
      minimum_seeds(correction, grid_.n_cells, grid_.n_effective, grid_.alpha) - 1;
  std::int64_t enough = std::max<std::int64_t>(8, too_few + 1);
  while (!reaches(enough)) {
    if (enough >= kMostSeeds) return std::nullopt;
    too_few = enough;
    enough = std::min(enough * 3 / 2, kMostSeeds);
  }
  while (enough - too_few > 1) {
    const std::int64_t middle = (too_few + enough) / 2;
    (reaches(middle) ? enough : too_few) = middle;
  }
  return SeedsNeeded{enough, at(enough).of(correction)};
}

std::optional<double> PowerSearch::smallest_effect(GridCorrection correction, std::int64_t n_seeds,
                                                   double power) {
  constexpr int kSteps = 400;
  const auto reaches = [&](int step) {
    return at(n_seeds, step / 100.0).of(correction).power >= power;
  };
  if (n_seeds < minimum_seeds(correction, grid_.n_cells, grid_.n_effective, grid_.alpha) ||
      !reaches(kSteps)) {
    return std::nullopt;
  }
  int too_small = 0;
  int enough = kSteps;
  while (enough - too_small > 1) {
    const int middle = (too_small + enough) / 2;
    (reaches(middle) ? enough : too_small) = middle;
  }
  return enough / 100.0;
}

}  // namespace calsweep::analysis
