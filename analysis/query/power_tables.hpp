// The answers of `calsweep power` as tables: for a grid that is only counted, for a sweep as
// declared, and for a pilot that has run. What the numbers assume stands in power.hpp and
// minimum_seeds.hpp.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "analysis/query/pilot.hpp"
#include "analysis/query/query.hpp"
#include "analysis/statistics/power.hpp"

namespace calsweep::analysis {

struct PowerQuestion {
  std::optional<double> effect;  ///< d_z
  double power = 0.8;            ///< wanted, in (0, 1)
  double alpha = 0.05;
  double effective_share = 1.0;  ///< of the cells that have the effect, in (0, 1]
  double correlation = 0.0;      ///< between cells, of a seed's differences
};

/// Throws UsageError for a number outside its range.
void check_question(const PowerQuestion& question);

/// One row per correction: seeds from which significance is possible and, given an effect, seeds
/// for the wanted power.
QueryTable grid_power_table(std::int64_t n_cells, const PowerQuestion& question);

/// One family of tests that a declared sweep will make.
struct PlannedFamily {
  std::string methods;  ///< names, comma-separated
  std::int64_t n_cells = 0, n_pairs = 0;
};
/// One row per family and correction: what so many pairs can show.
QueryTable sweep_power_table(std::span<const PlannedFamily> families,
                             const PowerQuestion& question);

/// One row per method: effects over cells, aggregate test over the grid (blocked_aggregate.hpp, by
/// seed).
QueryTable pilot_effect_table(const Pilot& pilot);
/// One row per method and correction: significant cells now, and seeds needed if the median effect,
/// or the lower quartile of effects in the median's direction, is the true one.
QueryTable pilot_power_table(const Pilot& pilot, const PowerQuestion& question);
/// Both tables side by side, one row per method and correction.
QueryTable pilot_joined_table(const Pilot& pilot, const PowerQuestion& question);

/// "noise-warmup: 10 pairs cannot …": why so many pairs show nothing after Holm or Bonferroni;
/// empty where they can.
std::string holm_limit(const std::string& methods, std::int64_t n_cells, std::int64_t n_pairs,
                       double alpha);
/// What the pilot cannot show: one line per method of which there is something to say.
std::vector<std::string> pilot_limits(const Pilot& pilot, const PowerQuestion& question);

}  // namespace calsweep::analysis
