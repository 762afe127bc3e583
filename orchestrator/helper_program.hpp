// Runs a small program of the system (squeue, sbatch, nvidia-smi …) to its end or to a time-out,
// without a shell, and keeps what it said. Not for trainers: those are
// orchestrator/trainer_process.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace calsweep::orchestrator {

struct HelperResult {
  enum class End { NotFound, Exited, Killed, TimedOut };
  End end = End::NotFound;
  int exit_code = -1;  ///< of a program that Exited
  std::string output, errors;

  bool succeeded() const { return end == End::Exited && exit_code == 0; }
};

struct HelperOptions {
  double timeout_seconds = 5.0;                  ///< then it and what it started are killed
  std::map<std::string, std::string> set = {};   ///< variables to set for it
  std::vector<std::string> unset_prefixes = {};  ///< variables it must not see, e.g. {"OMPI_"}
};

/// Looks `arguments[0]` up in PATH. Standard input is empty. Never throws for what the program
/// does; throws IoError only if this process has no descriptors left.
HelperResult run_helper(const std::vector<std::string>& arguments,
                        const HelperOptions& options = {});

/// True if PATH holds an executable file of this name.
bool program_exists(const std::string& name);

/// Without the white space at both ends.
std::string trimmed(const std::string& text);

}  // namespace calsweep::orchestrator
