// The metrics of all replicates in memory, as summaries and tests need them: by cell, method,
// calibrator and column of the views. Used by the *_tables.cpp alone.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "analysis/results/results_schema.hpp"
#include "analysis/statistics/comparisons.hpp"
#include "sweeps/sweep.hpp"

namespace calsweep::analysis {

/// Replicates of one method in one cell, as indices into Sweep::replicates.
struct ReplicateGroup {
  std::int64_t cell = 0, method = 0;
  std::vector<std::size_t> replicates;
};

class SweepValues {
 public:
  /// Reads the table `metric` once. `sweep` and `columns` must outlive it.
  SweepValues(SQLite::Database& db, const Sweep& sweep, std::span<const MetricColumn> columns);

  const std::vector<ReplicateGroup>& groups() const { return groups_; }
  /// Calibrators that have results, sorted, kNoCalibrator not among them.
  const std::vector<std::string>& calibrators() const { return calibrators_; }
  /// Values of one metric, in seed order; replicates without one are left out.
  MetricSample sample(const ReplicateGroup& group, const std::string& calibrator,
                      std::size_t column) const;
  /// The group of a cell and method, or null.
  const ReplicateGroup* find(std::int64_t cell, std::int64_t method) const;

 private:
  using Row = std::vector<std::optional<double>>;  // [column]

  const Sweep& sweep_;
  std::size_t n_columns_;
  std::vector<ReplicateGroup> groups_;
  std::vector<std::string> predictor_;  // by replicate
  std::vector<std::string> calibrators_;
  std::unordered_map<std::string, std::unordered_map<std::string, Row>> rows_;  // calibrator, id
};

/// Index of the reference in Spec::methods, or -1.
std::int64_t reference_method(const Sweep& sweep);

/// Whether replicates of the method share networks, so that they are not independent.
bool shares_networks(const Sweep& sweep, std::int64_t method);

}  // namespace calsweep::analysis
