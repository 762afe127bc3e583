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

ConformalPredictor calibrated_on(const SetRows& validation, const ConformalOptions& options) {
  ConformalDraws draws(options, validation.set());
  std::vector<double> scores;
  scores.reserve(static_cast<std::size_t>(validation.n_rows()));
  validation.for_each_range([&](const RowRange& range) {
    ConformalPredictor::append_scores(options, range.probabilities(), validation.n_classes(),
                                      range.labels, range.what, draws, scores);
  });
  return ConformalPredictor::from_scores(options, validation.n_classes(), scores);
}

PredictionSets sets_of(const SetRows& rows, const ConformalPredictor& predictor) {
  PredictionSets sets{rows.n_classes(), {}, {}};
  sets.size.reserve(static_cast<std::size_t>(rows.n_rows()));
  sets.covered.reserve(rows.labels().size());
  ConformalDraws draws(predictor.options(), rows.set());
  rows.for_each_range([&](const RowRange& range) {
    predictor.append_sets(range.probabilities(), range.labels, range.what, draws, sets);
  });
  return sets;
}

}  // namespace

void add_conformal(const std::vector<SetOutputs>& sets, const AnalysisOptions& options,
                   const std::string& id, std::vector<PredictionSetResult>& results) {
  const auto* validation = find_set(sets, "validation");
  for (std::size_t s = 0; s < sets.size(); ++s) {
    const auto& rows = sets[s].rows;
    if (rows.set() != "test") continue;
    for (const auto score : kScores) {
      const std::string name(to_string(score));
      if (validation == nullptr || validation->rows.labels().empty()) {
        add_reason("no validation split to calibrate prediction sets on", name, results[s]);
        continue;
      }
      ConformalOptions conformal;
      conformal.score = score;
      conformal.alpha = options.conformal_alpha;
      conformal.key = id;
      const auto predicted = sets_of(rows, calibrated_on(validation->rows, conformal));
      add_report(coverage_report(predicted, rows.labels(), conformal.alpha), name, results[s]);
      add_strata(predicted, rows.labels(), name, results[s]);
    }
  }
}

}  // namespace calsweep::analysis
