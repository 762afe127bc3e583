#include "analysis/predictor_analysis.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/calibrators/ensemble_calibration.hpp"
#include "analysis/derived_results.hpp"
#include "analysis/ensembles/disagreement.hpp"
#include "analysis/ensembles/size_curve.hpp"
#include "analysis/predictor_outputs.hpp"
#include "analysis/set_summary.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

/// Everything that outputs alone determine: metrics of each set, detection, conformal sets,
/// calibration.
void add_results(const std::vector<SetOutputs>& sets, const AnalysisOptions& options,
                 PredictorResult& result) {
  for (const auto& set : sets) {
    const bool is_test = set.set == "test";
    result.sets.push_back(
        summarize_set({set.set, std::string(kNoCalibrator), is_test ? Detail::Full : Detail::Brief,
                       is_test ? options.resamples : 0, result.id},
                      set.predictions, set.probabilities, set.labels));
  }
  add_conformal(sets, options, result.id, result.sets);
  PredictorResult calibrated;
  calibrated.id = result.id;
  add_calibrated(sets, options, calibrated);
  add_detection(sets, fitted_temperature(calibrated), result.sets);
  result.calibrations = std::move(calibrated.calibrations);
  result.sets.insert(result.sets.end(), std::make_move_iterator(calibrated.sets.begin()),
                     std::make_move_iterator(calibrated.sets.end()));
}

/// The members' outputs of one set.
struct MemberSets {
  std::vector<SetOutputs> of;

  EnsembleView view(std::int64_t n_classes, const std::string& what) const {
    std::vector<MemberProbabilities> members;
    for (std::size_t m = 0; m < of.size(); ++m) {
      members.push_back({static_cast<std::int64_t>(m), of[m].probabilities});
    }
    return EnsembleView(members, n_classes, what);
  }
};

void add_disagreement(const EnsembleView& view, PredictionSetResult& result) {
  const auto mean = mean_disagreement(view, row_disagreement(view));
  const auto add = [&](const char* metric, const Measured& value) {
    result.metrics.push_back({metric, "", value});
  };
  add("mutual_information", mean.epistemic);
  add("aleatoric_entropy", mean.aleatoric);
  add("variation_ratio", mean.variation_ratio);
  add("probability_variance", mean.probability_variance);
  add("disagreement", mean.disagreement);
  add("pairwise_kl", mean.pairwise_kl);
  add("jensen_shannon", mean.pairwise_js);
}

constexpr const char* kCurveMetrics[] = {"accuracy", "nll", "brier", "ece_guo2017"};
constexpr std::int64_t kCurveSubsets = 64;

void add_size_curve(const EnsembleView& view, const SetOutputs& test, PredictorResult& result) {
  const Convention& guo = find_convention("guo2017");
  const PooledMetrics metrics = [&](std::span<const double> pooled) {
    const auto p = predict_from_probabilities(pooled, test.n_classes, test.labels, test.what);
    return std::vector<Measured>{p.accuracy(), p.nll(), p.brier(),
                                 p.calibration_error(guo, guo.default_bins).ece};
  };
  SizeCurveOptions options;
  options.max_subsets = kCurveSubsets;
  options.key = result.id;
  for (const auto& point : ensemble_size_curve(view, metrics, options)) {
    for (std::size_t m = 0; m < point.of.size(); ++m) {
      result.sizes.push_back(
          {point.n_members, point.n_subsets, kCurveMetrics[m], point.of[m].mean.value});
    }
  }
}

/// calibrate-then-pool: each member its own temperature (pool-then-calibrate is what
/// add_calibrated() does with the pooled probabilities).
class MemberTemperatures {
 public:
  MemberTemperatures(const std::vector<MemberSets>& members, std::int64_t resamples)
      : members_(members), resamples_(resamples) {}

  void add(const std::vector<SetOutputs>& pooled, PredictorResult& result) const {
    const std::string name = "temperature-per-member";
    const auto* validation = find_set(pooled, "validation");
    if (validation == nullptr || validation->labels.empty()) return;
    CalibrationResult calibration{name, "validation", "", {}};
    const auto fit = fit_ensemble(EnsembleOrder::CalibrateThenPool, logits("validation"),
                                  validation->n_classes, validation->labels, validation->what);
    calibration.null_reason = fit.reason;
    if (fit.ensemble != nullptr) {
      add_parameters(fit.ensemble->parameters, calibration);
      for (const auto& set : pooled) {
        if (&set == validation) continue;
        result.sets.push_back(
            summarize_calibrated(set, fit.ensemble->apply(logits(set.set), set.n_classes, set.what),
                                 name, result.id, resamples_));
      }
    }
    result.calibrations.push_back(std::move(calibration));
  }

 private:
  std::vector<std::span<const float>> logits(const std::string& set) const {
    std::vector<std::span<const float>> of;
    for (const auto& sets : members_) {
      if (sets.of.front().set != set) continue;
      for (const auto& member : sets.of) of.emplace_back(member.logits);
    }
    return of;
  }

  const std::vector<MemberSets>& members_;
  std::int64_t resamples_;
};

}  // namespace

PredictorResult analyze_network(const NetworkData& network, const AnalysisOptions& options) {
  PredictorResult result;
  result.id = network.id;
  result.origin = network.origin;
  std::vector<SetOutputs> sets;
  for (const auto& set : network.sets) sets.push_back(outputs_of(set, network.n_classes));
  add_results(sets, options, result);
  return result;
}

SetOutputs pooled_outputs(const EnsembleData& ensemble, std::size_t set,
                          std::vector<SetOutputs>* members) {
  MemberSets sets;
  for (const auto& member : ensemble.members) {
    sets.of.push_back(outputs_of(member.sets[set], ensemble.n_classes));
  }
  const auto& first = ensemble.members.front().sets[set];
  const auto what = fmt::format("ensemble {}, set \"{}\"", ensemble.id, first.set);
  auto pooled = outputs_of(first.set, what, ensemble.n_classes, first.labels,
                           pooled_probabilities(sets.view(ensemble.n_classes, what)));
  if (members != nullptr) *members = std::move(sets.of);
  return pooled;
}

PredictorResult analyze_ensemble(const EnsembleData& ensemble, const AnalysisOptions& options) {
  PredictorResult result;
  result.id = ensemble.id;
  result.n_members = static_cast<std::int64_t>(ensemble.members.size());
  const auto& first = ensemble.members.front();
  std::vector<SetOutputs> pooled;
  std::vector<MemberSets> members(first.sets.size());
  for (std::size_t s = 0; s < first.sets.size(); ++s) {
    pooled.push_back(pooled_outputs(ensemble, s, &members[s].of));
  }
  add_results(pooled, options, result);
  for (std::size_t s = 0; s < pooled.size(); ++s) {
    const auto view = members[s].view(ensemble.n_classes, pooled[s].what);
    add_disagreement(view, result.sets[s]);
    if (pooled[s].set == "test") add_size_curve(view, pooled[s], result);
  }
  const auto& wanted = options.calibrators;
  if (std::find(wanted.begin(), wanted.end(), "temperature") != wanted.end())
    MemberTemperatures(members, options.resamples).add(pooled, result);
  return result;
}

}  // namespace calsweep::analysis
