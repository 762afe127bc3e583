// Part of derived_results.hpp: out-of-distribution detection.
#include <algorithm>
#include <optional>

#include "analysis/derived_results.hpp"
#include "analysis/ood/detection.hpp"

namespace calsweep::analysis {
namespace {

void add(PredictionSetResult& result, const char* metric, const std::string& score,
         const Measured& value) {
  result.metrics.push_back({metric, score, value});
}

void add_score(const std::vector<double>& in, const std::vector<double>& out,
               const std::string& score, const std::string& what, PredictionSetResult& result) {
  const auto made = detection(in, out, what);
  add(result, "auroc", score, made.auroc);
  auto& uncertainty = result.metrics.back().uncertainty;
  if (made.auroc_standard_error.has_value()) {
    constexpr double kNormal95 = 1.959963984540054;
    const double half = kNormal95 * made.auroc_standard_error.value;
    uncertainty.ci_low = std::max(0.0, made.auroc.value - half);
    uncertainty.ci_high = std::min(1.0, made.auroc.value + half);
  }
  add(result, "aupr_in", score, made.aupr_in);
  add(result, "aupr_out", score, made.aupr_out);
  add(result, "fpr95_in", score, made.fpr95_in.false_positive_rate);
  add(result, "fpr95_out", score, made.fpr95_out.false_positive_rate);
  add(result, "detection_error", score, made.detection_error.error);
}

/// Of the outputs as they are, and at the fitted temperature (empty without one).
struct TemperedScores {
  OodScores raw, tempered;
};

TemperedScores all_scores(const SetOutputs& set, double temperature) {
  TemperedScores made{scores_of(set), {}};
  if (temperature > 0.0) {
    made.tempered = ood_scores(set.logits, set.n_classes, temperature, set.what);
  }
  return made;
}

void add_without_test(PredictionSetResult& result) {
  add(result, "auroc", "max_softmax", Measured::none("no logits of the test set"));
}

}  // namespace

void add_detection(const std::vector<SetOutputs>& sets, double temperature,
                   std::vector<PredictionSetResult>& results) {
  const auto* test = find_set(sets, "test");
  std::optional<TemperedScores> in;  // once for all OOD sets
  for (std::size_t s = 0; s < sets.size(); ++s) {
    if (!is_ood(sets[s].set)) continue;
    if (test == nullptr) {
      add_without_test(results[s]);
      continue;
    }
    if (!in) in = all_scores(*test, temperature);
    const auto out = all_scores(sets[s], temperature);
    for (const auto& definition : ood_score_definitions()) {
      if (definition.needs_logits && !sets[s].has_logits) continue;
      add_score(in->raw.of(definition.score), out.raw.of(definition.score),
                std::string(definition.key), sets[s].what, results[s]);
    }
    if (!(temperature > 0.0)) continue;
    add_score(in->tempered.max_softmax, out.tempered.max_softmax, "max_softmax, calibrated",
              sets[s].what, results[s]);
    if (!sets[s].has_logits) continue;
    add_score(in->tempered.energy, out.tempered.energy, "energy, calibrated", sets[s].what,
              results[s]);
  }
}

}  // namespace calsweep::analysis
