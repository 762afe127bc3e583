// The tables of results.db that depend on the sweep as a whole: cells, methods, replicates, what is
// missing, summaries and tests. Computed in full by every analysis. Used by results_db.cpp alone.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <cstdint>
#include <map>
#include <string>

#include "sweeps/sweep.hpp"

namespace calsweep::analysis {

/// Conventions, axes, cells, methods, options: what the sweep declares.
void write_declarations(SQLite::Database& db, const Sweep& sweep);

/// Removes ensembles one of whose networks has no results (its file turned out damaged), then
/// writes `replicate`, `replicate_member` and `missing`. `problems`: predictor id -> message.
/// Returns the number of missing replicates.
std::int64_t write_replicates(SQLite::Database& db, const Sweep& sweep,
                              const std::map<std::string, std::string>& problems);

/// Writes `metric_definition`, `summary`, `comparison_test` and the views.
void write_statistics(SQLite::Database& db, const Sweep& sweep);

}  // namespace calsweep::analysis
