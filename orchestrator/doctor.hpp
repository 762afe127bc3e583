// `calsweep doctor`: looks at what a sweep will need here and says, a line per finding, what is
// well, what is doubtful, what is broken, and what to do. It changes nothing but a folder of its
// own in the directory it is given, which it removes; it kills nothing.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "orchestrator/launch.hpp"

namespace calsweep::orchestrator {

enum class Verdict { Ok, Warning, Failure };

struct Finding {
  Verdict verdict = Verdict::Ok;
  std::string subject;  ///< one or two words: "file locks"
  std::string text;     ///< what was seen
  std::string advice;   ///< what to do; empty for Ok
};

struct FindingGroup {
  std::string name;  ///< "launch", "storage", "machine"
  std::vector<Finding> findings;
};

/// mpirun, srun, Slurm's controller, the end of this job.
std::vector<Finding> examine_launch(const Environment& environment);
/// The file system of `directory`, which exists: locks, renames, flushes, HDF5, SQLite,
/// space. Makes and removes a folder there.
std::vector<Finding> examine_storage(const std::filesystem::path& directory);
/// GPUs and who uses them, left-over trainers, cores, memory.
std::vector<Finding> examine_machine();
/// The trainer and the data sets.
std::vector<Finding> examine_software(const std::filesystem::path& trainer);
/// How long one rank's files take to be seen by the others; on every rank, the findings on rank 0.
/// Empty in one process.
std::vector<Finding> examine_file_sharing(const std::filesystem::path& directory, Launch& launch);

bool has_failure(const std::vector<FindingGroup>& groups);
std::string format_findings(const std::vector<FindingGroup>& groups);
std::string findings_json(const std::vector<FindingGroup>& groups);

}  // namespace calsweep::orchestrator
