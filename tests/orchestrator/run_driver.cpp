// `calsweep run` in small: a made-up sweep, run in whatever way this program was launched, with the
// fake trainer. Driven under real mpirun by mpi_run_test.py.
//
//   run-driver DIRECTORY TRAINER SLOTS HEARTBEAT_SECONDS
#include <cstdio>
#include <cstdlib>
#include <string>

#include "orchestrator/launch.hpp"
#include "orchestrator/run_sweep.hpp"
#include "sweeps/errors.hpp"
#include "tests/support/small_sweep.hpp"

namespace {

using namespace calsweep;

int drive(char** arguments) {
  orchestrator::Launch launch;
  orchestrator::RunOptions options;
  options.trainer = arguments[2];
  options.slots = std::atoi(arguments[3]);
  options.display = orchestrator::DisplayMode::Plain;
  options.lock_wait_seconds = 5.0;
  const int code = orchestrator::with_agents(launch, options, [&] {
    const RunDirectory run(arguments[1]);
    fs::create_directories(run.root());
    Sweep sweep = calsweep::testing::expand_or_fail(calsweep::testing::kSmallSpec);
    sweep.spec.execution.unit_seconds = 1e-6;
    sweep.spec.execution.heartbeat_seconds = std::atof(arguments[4]);
    return orchestrator::run_sweep(sweep, run, options, launch);
  });
  return launch.leave(code);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return kExitUsage;
  try {
    return drive(argv);
  } catch (const UsageError& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return kExitUsage;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return kExitInternal;
  }
}
