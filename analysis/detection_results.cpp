// Part of derived_results.hpp: out-of-distribution detection.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "analysis/derived_results.hpp"
#include "analysis/ood/detection.hpp"
#include "analysis/ood/odin_sets.hpp"

namespace calsweep::analysis {
namespace {

constexpr OodScore kOfLogits[] = {OodScore::MaxSoftmax, OodScore::NegativeEntropy,
                                  OodScore::MaxLogit, OodScore::Energy};
constexpr OodScore kOfProbabilities[] = {OodScore::MaxSoftmax, OodScore::NegativeEntropy};
constexpr OodScore kTempered[] = {OodScore::MaxSoftmax, OodScore::Energy};

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

TemperedScores all_scores(const SetRows& rows, double temperature) {
  TemperedScores made;
  made.raw = rows.has_logits() ? scores_of(rows, kOfLogits) : scores_of(rows, kOfProbabilities);
  if (temperature > 0.0) made.tempered = tempered_scores_of(rows, temperature, kTempered);
  return made;
}

void add_reason(PredictionSetResult& result, const std::string& score, const char* reason) {
  add(result, "auroc", score, Measured::none(reason));
}

/// One setting of ODIN, and the score names it has in results.db.
struct OdinSetting {
  double temperature = 0.0, epsilon = 0.0;
  auto operator<=>(const OdinSetting&) const = default;

  std::string score() const { return fmt::format("odin, T={}, eps={}", temperature, epsilon); }
  std::string energy() const {
    return fmt::format("odin energy, T={}, eps={}", temperature, epsilon);
  }
};

using SetsOfSetting = std::map<std::string, const SetRows*>;  // by the set they perturb

void add_odin_scores(const OdinSetting& setting, const SetsOfSetting& perturbed,
                     const std::vector<SetOutputs>& sets,
                     std::vector<PredictionSetResult>& results) {
  const auto test = perturbed.find("test");
  std::optional<OodScores> in;  // once for all OOD sets
  for (std::size_t s = 0; s < sets.size(); ++s) {
    const auto at = perturbed.find(sets[s].set());
    if (!is_ood(sets[s].set()) || at == perturbed.end()) continue;
    if (test == perturbed.end()) {
      add_reason(results[s], setting.score(), "no ODIN logits of the test set at this setting");
      continue;
    }
    if (!in) in = tempered_scores_of(*test->second, setting.temperature, kTempered);
    const auto out = tempered_scores_of(*at->second, setting.temperature, kTempered);
    add_score(in->max_softmax, out.max_softmax, setting.score(), at->second->what(), results[s]);
    add_score(in->energy, out.energy, setting.energy(), at->second->what(), results[s]);
  }
}

}  // namespace

void add_detection(const std::vector<SetOutputs>& sets, double temperature,
                   std::vector<PredictionSetResult>& results) {
  const auto* test = find_set(sets, "test");
  std::optional<TemperedScores> in;  // once for all OOD sets
  for (std::size_t s = 0; s < sets.size(); ++s) {
    const auto& rows = sets[s].rows;
    if (!is_ood(rows.set())) continue;
    if (test == nullptr) {
      add_reason(results[s], "max_softmax", "no logits of the test set");
      continue;
    }
    if (!in) in = all_scores(test->rows, temperature);
    const auto out = all_scores(rows, temperature);
    for (const auto& definition : ood_score_definitions()) {
      if (definition.needs_logits && !rows.has_logits()) continue;
      add_score(in->raw.of(definition.score), out.raw.of(definition.score),
                std::string(definition.key), rows.what(), results[s]);
    }
    if (!(temperature > 0.0)) continue;
    add_score(in->tempered.max_softmax, out.tempered.max_softmax, "max_softmax, calibrated",
              rows.what(), results[s]);
    if (!rows.has_logits()) continue;
    add_score(in->tempered.energy, out.tempered.energy, "energy, calibrated", rows.what(),
              results[s]);
  }
}

void add_odin_detection(const std::vector<SetOutputs>& sets, const std::vector<SetRows>& odin,
                        std::vector<PredictionSetResult>& results) {
  std::map<OdinSetting, SetsOfSetting> settings;
  for (const auto& rows : odin) {
    const auto name = parse_odin_set(rows.set());
    if (name) settings[{name->temperature, name->epsilon}][name->of] = &rows;
  }
  for (const auto& [setting, perturbed] : settings) {
    add_odin_scores(setting, perturbed, sets, results);
  }
}

}  // namespace calsweep::analysis
