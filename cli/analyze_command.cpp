// `calsweep analyze DIR`: logits in, results.db out.
#include <fmt/core.h>

#include "analysis/analysis_plan.hpp"
#include "analysis/results_db.hpp"
#include "cli/commands.hpp"
#include "cli/shared_analysis.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/log.hpp"

namespace calsweep::cli {
namespace {

int analyze_as_first(orchestrator::Launch& launch, const RunDirectory& run, bool rebuild) {
  const Sweep sweep = run.load_sweep();
  if (rebuild) analysis::discard_results(run.results());
  const auto plan = analysis::plan_analysis(sweep, run);
  log::info(fmt::format("{} unit files, {} unchanged since the last analysis", plan.n_unit_files,
                        plan.n_unit_files_unchanged));
  analysis::ResultsDb results(sweep, run, plan);
  share_jobs(launch, run, plan.jobs, [&](const auto& lines) { results.store(lines); });
  const auto summary = results.finish();
  for (const auto& problem : summary.problems) log::error(problem.message);
  log::info(fmt::format("{} replicates in {}", summary.n_replicates, run.results().string()));
  return summary.problems.empty() ? kExitDone : kExitFailures;
}

}  // namespace

int analyze(const fs::path& directory, bool rebuild) {
  orchestrator::Launch launch;
  const RunDirectory run(fs::absolute(directory).lexically_normal());
  if (launch.rank() > 0) {
    help_with_jobs(launch, run);
    return launch.leave(kExitDone);
  }
  int code = kExitInternal;
  try {
    code = analyze_as_first(launch, run, rebuild);
  } catch (...) {
    end_sharing(launch);
    throw;
  }
  end_sharing(launch);
  return launch.leave(code);
}

}  // namespace calsweep::cli
