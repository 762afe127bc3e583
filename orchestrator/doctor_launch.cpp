// `calsweep doctor`: launchers, MPI and the batch system.
#include <fmt/core.h>
#include <mpi.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "orchestrator/doctor.hpp"
#include "orchestrator/helper_program.hpp"
#include "orchestrator/status_file.hpp"
#include "orchestrator/utc_time.hpp"
#include "orchestrator/walltime.hpp"

namespace calsweep::orchestrator {
namespace {

// A launcher that is started inside another one's task fails for reasons of its own.
const std::vector<std::string> kLauncherVariables = {
    "OMPI_COMM", "OMPI_UNIVERSE", "OMPI_MCA_ess", "OMPI_MCA_orte", "PMIX_", "PMI_"};

std::string first_line_of(const std::string& text) {
  return trimmed(text.substr(0, text.find('\n')));
}

// "4.1.4" of "mpirun (Open MPI) 4.1.4" or "Open MPI v4.1.4, package: …".
std::string version_in(const std::string& text) {
  const auto begin = text.find_first_of("0123456789");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_first_not_of("0123456789.", begin) - begin);
}

std::string library_version() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0;
  MPI_Get_library_version(text.data(), &length);
  return std::string(text.data(), static_cast<std::size_t>(length));
}

std::optional<Finding> examine_root(const Environment& environment) {
  if (::geteuid() != 0) return std::nullopt;
  if (environment.contains("OMPI_ALLOW_RUN_AS_ROOT") &&
      environment.contains("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM")) {
    return std::nullopt;
  }
  return Finding{Verdict::Warning, "root", "you are root, and Open MPI's mpirun refuses root",
                 "export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"};
}

Finding try_mpirun(const std::string& version) {
  const double before = steady_seconds();
  const auto two =
      run_helper({"mpirun", "--oversubscribe", "-n", "2", "true"},
                 {.timeout_seconds = 30.0,
                  .set = {{"OMPI_ALLOW_RUN_AS_ROOT", "1"}, {"OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"}},
                  .unset_prefixes = kLauncherVariables});
  if (two.succeeded()) {
    return {Verdict::Ok, "mpirun",
            fmt::format("Open MPI {}; two ranks start and end in {:.1f} s", version,
                        steady_seconds() - before),
            ""};
  }
  return {Verdict::Failure, "mpirun",
          two.end == HelperResult::End::TimedOut
              ? "two ranks of `true` did not end within 30 s"
              : fmt::format("two ranks of `true` failed: {}", first_line_of(two.errors)),
          "run `mpirun -n 2 true` by hand; a firewall between the nodes is a common reason"};
}

Finding examine_mpirun() {
  const auto answer = run_helper({"mpirun", "--version"}, {.unset_prefixes = kLauncherVariables});
  if (answer.end == HelperResult::End::NotFound) {
    return {Verdict::Warning, "mpirun", "not in PATH",
            "nothing, on one machine without it or with srun; else load the Open MPI that calsweep "
            "is built with (module avail openmpi)"};
  }
  const std::string said = first_line_of(answer.output);
  if (said.find("Open MPI") == std::string::npos && said.find("OpenRTE") == std::string::npos) {
    return {Verdict::Failure, "mpirun", fmt::format("belongs to another MPI: '{}'", said),
            "put Open MPI's mpirun first in PATH: calsweep is built with Open MPI"};
  }
  const auto library = version_in(library_version()), launcher = version_in(said);
  if (library != launcher) {
    return {Verdict::Warning, "mpirun",
            fmt::format("Open MPI {}, but calsweep uses the library {}", launcher, library),
            "load one Open MPI for both; versions that differ may not find each other"};
  }
  return try_mpirun(launcher);
}

std::vector<Finding> examine_slurm() {
  if (!program_exists("srun") && !program_exists("sbatch")) {
    return {{Verdict::Ok, "Slurm", "none on this machine", ""}};
  }
  std::vector<Finding> findings;
  const auto ping = run_helper({"scontrol", "ping"});
  const bool up = ping.output.find("UP") != std::string::npos;
  findings.push_back(up ? Finding{Verdict::Ok, "Slurm", "the controller answers", ""}
                        : Finding{Verdict::Warning, "Slurm",
                                  "installed, but its controller does not answer",
                                  "run `scontrol ping`; without Slurm use calsweep run or mpirun"});
  if (!up) return findings;
  const auto types = run_helper({"srun", "--mpi=list"});
  const bool pmix = (types.output + types.errors).find("pmix") != std::string::npos;
  findings.push_back(
      pmix
          ? Finding{Verdict::Ok, "srun", "has PMIx: `srun --mpi=pmix` connects the tasks", ""}
          : Finding{Verdict::Warning, "srun", "has no PMIx, so its tasks would not find each other",
                    "use `calsweep slurm --launcher mpirun`, or mpirun inside the job"});
  const auto config = run_helper({"scontrol", "show", "config"});
  const bool tree = config.output.find("SLURM_VERSION           = 22.05") != std::string::npos &&
                    config.output.find("PMIxCollFence           = ring") == std::string::npos;
  if (pmix && tree) {
    findings.push_back(
        {Verdict::Warning, "PMIx fence",
         "Slurm 22.05's default one lets a start on several nodes crash now and then",
         "ask for PMIxCollFence=ring in mpi.conf; scripts of `calsweep slurm` try such a start "
         "again"});
  }
  return findings;
}

Finding examine_walltime(const Environment& environment) {
  const auto job = environment.find("SLURM_JOB_ID");
  if (job == environment.end()) return {Verdict::Ok, "time limit", "none: this is not a job", ""};
  const auto end = job_end_unix(environment);
  if (end) {
    return {Verdict::Ok, "time limit",
            fmt::format("job {} ends in {}; the sweep stops in time", job->second,
                        format_duration(std::max(0.0, *end - unix_seconds()))),
            ""};
  }
  return {Verdict::Warning, "time limit",
          fmt::format("job {} has none, or nobody here knows it", job->second),
          "tell it with `calsweep run --time`, or rely on Slurm's warning signal"};
}

}  // namespace

std::vector<Finding> examine_launch(const Environment& environment) {
  std::vector<Finding> findings;
  if (auto root = examine_root(environment)) findings.push_back(*root);
  findings.push_back(examine_mpirun());
  for (auto& finding : examine_slurm()) findings.push_back(std::move(finding));
  findings.push_back(examine_walltime(environment));
  return findings;
}

}  // namespace calsweep::orchestrator
