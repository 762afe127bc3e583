#include "analysis/analysis_jobs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "analysis/memory_need.hpp"
#include "analysis/predictor_analysis.hpp"
#include "analysis/predictor_data.hpp"
#include "analysis/results/results_line.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kOpenFilesKept = 64;

std::string file_in_run(const UnitId& unit) { return fmt::format("units/{}.h5", unit.hex()); }

AnalysisProblem problem(std::string predictor, const std::string& file,
                        const std::string& message) {
  return {std::move(predictor), file, message};
}

std::vector<ResultsLine> run_unit(const AnalysisJob& job, const RunDirectory& run) {
  std::vector<ResultsLine> lines;
  const std::string file_name = file_in_run(job.unit);
  std::unique_lock lock(file_library());
  try {
    const UnitFileReader file(run.unit(job.unit), true);
    for (const auto& id : job.trials) {
      if (!lock) lock.lock();
      try {
        const auto network = read_network(file, id);
        lock.unlock();
        const MemoryReservation room(bytes_needed(network, job.options), "trial " + id.str());
        lines.emplace_back(analyze_network(network, job.options));
      } catch (const CalsweepError& error) {
        lines.emplace_back(problem(id.str(), file_name, error.what()));
      }
    }
    if (!lock) lock.lock();  // the file closes
  } catch (const CalsweepError& error) {
    lines.emplace_back(problem("", file_name, error.what()));
    for (const auto& id : job.trials) {
      lines.emplace_back(problem(id.str(), file_name,
                                 "its unit file " + file_name +
                                     " is damaged: `calsweep run` trains it again, or "
                                     "`calsweep import` reads the record again"));
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

std::vector<ResultsLine> run_ensembles(const AnalysisJob& job, const RunDirectory& run) {
  std::vector<ResultsLine> lines;
  std::unique_lock lock(file_library());
  OpenFiles files(run);
  for (const auto& task : job.ensembles) {
    if (!lock) lock.lock();
    try {
      const auto members = open_members(task, files);
      if (members.empty()) continue;
      const auto ensemble = read_ensemble(task.id, members);
      lock.unlock();
      {
        const MemoryReservation room(bytes_needed(ensemble, job.options), "ensemble " + task.id);
        lines.emplace_back(analyze_ensemble(ensemble, job.options));
      }
      lock.lock();
      files.trim();
    } catch (const CalsweepError& error) {
      lines.emplace_back(problem(task.id, "", error.what()));
    }
  }
  if (!lock) lock.lock();  // the files close
  return lines;
}

Json encode_options(const AnalysisOptions& options) {
  return {{"calibrators", options.calibrators},
          {"folds", options.cross_fitting_folds},
          {"resamples", options.resamples},
          {"conformal_alpha", options.conformal_alpha}};
}

/// What networks and ensembles are analysed with; the rest concerns the sweep as a whole.
AnalysisOptions decode_options(const Json& json) {
  AnalysisOptions options;
  options.calibrators = json.at("calibrators").get<std::vector<std::string>>();
  options.cross_fitting_folds = json.at("folds");
  options.resamples = json.at("resamples");
  options.conformal_alpha = json.at("conformal_alpha");
  return options;
}

}  // namespace

std::string AnalysisJob::to_json() const {
  Json json = {{"options", encode_options(options)},
               {"unit", unit.str()},
               {"trials", Json::array()},
               {"ensembles", Json::array()}};
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
    job.options = decode_options(json.at("options"));
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

std::vector<ResultsLine> run_job(const AnalysisJob& job, const RunDirectory& run) {
  return job.ensembles.empty() ? run_unit(job, run) : run_ensembles(job, run);
}

void run_jobs(std::span<const AnalysisJob> jobs, const RunDirectory& run,
              const std::function<void(const std::vector<ResultsLine>&)>& store) {
  std::atomic<std::size_t> next{0};
  std::mutex storing;
  std::exception_ptr failure;
  const auto work = [&] {
    try {
      for (std::size_t at = 0; (at = next.fetch_add(1)) < jobs.size();) {
        const auto lines = run_job(jobs[at], run);
        const std::lock_guard lock(storing);
        if (failure) return;
        store(lines);
      }
    } catch (...) {
      const std::lock_guard lock(storing);
      if (!failure) failure = std::current_exception();
      next = jobs.size();
    }
  };
  const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
  {
    std::vector<std::jthread> threads;
    for (std::size_t t = 1; t < std::min(cores, jobs.size()); ++t) threads.emplace_back(work);
    work();
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace calsweep::analysis
