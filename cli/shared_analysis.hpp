// An analysis shared between the ranks of an MPI job: rank 0 plans, hands out jobs and stores the
// lines that come back; it works too. Which rank does what changes nothing in results.db.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "analysis/analysis_jobs.hpp"
#include "orchestrator/launch.hpp"
#include "sweeps/run_directory.hpp"

namespace calsweep::cli {

/// Rank 0 or alone: does `jobs` with the other ranks' help; `store` gets each job's lines, here, in
/// any order. Throws CalsweepError if a rank sends nonsense.
void share_jobs(orchestrator::Launch& launch, const RunDirectory& run,
                const std::vector<analysis::AnalysisJob>& jobs,
                const std::function<void(const std::vector<analysis::ResultsLine>&)>& store);

/// Rank 0: tells the other ranks to leave. Call also when something failed.
void end_sharing(orchestrator::Launch& launch);

/// Other ranks: do jobs until told to leave, or until rank 0 has gone.
void help_with_jobs(orchestrator::Launch& launch, const RunDirectory& run);

}  // namespace calsweep::cli
