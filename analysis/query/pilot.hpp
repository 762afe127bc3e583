// What a pilot's results.db says about effects: per method and cell, the paired differences of a
// metric against the reference.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "analysis/measured.hpp"
#include "analysis/statistics/blocked_aggregate.hpp"

namespace calsweep::analysis {

struct PilotCell {
  std::int64_t cell_id = 0;
  CellDifferences differences;  ///< method minus reference, by pairing seed
  Measured effect;              ///< d_z: mean / sample sd; from two pairs on
  Measured p;                   ///< of the signed-rank test, exact where there is one
};

struct PilotMethod {
  std::string name;
  bool shares_networks = false;  ///< its replicates are not independent: no test is valid
  std::vector<PilotCell> cells;  ///< those with at least one pair
  std::int64_t largest_n_pairs() const;
};

struct Pilot {
  std::string metric, reference;
  std::string better;  ///< "lower", "higher", "none"
  double alpha = 0.05;
  std::vector<PilotMethod> methods;  ///< without the reference
};

/// mean / sample standard deviation; no value for fewer than two, or if all are equal.
Measured paired_effect(const CellDifferences& differences);

/// Throws UsageError: no results yet, an unknown metric (naming the nearest and all others).
Pilot read_pilot(const std::filesystem::path& results_db, const std::string& metric);

}  // namespace calsweep::analysis
