// The pieces that an analysis is cut into, so that ranks can share them: one job per unit file to
// read, one per group of ensembles. A job needs the run directory and nothing else, and its lines
// mean the same in whatever order they arrive.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sweeps/ids.hpp"
#include "sweeps/run_directory.hpp"

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
  UnitId unit;
  std::vector<TrialId> trials;
  std::vector<EnsembleTask> ensembles;

  /// One line, to send it to another rank.
  std::string to_json() const;
  static AnalysisJob from_json(std::string_view json);  ///< throws FormatError
};

/// Does one job; returns lines for ResultsDb::store. Never throws for damaged or missing files or
/// odd logits: these become lines too. A unit file is verified against its checksum when it is
/// read; ensembles of a file found damaged are dropped by ResultsDb::finish.
std::vector<std::string> run_job(const AnalysisJob& job, const RunDirectory& run);

}  // namespace calsweep::analysis
