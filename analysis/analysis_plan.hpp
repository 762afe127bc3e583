// Decides what an analysis has to do: which unit files to read, which ensembles to pool, and what
// the existing results.db already has.
#pragma once

#include <string>
#include <vector>

#include "analysis/analysis_jobs.hpp"
#include "analysis/results/results_line.hpp"
#include "sweeps/run_directory.hpp"
#include "sweeps/sweep.hpp"

namespace calsweep::analysis {

struct AnalysisPlan {
  std::vector<AnalysisJob> jobs;     ///< unit files in id order, then ensembles in sweep order
  std::vector<TrialId> kept_trials;  ///< analysed before, from the same file
  std::vector<std::string> kept_ensembles;  ///< all of whose members are kept
  std::vector<AnalysisProblem> problems;    ///< unit files that cannot even be opened
  bool up_to_date = false;                  ///< results.db is what this analysis would write
  std::int64_t n_unit_files = 0;
  std::int64_t n_unit_files_unchanged = 0;
};

/// What an analysis takes over from the results.db that is there. Nothing: everything is computed
/// again; the old file stays until the new one is complete.
enum class Reuse { Previous, Nothing };

/// Opens every sealed unit file (header only, no checksumming) and the existing results.db. A trial
/// that lies in several files is taken from the one with the lowest unit id. Deterministic.
/// Throws UsageError for a results.db that is not ours or newer.
AnalysisPlan plan_analysis(const Sweep& sweep, const RunDirectory& run,
                           Reuse reuse = Reuse::Previous);

/// Trial ids of a replicate, in member order.
std::vector<TrialId> member_ids(const Sweep& sweep, const Replicate& replicate);
/// Id under which the results of a replicate are stored: of its network or of its ensemble.
std::string predictor_id(const Sweep& sweep, const Replicate& replicate);
bool is_ensemble(const Sweep& sweep, const Replicate& replicate);

}  // namespace calsweep::analysis
