// The tables of results.db that depend on the sweep as a whole: cells, methods, replicates, what is
// missing, summaries and tests. Computed in full by every analysis. Used by results_db.cpp alone.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "sweeps/sweep.hpp"

namespace calsweep::analysis {

/// Conventions, axes, cells, methods, options: what the sweep declares.
void write_declarations(SQLite::Database& db, const Sweep& sweep);

/// Removes ensembles one of whose networks has no results (its file turned out damaged), then
/// writes `replicate`, `replicate_member` and `missing`. `problems`: predictor id -> message.
void write_replicates(SQLite::Database& db, const Sweep& sweep,
                      const std::map<std::string, std::string>& problems);

class SweepValues;
struct MetricColumn;

/// Writes `grid_test`, `trend_test`, `friedman_test`, `method_rank` and `method_pair`.
void write_grid_tests(SQLite::Database& db, const Sweep& sweep, const SweepValues& values,
                      std::span<const MetricColumn> columns);
/// Writes `matched_test` from the table `epoch`.
void write_matched_tests(SQLite::Database& db, const Sweep& sweep);

/// Writes `metric_definition`, `summary`, every test, and the views.
void write_statistics(SQLite::Database& db, const Sweep& sweep);

}  // namespace calsweep::analysis
