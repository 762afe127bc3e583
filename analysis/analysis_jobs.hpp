// The pieces that an analysis is cut into, so that ranks can share them: one job per unit file to
// read, one per group of ensembles. A job needs the run directory and nothing else, and its lines
// mean the same in whatever order they arrive.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/results/results_line.hpp"
#include "sweeps/ids.hpp"
#include "sweeps/run_directory.hpp"
#include "sweeps/sweep.hpp"

namespace calsweep::analysis {

struct MemberPlace {
  TrialId trial;
  UnitId unit;  ///< the file that holds it
};

struct EnsembleTask {
  std::string id;  ///< ensemble_id() of the members, in order
  std::vector<MemberPlace> members;
};

/// Either `trials` of the file of `unit`, or `ensembles`.
struct AnalysisJob {
  AnalysisOptions options;
  UnitId unit;
  std::vector<TrialId> trials;
  std::vector<EnsembleTask> ensembles;

  /// One line, to send it to another rank.
  std::string to_json() const;
  static AnalysisJob from_json(std::string_view json);  ///< throws FormatError
};

/// Does one job; returns lines for ResultsDb::store. Never throws for damaged or missing files or
/// odd logits: these become lines too. A unit file is verified against its checksum when it is
/// read; ensembles of a file found damaged are dropped by ResultsDb::finish. May run in several
/// threads at once.
std::vector<ResultsLine> run_job(const AnalysisJob& job, const RunDirectory& run);

/// Does all jobs on as many threads as there are cores; `store` gets the lines of one job at a
/// time, in this thread or another, in any order. What `store` throws ends the work and is thrown
/// here.
void run_jobs(std::span<const AnalysisJob> jobs, const RunDirectory& run,
              const std::function<void(const std::vector<ResultsLine>&)>& store);

}  // namespace calsweep::analysis
