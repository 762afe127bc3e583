// The power of signed-rank tests over a grid, by simulation: how many seeds show an effect, how
// large an effect so many seeds show.
//
// Simulated are paired differences, one per cell and seed, normal with mean d_z and unit variance
// in the cells that have the effect and mean 0 in the others. Every cell is tested as calsweep does
// (exact p up to 60 pairs, above the normal approximation), then corrected over the cells. Power is
// the expected share of the cells with the effect that come out significant; for one cell it is the
// power of the test. Draws are keyed: the same question gives the same answer, and more seeds or a
// larger effect extend the same draws.
#pragma once

#include <Eigen/Core>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "analysis/statistics/minimum_seeds.hpp"

namespace calsweep::analysis {

struct GridAssumption {
  std::int64_t n_cells = 1;
  std::int64_t n_effective = 1;  ///< cells with the effect
  double effect = 1.0;           ///< d_z: mean of the paired differences / their sd
  double correlation = 0.0;      ///< of a seed's differences in two cells, in [0, 1]
  double alpha = 0.05;
};

struct PowerEstimate {
  double power = 0.0;
  double error = 0.0;  ///< Monte-Carlo standard error
};

struct SimulatedPower {
  std::int64_t n_simulations = 0;
  std::array<PowerEstimate, kCorrections.size()> by_correction;
  const PowerEstimate& of(GridCorrection correction) const {
    return by_correction[static_cast<std::size_t>(correction)];
  }
};

/// Simulations for about the same work and error whatever the number of cells: 100 to 4,000.
std::int64_t default_simulations(std::int64_t n_cells);

/// maxT is single-step over flips of whole seeds: all of them if they are few, else a keyed sample
/// of 10 / alpha - 1. Throws UsageError for an assumption that makes no sense.
SimulatedPower simulate_power(const GridAssumption& grid, std::int64_t n_seeds,
                              std::int64_t n_simulations);

/// Beyond so many seeds nobody looks.
inline constexpr std::int64_t kMostSeeds = 400;

struct SeedsNeeded {
  std::int64_t n_seeds = 0;
  PowerEstimate estimate;  ///< with so many
};

/// Answers about one grid; keeps what it has simulated.
class PowerSearch {
 public:
  /// n_simulations 0: the default. Above 60 seeds fewer are made, in proportion, down to 100.
  explicit PowerSearch(const GridAssumption& grid, std::int64_t n_simulations = 0);

  /// Fewest seeds whose simulated power reaches `power`; nothing if kMostSeeds do not.
  std::optional<SeedsNeeded> seeds_for(GridCorrection correction, double power);
  /// Smallest effect, in steps of 0.01 up to 4, that `n_seeds` show with `power`; nothing if none.
  std::optional<double> smallest_effect(GridCorrection correction, std::int64_t n_seeds,
                                        double power);
  SimulatedPower at(std::int64_t n_seeds) { return at(n_seeds, grid_.effect); }

 private:
  SimulatedPower at(std::int64_t n_seeds, double effect);

  struct Question {
    std::int64_t n_seeds;
    double effect;
    auto operator<=>(const Question&) const = default;
  };
  GridAssumption grid_;
  std::int64_t n_simulations_;
  std::map<Question, SimulatedPower> known_;
};

/// Which of `p_values` are significant (for maxT: none, see max_t_significant).
std::vector<bool> significant_after(GridCorrection correction, std::span<const double> p_values,
                                    double alpha);

/// Flips of whole seeds: [flips, seeds] of -1 and 1.
struct SeedFlips {
  Eigen::MatrixXf signs;
  bool is_exhaustive = false;  ///< all 2^(n - 1) up to a global flip, the observed one included
};
SeedFlips seed_flips(std::int64_t n_seeds, std::int64_t at_most);

/// Single-step maxT: signed_ranks [seeds, cells], scaled so that cells are comparable; a seed that
/// a cell lacks is 0.
std::vector<bool> max_t_significant(const Eigen::MatrixXf& signed_ranks, const SeedFlips& flips,
                                    double alpha);

}  // namespace calsweep::analysis
