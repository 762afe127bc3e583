// The subcommands of `calsweep`, one function each; main.cpp fills their options from the command
// line.
//
// Every function returns an ExitCode and throws CalsweepError for what it cannot do. Results go to
// stdout, everything else to stderr.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "orchestrator/slurm_job.hpp"

namespace calsweep::cli {

namespace fs = std::filesystem;

struct PlanOptions {
  fs::path spec;
  bool list = false;  ///< print every trial
  bool json = false;  ///< machine-readable
};
int plan(const PlanOptions& options);

struct RunCommandOptions {
  fs::path spec;
  fs::path directory;  ///< empty: runs/<name>
  fs::path trainer;    ///< empty: calsweep-trainer beside this program
  std::string device = "auto";
  std::string bind = "auto";  ///< auto | none | cores | numa
  int slots = 0;              ///< per agent; 0: slots_per_gpu per GPU, else this host's cores
  int slots_per_gpu = 1;
  std::string stop_signal = "USR1";
  std::string time;                   ///< Slurm's notations; empty: ask the batch system
  double time_margin_seconds = 60.0;  ///< stop so long before the end
  double agent_silence_seconds = 60.0;
  bool take_over = false;
  bool accept_new_data = false;
  fs::path exit_code_file;  ///< rank 0 leaves its exit code there; empty: nowhere
};
int run(const RunCommandOptions& options);

int status(const fs::path& directory, bool json);

struct SlurmOptions {
  fs::path spec;
  orchestrator::SlurmJob job;
  std::string launcher = "srun";
  int slots = 0;                                                  ///< 0: as calsweep run
  double time_margin_seconds = 0.0, agent_silence_seconds = 0.0;  ///< 0: as calsweep run
  std::string device = "auto";
  fs::path trainer;
  fs::path output;      ///< write the script there; empty: print it
  bool submit = false;  ///< write it into the run directory and hand it to sbatch
};
/// Prints, writes or submits a batch script.
int slurm(const SlurmOptions& options);

/// Checks this machine, its launchers and, if given, the file system of `directory`. Returns
/// kExitFailures if something is broken.
int doctor(const fs::path& directory, bool json);

/// Under a launcher, the ranks share the work and rank 0 writes results.db.
int analyze(const fs::path& directory, bool rebuild);

struct QueryOptions {
  fs::path directory;
  std::string query;  ///< SQL or the name of a ready-made query; empty lists those
  std::string format = "table";
};
int query(const QueryOptions& options);

struct ExportOptions {
  fs::path directory;
  fs::path folder;  ///< empty: <run directory>/export
  std::string format = "csv";
  std::vector<std::string>
      names;  ///< tables, views, ready-made queries; empty: all tables and views
};
int export_results(const ExportOptions& options);

struct ExplainOptions {
  fs::path directory;
  std::string method, cell;          ///< empty: the first, the only one
  std::optional<std::int64_t> seed;  ///< absent: the first
  std::string set = "test";
  std::int64_t bins = 0;  ///< 0: each convention's own
  std::string format = "table";
};
int explain_ece(const ExplainOptions& options);

struct ShowOptions {
  fs::path directory;
  std::string metric = "ece_guo2017";
  std::string color = "auto";  ///< auto | always | never
  bool ascii = false;
};
int show(const ShowOptions& options);

struct PowerOptions {
  fs::path target;  ///< a spec or a run directory; empty: --cells
  std::int64_t cells = 0;
  std::optional<double> effect;  ///< d_z
  std::optional<double> alpha;   ///< default: the spec's, else 0.05
  double power = 0.8;
  double effective_share = 1.0;
  double correlation = 0.0;
  std::string metric = "ece_guo2017";  ///< of a pilot
  std::string format = "table";
};
/// Seeds that a grid, a declared sweep or a pilot needs.
int power(const PowerOptions& options);

/// Prints docs/spec-reference.md.
int reference();

}  // namespace calsweep::cli
