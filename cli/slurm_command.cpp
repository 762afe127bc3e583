// `calsweep slurm SPEC`: a batch script on standard output, in a file, or in Slurm's queue.
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "cli/commands.hpp"
#include "cli/named_file.hpp"
#include "cli/run_preparation.hpp"
#include "orchestrator/helper_program.hpp"
#include "orchestrator/slurm_script.hpp"
#include "orchestrator/walltime.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/log.hpp"

namespace calsweep::cli {
namespace {

using orchestrator::SlurmJob;
using orchestrator::SlurmLauncher;

fs::path this_program() {
  std::error_code error;
  return fs::read_symlink("/proc/self/exe", error);
}

// One word with a slash, or that ends in .sh, and that is no assignment.
bool looks_like_a_file(const std::string& text) {
  if (text.find_first_of(" \t=;&|") != std::string::npos) return false;
  return text.find('/') != std::string::npos || text.ends_with(".sh");
}

// A --setup that names a file is sourced by the script; everything else is a line of it.
std::vector<std::string> setup_lines(const std::vector<std::string>& given) {
  std::vector<std::string> lines;
  for (const auto& text : given) {
    std::error_code ignored;
    const bool file = fs::is_regular_file(text, ignored);
    if (!file && looks_like_a_file(text)) {
      throw UsageError(fmt::format(
          "--setup {0}: there is no such file here; to source a file that only the nodes have, "
          "write --setup \"source {0}\"",
          text));
    }
    lines.push_back(file ? "source '" + fs::absolute(text).string() + "'" : text);
  }
  return lines;
}

fs::path absolute_trainer(const SlurmOptions& options) {
  return (fs::current_path() / options.trainer).lexically_normal();
}

// What calsweep run is told in the script, and only what differs from its defaults.
std::vector<std::string> run_options_of(const SlurmOptions& options) {
  std::vector<std::string> words;
  const auto add = [&](bool given, const std::string& name, const std::string& value) {
    if (given) words.insert(words.end(), {name, value});
  };
  add(options.slots > 0, "--slots", std::to_string(options.slots));
  add(options.device != "auto", "--device", options.device);
  add(!options.trainer.empty(), "--trainer", absolute_trainer(options).string());
  add(options.time_margin_seconds > 0.0, "--time-margin",
      fmt::format("{:g}", options.time_margin_seconds));
  add(options.agent_silence_seconds > 0.0, "--agent-silence",
      fmt::format("{:g}", options.agent_silence_seconds));
  return words;
}

void check_margin(const SlurmOptions& options) {
  if (options.time_margin_seconds <= 0.0 || options.job.time.empty()) return;
  const double seconds = orchestrator::parse_duration(options.job.time);
  if (options.time_margin_seconds < seconds) return;
  throw UsageError(
      fmt::format("--time-margin {:g} is not less than --time {} ({:.0f} s): no time would be left "
                  "to train; give more time, or a smaller margin",
                  options.time_margin_seconds, options.job.time, seconds));
}

SlurmJob job_from(const SlurmOptions& options, const Spec& spec) {
  SlurmJob job = options.job;
  job.sweep = spec.name;
  job.program = this_program();
  job.spec = fs::absolute(options.spec).lexically_normal();
  const fs::path folder = job.directory.empty() ? fs::path("runs") / spec.name : job.directory;
  job.directory = fs::absolute(folder).lexically_normal();
  if (const char* data = std::getenv("CALSWEEP_DATA")) job.data_root = fs::absolute(data).string();
  job.launcher = options.launcher == "mpirun" ? SlurmLauncher::Mpirun : SlurmLauncher::Srun;
  job.setup = setup_lines(options.job.setup);
  job.run_options = run_options_of(options);
  orchestrator::check_job(job);
  check_margin(options);
  return orchestrator::complete_job(std::move(job), spec.execution.threads);
}

// The nodes may have a trainer that this machine does not have.
void look_for_trainer(const SlurmOptions& options) {
  if (options.trainer.empty()) return;
  const fs::path trainer = absolute_trainer(options);
  std::error_code ignored;
  if (fs::is_regular_file(trainer, ignored) && ::access(trainer.c_str(), X_OK) == 0) return;
  log::warning(
      fmt::format("there is no program {} here (--trainer); the job fails unless its nodes have it",
                  trainer.string()));
}

// Before anything is made: writing names files of its own in what it complains about.
void check_output(const fs::path& file) {
  if (file.empty()) return;
  const fs::path folder = fs::absolute(file).parent_path();
  std::error_code ignored;
  std::string reason;
  if (fs::is_directory(file, ignored)) {
    reason = "it is a folder; give the name of a file in it";
  } else if (!fs::is_directory(folder, ignored)) {
    reason = fmt::format("there is no folder {}", folder.string());
  } else if (::access(folder.c_str(), W_OK | X_OK) != 0) {
    reason = fmt::format("{}: {}", folder.string(), std::strerror(errno));
  }
  if (reason.empty()) return;
  throw UsageError(fmt::format("cannot write --output {}: {}", file.string(), reason));
}

void check_sbatch() {
  if (orchestrator::program_exists("sbatch")) return;
  throw UsageError(
      "there is no sbatch on this machine: run this on a login node of the cluster, or write the "
      "script with --output FILE and submit it there");
}

// Slurm opens a job's output before the job begins, and a job without its folder fails in silence.
void make_log_folder(const RunDirectory& directory) {
  std::error_code error;
  fs::create_directories(directory.slurm(), error);
  if (fs::is_directory(directory.slurm())) return;
  throw IoError(fmt::format("cannot make {} for the job's log: {}; choose another with --dir",
                            directory.slurm().string(), error.message()));
}

void write_script(const fs::path& file, const std::string& text) {
  write_file_atomically(file, text);
  if (::chmod(file.c_str(), 0755) != 0) {
    log::warning(fmt::format("{} cannot be made executable", file.string()));
  }
}

std::string how_long(const SlurmJob& job) {
  if (job.time.empty()) return "the partition's default time";
  return "up to " + job.time + " a start";
}

void say_what_next(const SlurmJob& job, const std::string& id) {
  const auto shown = fs::proximate(job.directory).string();
  std::string log_file = orchestrator::slurm_output(job).filename().string();
  log_file = job.array > 0 ? id + "_1.out" : id + ".out";
  fmt::print(stderr,
             "calsweep: submitted '{}' as job {}: {} node{}, {}; requeued until it is complete\n"
             "  squeue -j {:<28} where it is in the queue\n"
             "  calsweep status {:<22} how far the sweep is\n"
             "  tail -f {}\n"
             "  scancel {:<30} stop it; submitting again continues\n",
             job.sweep, id, job.nodes, job.nodes == 1 ? "" : "s", how_long(job), id, shown,
             (fs::path(shown) / "slurm" / log_file).string(), id);
}

// Folders are only removed where nothing else is in them.
void remove_script(const fs::path& script, const RunDirectory& directory) {
  std::error_code ignored;
  for (const auto& path : {script, directory.slurm(), directory.root()}) fs::remove(path, ignored);
}

// Our sentence, then what sbatch said, on lines of its own.
std::string why_not_taken(const orchestrator::HelperResult& sbatch) {
  if (sbatch.end == orchestrator::HelperResult::End::TimedOut) {
    return "sbatch gave no answer for 60 s: `squeue --me` says whether the job is queued "
           "nevertheless; if not, submit again";
  }
  std::string text =
      "sbatch did not take the job. `sinfo` shows whether Slurm answers and which partitions there "
      "are; --output FILE only writes the script. sbatch said:";
  std::istringstream said(orchestrator::trimmed(sbatch.errors));
  for (std::string line; std::getline(said, line);) text += "\n  " + line;
  return text;
}

int submit(const SlurmJob& job, const RunDirectory& directory) {
  const fs::path script = directory.slurm() / "job.sh";
  write_script(script, orchestrator::slurm_script(job));
  const auto sbatch = orchestrator::run_helper({"sbatch", "--parsable", script.string()},
                                               {.timeout_seconds = 60.0});
  if (!sbatch.succeeded()) {
    remove_script(script, directory);
    throw UsageError(why_not_taken(sbatch));
  }
  const auto answer = orchestrator::trimmed(sbatch.output);  // "12" or "12;cluster"
  const auto id = answer.substr(0, answer.find(';'));
  fmt::print("{}\n", id);
  std::fflush(stdout);
  say_what_next(job, id);
  return kExitDone;
}

}  // namespace

int slurm(const SlurmOptions& options) {
  const Spec spec = load_spec(named_file(options.spec, "the sweep's TOML file"));
  const SlurmJob job = job_from(options, spec);
  const RunDirectory directory(job.directory);
  check_run_directory(directory, spec);
  check_output(options.output);
  if (options.submit) check_sbatch();
  look_for_trainer(options);
  make_log_folder(directory);
  if (options.submit) return submit(job, directory);
  const std::string script = orchestrator::slurm_script(job);
  if (options.output.empty()) {
    fmt::print("{}", script);
    return kExitDone;
  }
  write_script(options.output, script);
  log::info(fmt::format("wrote {}; submit it with: sbatch {}", options.output.string(),
                        options.output.string()));
  return kExitDone;
}

}  // namespace calsweep::cli
