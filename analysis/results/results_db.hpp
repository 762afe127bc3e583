// results.db: everything the analysis found out, in one SQLite file built anew by every analysis.
//
// The new file is made under "results.db.partial" and renamed when complete, so a reader or a kill
// sees the old state or the new one, never a mixture. Rows of unit files that did not change are
// copied from the old file; all that depends on the sweep as a whole is computed afresh. Equal unit
// files give equal content (table `provenance` aside), however jobs were shared out or interrupted.
// One process writes (a lock on the run directory sees to it). Schema: docs/results-db.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "analysis/analysis_plan.hpp"
#include "analysis/results/results_line.hpp"
#include "sweeps/run_directory.hpp"
#include "sweeps/sweep.hpp"

namespace calsweep::analysis {

struct AnalysisReport {
  std::int64_t n_networks = 0;  ///< trials with results
  std::int64_t n_diverged = 0;
  std::int64_t n_ensembles = 0;
  std::int64_t n_replicates = 0;  ///< declared
  std::int64_t n_missing = 0;     ///< of those, without results
  /// Damaged files, and networks or ensembles unusable for another reason; sorted. What follows
  /// from a damaged file is listed in the table `missing` only.
  std::vector<AnalysisProblem> problems;
};

class ResultsDb {
 public:
  /// Starts a new file and copies what `plan` keeps. `sweep`, `run` must outlive it. Throws
  /// IoError, UsageError (another analysis is writing, or results.db is not ours).
  ResultsDb(const Sweep& sweep, const RunDirectory& run, const AnalysisPlan& plan);
  ~ResultsDb();  ///< without finish(): the partial file is removed, results.db is as before
  ResultsDb(const ResultsDb&) = delete;
  ResultsDb& operator=(const ResultsDb&) = delete;

  /// Takes the lines of one job, in any order of jobs. Throws IoError.
  void store(std::span<const ResultsLine> lines);
  /// Computes summaries and tests, and puts the file in place. Throws IoError.
  AnalysisReport finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The report of a results.db that is up to date.
AnalysisReport stored_report(const Sweep& sweep, const RunDirectory& run);

/// Plans, runs every job here and now, stores and finishes: an analysis in one process.
AnalysisReport analyze(const Sweep& sweep, const RunDirectory& run);

}  // namespace calsweep::analysis
