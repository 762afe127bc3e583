// `calsweep run SPEC` and `calsweep status DIR`.
#include <fmt/core.h>
#include <unistd.h>

#include <chrono>
#include <functional>

#include "cli/commands.hpp"
#include "cli/import_command.hpp"
#include "cli/named_file.hpp"
#include "cli/run_preparation.hpp"
#include "orchestrator/run_sweep.hpp"
#include "orchestrator/status_file.hpp"
#include "orchestrator/stop_signal.hpp"
#include "orchestrator/walltime.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/imported/imported_sweep.hpp"
#include "sweeps/log.hpp"

namespace calsweep::cli {
namespace {

fs::path default_trainer() {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  return self.parent_path() / "calsweep-trainer";
}

// Checked by rank 0 on its own host before anything is written; agents check theirs when they start
// one.
void check_trainer(const fs::path& trainer) {
  if (::access(trainer.c_str(), X_OK) == 0 && !fs::is_directory(trainer)) return;
  throw IoError(
      fmt::format("the trainer {} is not there or not executable: build it (./quickstart "
                  "does), or name another with --trainer",
                  trainer.string()));
}

void make_directory(const fs::path& root) {
  std::error_code error;
  fs::create_directories(root, error);
  if (!fs::is_directory(root)) {
    throw IoError(fmt::format("cannot make the run directory {}: {}; choose another with --dir",
                              root.string(), error.message()));
  }
}

int coordinate(const RunCommandOptions& options, orchestrator::RunOptions run_options,
               orchestrator::Launch& launch) {
  Spec spec = load_spec(named_file(options.spec, "the sweep's TOML file"));
  const fs::path root =
      fs::absolute(options.directory.empty() ? fs::path("runs") / spec.name : options.directory)
          .lexically_normal();
  const RunDirectory directory(root);
  check_run_directory(directory, spec);
  check_trainer(run_options.trainer);
  DataInventory data = take_inventory(spec);
  const Sweep sweep = expand(std::move(spec), std::move(data));
  log::info(fmt::format("sweep '{}': {} trials in {} cells; run directory {}", sweep.spec.name,
                        sweep.trials.size(), sweep.cells.size(), root.string()));
  for (const auto& name : left_out_ood(sweep.spec, sweep.data)) {
    log::info(fmt::format("the optional OOD set '{}' is not on this machine: left out", name));
  }
  make_directory(root);
  run_options.with_lock_held = [&] {
    adopt_spec(directory, sweep.spec, sweep.data, options.accept_new_data);
  };
  const int code = orchestrator::run_sweep(sweep, directory, run_options, launch);
  if (code == kExitDone || code == kExitFailures) {
    log::info(fmt::format("next: calsweep analyze {}", fs::proximate(root).string()));
  }
  return code;
}

// Launchers have exit codes of their own; a batch script reads rank 0's from a file.
int leaving_code(const fs::path& file, const std::function<int()>& body) {
  const auto leave = [&](int code) {
    if (!file.empty()) write_file_atomically(file, std::to_string(code) + "\n");
    return code;
  };
  try {
    return leave(body());
  } catch (const UsageError&) {
    leave(kExitUsage);
    throw;
  } catch (const std::exception&) {
    leave(kExitInternal);
    throw;
  }
}

}  // namespace

int run(const RunCommandOptions& options) {
  orchestrator::RunOptions run_options;
  run_options.stop_signal = orchestrator::signal_number(options.stop_signal);
  if (!options.time.empty()) run_options.time_seconds = orchestrator::parse_duration(options.time);
  run_options.time_margin_seconds = options.time_margin_seconds;
  run_options.agent_silence_seconds = options.agent_silence_seconds;
  orchestrator::Launch launch;
  run_options.slots = options.slots;
  run_options.slots_per_gpu = options.slots_per_gpu;
  run_options.bind = options.bind;
  run_options.device = options.device;
  run_options.take_over = options.take_over;
  run_options.trainer = fs::absolute(options.trainer.empty() ? default_trainer() : options.trainer);
  const int code = orchestrator::with_agents(launch, run_options, [&] {
    return leaving_code(options.exit_code_file,
                        [&] { return coordinate(options, run_options, launch); });
  });
  return launch.leave(code);
}

namespace {

// "job      12 is RUNNING", where a batch system runs it and can be asked.
std::string job_line(const std::string& job) {
  const auto state = orchestrator::job_state(job);
  if (!state) return "";
  return fmt::format("job      {} {}\n", job,
                     state->empty() ? "is no longer known to Slurm" : "is " + *state);
}

}  // namespace

int status(const fs::path& directory, bool json) {
  const RunDirectory run(directory);
  if (!run.holds_sweep()) {
    throw UsageError(fmt::format("{} is not a run directory: it holds no sweep.toml and data.json",
                                 directory.string()));
  }
  if (imported::holds_imported_sweep(run)) return imported_status(directory, json);
  const auto status = orchestrator::read_status(run);
  if (json) {
    fmt::print("{}\n", orchestrator::status_json(status));
    return kExitDone;
  }
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  fmt::print("{}{}",
             orchestrator::format_status(status, std::chrono::duration<double>(now).count()),
             job_line(status.job));
  return kExitDone;
}

}  // namespace calsweep::cli
