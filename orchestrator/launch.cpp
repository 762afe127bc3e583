#include "orchestrator/launch.hpp"

#include <fmt/core.h>
#include <sched.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "orchestrator/stop_signal.hpp"
#include "sweeps/errors.hpp"

extern char** environ;

namespace calsweep::orchestrator {
namespace {

constexpr double kShareOfKillDelay = 0.6;  // the rest is for closing the ledger
constexpr double kPatienceOfBatchSystems = 20.0;

bool has_prefix(const Environment& environment, const std::string& prefix) {
  const auto first = environment.lower_bound(prefix);
  return first != environment.end() && first->first.starts_with(prefix);
}

int number_of(const Environment& environment, const std::string& name) {
  const auto found = environment.find(name);
  return found == environment.end() ? 0 : std::atoi(found->second.c_str());
}

// mpirun ends its ranks with SIGTERM and, this many seconds later, SIGKILL.
double mpirun_kill_delay(const Environment& environment) {
  const int seconds = number_of(environment, "OMPI_MCA_odls_base_sigkill_timeout");
  return seconds > 0 ? seconds : 1.0;
}

// Every task throws; only the first one's text explains.
[[noreturn]] void refuse(int task, const std::string& text) {
  throw UsageError(task == 0 ? text : "this launch is refused, see the message of the first task");
}

// mpirun binds up to two ranks to a core each unless told otherwise, and trainers would inherit
// that. A binding that was asked for stays; Open MPI's default gives way to what the launcher
// itself has.
void undo_default_binding(const Environment& environment) {
  if (!environment.contains("OMPI_MCA_orte_bound_at_launch")) return;
  if (environment.contains("OMPI_MCA_hwloc_base_binding_policy")) return;
  cpu_set_t launchers;
  CPU_ZERO(&launchers);
  if (::sched_getaffinity(::getppid(), sizeof launchers, &launchers) != 0) return;
  ::sched_setaffinity(0, sizeof launchers, &launchers);
}

}  // namespace

Environment this_environment() {
  Environment environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text(*entry);
    const auto equals = text.find('=');
    if (equals != std::string::npos) environment[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return environment;
}

LaunchPlan detect_launch(const Environment& environment) {
  const int open_mpi_size = number_of(environment, "OMPI_COMM_WORLD_SIZE");
  if (open_mpi_size > 0) {
    return {Launcher::OpenMpi, open_mpi_size, kShareOfKillDelay * mpirun_kill_delay(environment)};
  }
  const int step_tasks = number_of(environment, "SLURM_STEP_NUM_TASKS");
  if (has_prefix(environment, "PMIX_")) return {Launcher::OpenMpi, step_tasks, kPatienceOfBatchSystems};
  if (step_tasks > 1) {
    refuse(number_of(environment, "SLURM_PROCID"),
           fmt::format("srun started {} tasks, but without PMIx they cannot find each other: each "
                       "would be a run of its own in the same directory. Use `srun --mpi=pmix`, or "
                       "`mpirun` inside the job",
                       step_tasks));
  }
  for (const char* name : {"PMI_SIZE", "MV2_COMM_WORLD_SIZE", "MPI_LOCALNRANKS"}) {
    const int tasks = number_of(environment, name);
    if (tasks <= 1) continue;
    refuse(
        number_of(environment, "PMI_RANK"),
        fmt::format("another MPI's launcher started {} tasks ({} is set); calsweep is built with "
                    "Open MPI, so each would be a run of its own in the same directory. Use Open "
                    "MPI's mpirun (`mpirun --version` says whose it is)",
                    tasks, name));
  }
  return {};
}

void check_launch(const LaunchPlan& plan, int communicator_size) {
  if (plan.expected_size == 0 || plan.expected_size == communicator_size) return;
  throw UsageError(fmt::format(
      "the launcher started {} tasks, but MPI connects {} of them: the launcher and the "
      "MPI library do not fit together. Use the mpirun of the Open MPI that calsweep is "
      "built with, or `srun --mpi=pmix`",
      plan.expected_size, communicator_size));
}

Launch::Launch(const Environment& environment) : Launch(detect_launch(environment)) {
  if (session_) undo_default_binding(environment);
}

Launch::Launch(const LaunchPlan& plan)
    : parent_(::getppid()), seconds_before_kill_(plan.seconds_before_kill) {
  if (plan.launcher == Launcher::Alone) return;
  session_ = std::make_unique<MpiSession>();
  check_launch(plan, session_->size());
}

bool Launch::launcher_is_gone() const { return session_ && ::getppid() != parent_; }

int Launch::leave(int exit_code) {
  if (!session_) return exit_code;
  if (clean_ && (rank() != 0 || !a_kill_may_follow()) && !launcher_is_gone()) {
    session_->finalize();
    return exit_code;
  }
  session_->abandon();
  std::fflush(nullptr);
  std::_Exit(exit_code);
}

}  // namespace calsweep::orchestrator
