#include "analysis/predictor_analysis.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/metrics/auroc.hpp"
#include "analysis/metrics/calibration_error.hpp"
#include "analysis/metrics/predictions.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

struct NamedPredictions {
  std::string set;
  Predictions predictions;
};

PredictionSetResult summarize(std::string set, const Predictions& predictions) {
  PredictionSetResult result;
  result.set = std::move(set);
  result.calibrator = kNoCalibrator;
  result.n_rows = predictions.n_rows();
  result.n_classes = predictions.n_classes;
  result.metrics.push_back({"confidence", "", predictions.mean_confidence()});
  result.metrics.push_back({"saturated_fraction", "", predictions.saturated_fraction()});
  if (!predictions.labelled || is_ood(result.set)) return result;
  result.metrics.push_back({"accuracy", "", predictions.accuracy()});
  result.metrics.push_back({"nll", "", predictions.nll()});
  result.metrics.push_back({"brier", "", predictions.brier()});
  for (const auto& convention : conventions()) {
    const auto bins = reliability_bins(convention, convention.default_bins,
                                       predictions.confidence_f32, predictions.correct);
    const auto error = calibration_error(convention, bins, predictions.n_rows());
    result.metrics.push_back({"ece", std::string(convention.name), error.ece});
    result.metrics.push_back({"mce", std::string(convention.name), error.mce});
  }
  return result;
}

std::vector<PredictionSetResult> summarize_all(const std::vector<NamedPredictions>& sets) {
  const auto test =
      std::find_if(sets.begin(), sets.end(), [](const auto& s) { return s.set == "test"; });
  std::vector<PredictionSetResult> results;
  for (const auto& [set, predictions] : sets) {
    results.push_back(summarize(set, predictions));
    if (!is_ood(set)) continue;
    const auto value = test == sets.end()
                           ? Measured::none("no logits of the test set")
                           : auroc(test->predictions.confidence, predictions.confidence);
    results.back().metrics.push_back({"auroc", "", value});
  }
  return results;
}

}  // namespace

PredictorResult analyze_network(const NetworkData& network, const AnalysisOptions&) {
  PredictorResult result;
  result.id = network.id;
  result.origin = network.origin;
  std::vector<NamedPredictions> sets;
  for (const auto& set : network.sets) {
    sets.push_back(
        {set.set, predict_from_logits(set.logits, network.n_classes, set.labels, set.what)});
  }
  result.sets = summarize_all(sets);
  return result;
}

PredictorResult analyze_ensemble(const EnsembleData& ensemble, const AnalysisOptions&) {
  PredictorResult result;
  result.id = ensemble.id;
  result.n_members = static_cast<std::int64_t>(ensemble.members.size());
  std::vector<NamedPredictions> sets;
  const auto& first = ensemble.members.front();
  for (std::size_t s = 0; s < first.sets.size(); ++s) {
    ProbabilityPool pool;
    for (const auto& member : ensemble.members) {
      pool.add_member(member.sets[s].logits, ensemble.n_classes, member.sets[s].what);
    }
    sets.push_back({first.sets[s].set,
                    pool.predictions(first.sets[s].labels,
                                     "ensemble " + ensemble.id + ", set " + first.sets[s].set)});
  }
  result.sets = summarize_all(sets);
  return result;
}

}  // namespace calsweep::analysis
