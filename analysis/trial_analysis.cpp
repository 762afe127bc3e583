#include "analysis/trial_analysis.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/metrics/auroc.hpp"
#include "analysis/metrics/metric_definitions.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

bool is_ood(std::string_view set) { return set.starts_with(kOodPrefix); }

std::string name_of(const TrialId& id, const std::string& set) {
  return fmt::format("trial {}, logits of \"{}\"", id.hex(), set);
}

std::vector<std::int32_t> labels_for(const UnitFileReader& file, const std::string& set) {
  if (is_ood(set)) return {};
  return file.labels(set);
}

/// An empty set counts as labelled; a set with rows must have its labels.
void check_labelled(const std::string& set, std::size_t n_values,
                    std::span<const std::int32_t> labels, const TrialId& id) {
  if (is_ood(set) || n_values == 0 || !labels.empty()) return;
  throw FormatError(name_of(id, set) + ": the file holds no labels for this set");
}

}  // namespace

PredictionSetResult summarize(std::string set, const Predictions& predictions) {
  PredictionSetResult result{std::move(set), predictions.n_rows(), predictions.n_classes, {}, {}};
  result.metrics.push_back({"confidence", "", predictions.mean_confidence()});
  result.metrics.push_back({"saturated_fraction", "", predictions.saturated_fraction()});
  if (!predictions.labelled || is_ood(result.set)) return result;
  result.metrics.push_back({"accuracy", "", predictions.accuracy()});
  result.metrics.push_back({"nll", "", predictions.nll()});
  result.metrics.push_back({"brier", "", predictions.brier()});
  for (const char* name : {"guo2017", "noise2026"}) {
    const auto& convention = find_convention(name);
    ReliabilityTable table{std::string(convention.name),
                           reliability_bins(convention, convention.default_bins,
                                            predictions.confidence_f32, predictions.correct)};
    const auto error = calibration_error(convention, table.bins, predictions.n_rows());
    result.metrics.push_back({"ece", table.convention, error.ece});
    result.metrics.push_back({"mce", table.convention, error.mce});
    result.reliability.push_back(std::move(table));
  }
  return result;
}

std::vector<PredictionSetResult> summarize_all(std::span<const NamedPredictions> sets) {
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

PredictorResult analyze_trial(const UnitFileReader& file, const TrialId& id) {
  const auto& header = file.header();
  PredictorResult result;
  result.id = id.str();
  result.origin = NetworkOrigin{file.trial(id), header.unit, file.checksum(), header.attempt,
                                header.provenance};
  if (result.origin->record.outcome == TrialOutcome::Diverged) return result;
  std::vector<NamedPredictions> sets;
  for (const auto& set : file.logit_sets(id)) {
    const auto logits = file.logits(id, set);
    const auto labels = labels_for(file, set);
    check_labelled(set, logits.size(), labels, id);
    sets.push_back({set, predict_from_logits(logits, header.n_classes, labels, name_of(id, set))});
  }
  result.sets = summarize_all(sets);
  return result;
}

PredictorResult analyze_ensemble(const std::string& id, std::span<const EnsembleMember> members) {
  PredictorResult result;
  result.id = id;
  result.n_members = static_cast<std::int64_t>(members.size());
  CALSWEEP_CHECK(!members.empty(), "an ensemble has members");
  const auto& first = members.front();
  const auto set_names = first.file->logit_sets(first.trial);
  std::vector<NamedPredictions> sets;
  for (const auto& set : set_names) {
    const auto labels = labels_for(*first.file, set);
    ProbabilityPool pool;
    for (const auto& member : members) {
      if (labels_for(*member.file, set) != labels) {
        throw FormatError(name_of(member.trial, set) +
                          ": its labels differ from those of the first member of its ensemble");
      }
      const auto logits = member.file->logits(member.trial, set);
      check_labelled(set, logits.size(), labels, member.trial);
      pool.add_member(logits, member.file->header().n_classes, name_of(member.trial, set));
    }
    sets.push_back({set, pool.predictions(labels, "ensemble " + id + ", set " + set)});
  }
  result.sets = summarize_all(sets);
  return result;
}

std::string ensemble_id(std::span<const TrialId> members) {
  std::string content = "calsweep ensemble";
  for (const auto& member : members) content += "|" + member.str();
  return TrialId::of(content).str();
}

}  // namespace calsweep::analysis
