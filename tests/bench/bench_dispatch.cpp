// Units per second through the real path (coordinator, ledger on disk, messages, agents), without
// any training: the agents answer at once. Run alone or under mpirun; dispatch_rate.py compares
// rank counts.
//
//   bench-dispatch SCRATCH_DIRECTORY N_UNITS
#include <fmt/core.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>

#include "orchestrator/launch.hpp"
#include "orchestrator/ledger.hpp"
#include "orchestrator/run_lock.hpp"
#include "orchestrator/run_sweep.hpp"
#include "orchestrator/status_file.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/log.hpp"

namespace {

using namespace calsweep;

// One network per unit, of a dozen shapes, so that the scheduler has something to choose from.
std::vector<WorkUnit> synthetic_units(int n) {
  std::vector<WorkUnit> units(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < units.size(); ++i) {
    const std::string name = std::to_string(i);
    Stack stack;
    stack.settings.set("model.depth", static_cast<std::int64_t>(i % 12 + 1));
    stack.members.push_back({TrialId::of(name), static_cast<std::int64_t>(i), 0, StageId()});
    units[i].id = UnitId::of(name);
    units[i].stacks.push_back(std::move(stack));
    units[i].flops = 1e6 * static_cast<double>(i % 1000 + 1);
    units[i].shape = "d" + std::to_string(i % 12 + 1);
  }
  return units;
}

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

int coordinate(const RunDirectory& run, int n, const orchestrator::RunOptions& options,
               orchestrator::Launch& launch) {
  fs::remove_all(run.root());
  fs::create_directories(run.root());
  orchestrator::RunLock lock(run.lock(), {});
  orchestrator::Ledger ledger(run.ledger());
  orchestrator::UnitRun work;
  work.name = "no-op";
  work.units = synthetic_units(n);
  work.trials_total = n;
  const double cpu_before = cpu_seconds();
  const int code = orchestrator::run_units(work, ledger, lock, run, options, launch);
  const auto status = orchestrator::read_status(run);
  fmt::print(
      "{{\"ranks\": {}, \"units\": {}, \"seconds\": {:.4f}, \"units_per_second\": {:.0f}, "
      "\"coordinator_cpu_seconds\": {:.3f}}}\n",
      launch.size(), status.units_done, status.elapsed_seconds, status.units_per_second,
      cpu_seconds() - cpu_before);
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "usage: bench-dispatch SCRATCH_DIRECTORY N_UNITS\n");
    return kExitUsage;
  }
  log::set_up("bench", log::Level::Warning);
  try {
    orchestrator::Launch launch;
    orchestrator::RunOptions options;
    options.no_op = true;
    options.trainer = "none";
    options.display = orchestrator::DisplayMode::Off;
    const RunDirectory run(argv[1]);
    return launch.leave(orchestrator::with_agents(
        launch, options, [&] { return coordinate(run, std::atoi(argv[2]), options, launch); }));
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return kExitInternal;
  }
}
