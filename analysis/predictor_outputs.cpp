#include "analysis/predictor_outputs.hpp"

#include <algorithm>
#include <cmath>

namespace calsweep::analysis {
SetOutputs outputs_of(const SetData& set, std::int64_t n_classes) {
  if (!set.probabilities.empty()) {
    return outputs_of(set.set, set.what, n_classes, set.labels, set.probabilities);
  }
  SetOutputs made;
  made.set = set.set;
  made.what = set.what;
  made.n_classes = n_classes;
  made.labels = set.labels;
  made.predictions = predict_from_logits(set.logits, n_classes, set.labels, set.what);
  made.logits = set.logits;
  made.probabilities = tempered_probabilities(set.logits, n_classes, 1.0, set.what);
  made.has_logits = true;
  return made;
}

SetOutputs outputs_of(std::string set, std::string what, std::int64_t n_classes,
                      std::vector<std::int32_t> labels, std::vector<double> probabilities) {
  SetOutputs made;
  made.set = std::move(set);
  made.what = std::move(what);
  made.n_classes = n_classes;
  made.labels = std::move(labels);
  made.predictions = predict_from_probabilities(std::span<const double>(probabilities), n_classes,
                                                made.labels, made.what);
  made.logits = log_probabilities(probabilities);
  made.probabilities = std::move(probabilities);
  return made;
}

std::vector<float> log_probabilities(const std::vector<double>& probabilities) {
  std::vector<float> logs(probabilities.size());
  std::transform(probabilities.begin(), probabilities.end(), logs.begin(), [](double p) {
    return static_cast<float>(std::log(std::max(p, kLeastProbability)));
  });
  return logs;
}

OodScores scores_of(const SetOutputs& outputs) {
  if (outputs.has_logits) return ood_scores(outputs.logits, outputs.n_classes, 1.0, outputs.what);
  return ood_scores(outputs.probabilities, outputs.n_classes, outputs.what);
}

const SetOutputs* find_set(const std::vector<SetOutputs>& sets, std::string_view name) {
  const auto at =
      std::find_if(sets.begin(), sets.end(), [&](const auto& s) { return s.set == name; });
  return at == sets.end() ? nullptr : &*at;
}

}  // namespace calsweep::analysis
