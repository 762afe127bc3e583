#include "analysis/analysis_jobs.hpp"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "analysis/results/results_line.hpp"
#include "analysis/trial_analysis.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kOpenFilesKept = 64;

std::string file_in_run(const UnitId& unit) { return fmt::format("units/{}.h5", unit.hex()); }

std::string problem(std::string predictor, const std::string& file, const std::string& message) {
  return encode(AnalysisProblem{std::move(predictor), file, message});
}

std::vector<std::string> run_unit(const AnalysisJob& job, const RunDirectory& run) {
  std::vector<std::string> lines;
  const std::string file_name = file_in_run(job.unit);
  try {
    const UnitFileReader file(run.unit(job.unit), true);
    for (const auto& id : job.trials) {
      try {
        lines.push_back(encode(analyze_trial(file, id)));
      } catch (const CalsweepError& error) {
        lines.push_back(problem(id.str(), file_name, error.what()));
      }
    }
  } catch (const CalsweepError& error) {
    lines.push_back(problem("", file_name, error.what()));
    for (const auto& id : job.trials) {
      lines.push_back(
          problem(id.str(), file_name,
                  "its unit file " + file_name + " is damaged: `calsweep run` trains it again"));
    }
  }
  return lines;
}

/// Unit files stay open from one ensemble to the next: neighbours share them.
class OpenFiles {
 public:
  explicit OpenFiles(const RunDirectory& run) : run_(run) {}
  const UnitFileReader& get(const UnitId& unit) {
    const auto at = files_.find(unit);
    if (at != files_.end()) return at->second;
    return files_.emplace(unit, UnitFileReader(run_.unit(unit), false)).first->second;
  }
  void trim() {
    if (files_.size() > kOpenFilesKept) files_.clear();
  }

 private:
  const RunDirectory& run_;
  std::map<UnitId, UnitFileReader> files_;
};

/// Empty if a member diverged: ResultsDb::finish sees that from the member itself.
std::vector<EnsembleMember> open_members(const EnsembleTask& task, OpenFiles& files) {
  std::vector<EnsembleMember> members;
  for (const auto& place : task.members) {
    const auto& file = files.get(place.unit);
    if (file.trial(place.trial).outcome == TrialOutcome::Diverged) return {};
    members.push_back({&file, place.trial});
  }
  return members;
}

std::vector<std::string> run_ensembles(const AnalysisJob& job, const RunDirectory& run) {
  std::vector<std::string> lines;
  OpenFiles files(run);
  for (const auto& task : job.ensembles) {
    try {
      const auto members = open_members(task, files);
      if (!members.empty()) lines.push_back(encode(analyze_ensemble(task.id, members)));
    } catch (const CalsweepError& error) {
      lines.push_back(problem(task.id, "", error.what()));
    }
    files.trim();
  }
  return lines;
}

}  // namespace

std::string AnalysisJob::to_json() const {
  Json json = {{"unit", unit.str()}, {"trials", Json::array()}, {"ensembles", Json::array()}};
  for (const auto& id : trials) json["trials"].push_back(id.str());
  for (const auto& task : ensembles) {
    Json members = Json::array();
    for (const auto& m : task.members) members.push_back({m.trial.str(), m.unit.str()});
    json["ensembles"].push_back({{"id", task.id}, {"members", std::move(members)}});
  }
  return json.dump();
}

AnalysisJob AnalysisJob::from_json(std::string_view text) {
  try {
    const Json json = Json::parse(text);
    AnalysisJob job;
    job.unit = UnitId::from_hex(json.at("unit").get<std::string>());
    for (const auto& id : json.at("trials")) {
      job.trials.push_back(TrialId::from_hex(id.get<std::string>()));
    }
    for (const auto& task : json.at("ensembles")) {
      EnsembleTask ensemble{task.at("id"), {}};
      for (const auto& m : task.at("members")) {
        ensemble.members.push_back({TrialId::from_hex(m.at(0).get<std::string>()),
                                    UnitId::from_hex(m.at(1).get<std::string>())});
      }
      job.ensembles.push_back(std::move(ensemble));
    }
    return job;
  } catch (const Json::exception& error) {
    throw FormatError(
        fmt::format("an analysis job could not be read: {}; all ranks must run the "
                    "same calsweep",
                    error.what()));
  }
}

std::vector<std::string> run_job(const AnalysisJob& job, const RunDirectory& run) {
  return job.ensembles.empty() ? run_unit(job, run) : run_ensembles(job, run);
}

}  // namespace calsweep::analysis
