// `calsweep analyze DIR`: logits in, results.db out.
#include <fmt/core.h>

#include "analysis/analysis_plan.hpp"
#include "analysis/query/query.hpp"
#include "analysis/results/results_db.hpp"
#include "cli/commands.hpp"
#include "cli/shared_analysis.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/log.hpp"
#include "sweeps/unit_file.hpp"

namespace calsweep::cli {
namespace {

// `run` checks the files it knows by their size alone. A file whose content is found damaged here
// goes out of the way, so that `run` misses it and trains its trials again.
void set_damaged_files_aside(const RunDirectory& run, const analysis::AnalysisReport& report) {
  for (const auto& problem : report.problems) {
    const fs::path file = run.root() / problem.file;
    if (problem.file.empty() || !unit_file_belies_its_checksum(file)) continue;
    try {
      log::warning(
          fmt::format("moved {} to {}", file.string(), run.quarantine_file(file).string()));
    } catch (const IoError& error) {
      log::warning(error.what());
    }
  }
}

std::string text_of(const analysis::QueryValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  const auto* number = std::get_if<std::int64_t>(&value);
  return number == nullptr ? "" : std::to_string(*number);
}

// One network under several seeds is no ensemble: a common bug of whoever made the logits.
void warn_about_equal_members(const RunDirectory& run) {
  const auto found = analysis::run_query(
      run.results(),
      "SELECT m.name, count(*), CAST(min(v.value) AS INTEGER), max(p.n_members) FROM replicate r "
      "JOIN method m USING (method_id) JOIN predictor p USING (predictor_id) JOIN metric v USING "
      "(predictor_id) WHERE v.set_name = 'test' AND v.metric = 'distinct_members' AND "
      "v.value < p.n_members GROUP BY m.name ORDER BY m.name");
  for (const auto& row : found.rows) {
    log::warning(fmt::format(
        "{} of the ensembles '{}' have members with the same outputs (as few as {} different ones "
        "of {}): was one network evaluated under several seeds? Which they are: calsweep query {} "
        "\"SELECT * FROM replicate_metric WHERE metric = 'distinct_members' AND method = '{}'\"",
        text_of(row[1]), text_of(row[0]), text_of(row[2]), text_of(row[3]),
        fs::proximate(run.root()).string(), text_of(row[0])));
  }
}

analysis::AnalysisReport analyze_as_planned(orchestrator::Launch& launch, const Sweep& sweep,
                                            const RunDirectory& run,
                                            const analysis::AnalysisPlan& plan) {
  analysis::ResultsDb results(sweep, run, plan);
  share_jobs(launch, run, plan.jobs, [&](const auto& lines) { results.store(lines); });
  return results.finish();
}

int analyze_as_first(orchestrator::Launch& launch, const RunDirectory& run, bool rebuild) {
  const Sweep sweep = run.load_sweep();
  const auto plan = analysis::plan_analysis(
      sweep, run, rebuild ? analysis::Reuse::Nothing : analysis::Reuse::Previous);
  log::info(fmt::format("{} unit files, {} unchanged since the last analysis", plan.n_unit_files,
                        plan.n_unit_files_unchanged));
  const auto summary = plan.up_to_date ? analysis::stored_report(sweep, run)
                                       : analyze_as_planned(launch, sweep, run, plan);
  for (const auto& problem : summary.problems) log::error(problem.message);
  set_damaged_files_aside(run, summary);
  warn_about_equal_members(run);
  if (plan.up_to_date) log::info("results.db is up to date: nothing to do");
  log::info(fmt::format("{} of {} replicates in {}{}", summary.n_replicates - summary.n_missing,
                        summary.n_replicates, run.results().string(),
                        summary.n_missing > 0
                            ? fmt::format("; {} are missing: calsweep query {} missing",
                                          summary.n_missing, fs::proximate(run.root()).string())
                            : ""));
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
