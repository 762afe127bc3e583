#include "analysis/analysis_plan.hpp"

#include <algorithm>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "analysis/predictor_data.hpp"
#include "analysis/results/previous_results.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/unit_file.hpp"
#include "sweeps/version.hpp"

namespace calsweep::analysis {
namespace {

class Planner {
 public:
  Planner(const Sweep& sweep, const RunDirectory& run, Reuse reuse)
      : sweep_(sweep), run_(run), previous_(read_previous_results(run.results())) {
    if (reuse == Reuse::Nothing) previous_ = PreviousResults();
    for (const auto& trial : sweep.trials) wanted_.insert(trial.id);
    if (previous_.predictor_options != predictor_options(sweep.spec.analysis)) {
      previous_.trials.clear();
      previous_.ensembles.clear();
    }
  }

  AnalysisPlan make() {
    for (const auto& unit : run_.sealed_units()) add_unit(unit);
    add_ensembles();
    plan_.up_to_date = is_up_to_date();
    return std::move(plan_);
  }

 private:
  void add_unit(const UnitId& unit) {
    ++plan_.n_unit_files;
    AnalysisJob job = new_job();
    job.unit = unit;
    try {
      const UnitFileReader file(run_.unit(unit), false);
      const std::vector<TrialId> trials = file.trials();
      verify_if_strange(unit, trials);
      for (const auto& id : trials) {
        if (!wanted_.contains(id) || !place_.emplace(id, unit).second) continue;
        if (is_known(id, unit, file.checksum())) {
          plan_.kept_trials.push_back(id);
          kept_.insert(id);
        } else {
          job.trials.push_back(id);
        }
      }
    } catch (const CalsweepError& error) {
      plan_.problems.push_back({"", "units/" + unit.str() + ".h5", error.what()});
      return;
    }
    if (job.trials.empty()) {
      ++plan_.n_unit_files_unchanged;
    } else {
      plan_.jobs.push_back(std::move(job));
    }
  }

  // Files that are read are verified then. But one flipped bit in the name of a wanted trial makes
  // it one that nobody asks for, and its file one that nobody reads. Throws FormatError.
  void verify_if_strange(const UnitId& unit, const std::vector<TrialId>& trials) const {
    const bool all_wanted = std::all_of(trials.begin(), trials.end(),
                                        [&](const TrialId& id) { return wanted_.contains(id); });
    if (trials.empty() || !all_wanted) UnitFileReader(run_.unit(unit), true);
  }

  bool is_known(const TrialId& id, const UnitId& unit, const std::string& checksum) const {
    const auto at = previous_.trials.find(id);
    return at != previous_.trials.end() && at->second.unit == unit &&
           at->second.checksum == checksum;
  }

  void add_ensembles() {
    std::set<std::string> seen;
    const Replicate* last = nullptr;
    AnalysisJob job = new_job();
    for (const auto& replicate : sweep_.replicates) {
      if (!is_ensemble(sweep_, replicate)) continue;
      const bool same_group =
          last != nullptr && last->cell == replicate.cell && last->method == replicate.method;
      if (!same_group) flush(job);
      last = &replicate;
      if (seen.insert(predictor_id(sweep_, replicate)).second) add_ensemble(replicate, job);
    }
    flush(job);
  }

  void flush(AnalysisJob& job) {
    if (!job.ensembles.empty()) plan_.jobs.push_back(std::move(job));
    job = new_job();
  }

  AnalysisJob new_job() const { return {sweep_.spec.analysis, {}, {}, {}}; }

  /// Nothing to read, nothing to forget, and the sweep is declared as it was.
  bool is_up_to_date() const {
    return previous_.usable && plan_.jobs.empty() && plan_.problems.empty() &&
           previous_.n_damaged == 0 && previous_.spec == sweep_.spec.source_text &&
           previous_.written_by == written_by() &&
           previous_.trials.size() == plan_.kept_trials.size() &&
           previous_.ensembles.size() == plan_.kept_ensembles.size();
  }

  void add_ensemble(const Replicate& replicate, AnalysisJob& job) {
    EnsembleTask task{predictor_id(sweep_, replicate), {}};
    bool all_kept = true;
    for (const auto& id : member_ids(sweep_, replicate)) {
      const auto at = place_.find(id);
      if (at == place_.end()) return;
      all_kept = all_kept && kept_.contains(id);
      task.members.push_back({id, at->second});
    }
    if (all_kept && previous_.ensembles.contains(task.id)) {
      plan_.kept_ensembles.push_back(task.id);
    } else {
      job.ensembles.push_back(std::move(task));
    }
  }

  const Sweep& sweep_;
  const RunDirectory& run_;
  PreviousResults previous_;
  AnalysisPlan plan_;
  std::unordered_set<TrialId> wanted_, kept_;
  std::unordered_map<TrialId, UnitId> place_;
};

}  // namespace

AnalysisPlan plan_analysis(const Sweep& sweep, const RunDirectory& run, Reuse reuse) {
  return Planner(sweep, run, reuse).make();
}

std::vector<TrialId> member_ids(const Sweep& sweep, const Replicate& replicate) {
  std::vector<TrialId> ids;
  for (const auto trial : replicate.trials) {
    ids.push_back(sweep.trials[static_cast<std::size_t>(trial)].id);
  }
  return ids;
}

bool is_ensemble(const Sweep& sweep, const Replicate& replicate) {
  return sweep.spec.methods[static_cast<std::size_t>(replicate.method)].ensemble.has_value();
}

std::string predictor_id(const Sweep& sweep, const Replicate& replicate) {
  const auto ids = member_ids(sweep, replicate);
  CALSWEEP_CHECK(!ids.empty(), "a replicate has at least one trial");
  return is_ensemble(sweep, replicate) ? ensemble_id(ids) : ids.front().str();
}

}  // namespace calsweep::analysis
