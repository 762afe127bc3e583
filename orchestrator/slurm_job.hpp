// What a Slurm job for a sweep asks for, checked before anything waits in a queue. Pure: no Slurm
// is asked here, and slurm_script.hpp turns it into text.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace calsweep::orchestrator {

enum class SlurmLauncher { Srun, Mpirun };

struct SlurmJob {
  std::string sweep;                      ///< its name
  std::filesystem::path program;          ///< calsweep
  std::filesystem::path spec, directory;  ///< absolute
  std::string data_root;                  ///< $CALSWEEP_DATA to set; empty: leave as it is
  int nodes = 1;
  std::string gpus_per_node;  ///< "4" or "a100:4"; empty: none
  int cpus_per_task = 0;      ///< cores of an agent; 0: see complete_job
  std::string time;           ///< Slurm's notation; empty: the partition's default
  std::string partition, account, qos, memory, job_name;  ///< empty: not asked for
  int array = 0;            ///< several jobs, one after the other; 0: one job
  int signal_before = 120;  ///< seconds from warning to end
  SlurmLauncher launcher = SlurmLauncher::Srun;
  bool survive_node_loss = false;
  bool exclusive = false;  ///< whole nodes
  std::vector<std::string> sbatch_options, setup, run_options;
};

/// Throws UsageError naming the first option that cannot be right and what was expected.
void check_job(const SlurmJob& job);

/// Fills in what was not asked for: the job's name, cores (two per GPU; else whole nodes), slots
/// for a CPU job of part of a node (`threads` cores each, unless run_options say otherwise).
SlurmJob complete_job(SlurmJob job, std::int64_t threads);

/// "calsweep-NAME-HASH" of the run directory: the same for everything that serves one directory.
std::string slurm_job_name(const std::string& sweep, const std::filesystem::path& directory);

/// GPUs per node as a number, 0 for none.
int number_of_gpus(const SlurmJob& job);

}  // namespace calsweep::orchestrator
