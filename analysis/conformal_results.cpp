// Part of derived_results.hpp: conformal prediction sets.
#include "analysis/conformal/coverage.hpp"
#include "analysis/conformal/prediction_sets.hpp"
#include "analysis/derived_results.hpp"

namespace calsweep::analysis {
namespace {

constexpr ConformalScore kScores[] = {ConformalScore::Threshold, ConformalScore::Aps,
                                      ConformalScore::Raps};

void add_report(const CoverageReport& report, const std::string& score,
                PredictionSetResult& result) {
  const auto add = [&](const char* metric, const Measured& value) {
    result.metrics.push_back({metric, score, value});
  };
  add("conformal_coverage", report.coverage);
  add("conformal_size", report.mean_size);
  add("conformal_empty_fraction", report.empty_fraction);
  add("conformal_size_violation", report.size_stratified_violation);
  add("conformal_worst_class_coverage", report.worst_class_coverage);
}

/// Counts of every class and of every set size that occurs.
void add_strata(const PredictionSets& predicted, std::span<const std::int32_t> labels,
                const std::string& score, PredictionSetResult& result) {
  const auto n_classes = static_cast<std::size_t>(predicted.n_classes);
  std::vector<ConformalStratum> by_class(n_classes), by_size(n_classes + 1);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    for (auto* stratum : {&by_class[static_cast<std::size_t>(labels[i])],
                          &by_size[static_cast<std::size_t>(predicted.size[i])]}) {
      ++stratum->n;
      stratum->covered += predicted.covered[i];
      stratum->sum_size += predicted.size[i];
    }
  }
  const auto take = [&](std::vector<ConformalStratum>& strata, const char* kind) {
    for (std::size_t v = 0; v < strata.size(); ++v) {
      if (strata[v].n == 0) continue;
      strata[v].score = score;
      strata[v].stratum = kind;
      strata[v].value = static_cast<std::int64_t>(v);
      result.strata.push_back(strata[v]);
    }
  };
  take(by_class, "class");
  take(by_size, "size");
}

void add_reason(const std::string& reason, const std::string& score, PredictionSetResult& result) {
  for (const char* metric : {"conformal_coverage", "conformal_size"}) {
    result.metrics.push_back({metric, score, Measured::none(reason)});
  }
}

}  // namespace

void add_conformal(const std::vector<SetOutputs>& sets, const AnalysisOptions& options,
                   const std::string& id, std::vector<PredictionSetResult>& results) {
  const auto* validation = find_set(sets, "validation");
  for (std::size_t s = 0; s < sets.size(); ++s) {
    if (sets[s].set != "test") continue;
    for (const auto score : kScores) {
      const std::string name(to_string(score));
      if (validation == nullptr || validation->labels.empty()) {
        add_reason("no validation split to calibrate prediction sets on", name, results[s]);
        continue;
      }
      ConformalOptions conformal;
      conformal.score = score;
      conformal.alpha = options.conformal_alpha;
      conformal.key = id;
      const auto predictor =
          ConformalPredictor::calibrate(conformal, validation->probabilities, validation->n_classes,
                                        validation->labels, validation->set);
      const auto predicted = predictor.predict(sets[s].probabilities, sets[s].labels, sets[s].set);
      add_report(coverage_report(predicted, sets[s].labels, conformal.alpha), name, results[s]);
      add_strata(predicted, sets[s].labels, name, results[s]);
    }
  }
}

}  // namespace calsweep::analysis
