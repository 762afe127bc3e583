// One network or one ensemble: from logits in unit files to its results. Reads one logit set at a
// time; an ensemble reads its members one after another.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "analysis/metrics/predictions.hpp"
#include "analysis/results/results_line.hpp"
#include "sweeps/unit_file.hpp"

namespace calsweep::analysis {

/// Metrics and reliability bins of a labelled set; confidence alone of a set named "ood/…".
PredictionSetResult summarize(std::string set, const Predictions& predictions);

struct NamedPredictions {
  std::string set;
  Predictions predictions;
};
/// Each set, and the AUROC of each set named "ood/…" with "test" as the positive side.
std::vector<PredictionSetResult> summarize_all(std::span<const NamedPredictions> sets);

/// Everything about one trial of an open unit file. Throws FormatError (logits that are not finite,
/// rows without labels, damage), naming trial and set.
PredictorResult analyze_trial(const UnitFileReader& file, const TrialId& id);

/// A member of an ensemble and the open file that holds it.
struct EnsembleMember {
  const UnitFileReader* file = nullptr;
  TrialId trial;
};
/// Pools the members' probabilities set by set. Throws FormatError, also for members that were not
/// evaluated on the same sets and labels, or that diverged.
PredictorResult analyze_ensemble(const std::string& id, std::span<const EnsembleMember> members);

/// Identity of an ensemble: a hash of its members' trial ids, in order.
std::string ensemble_id(std::span<const TrialId> members);

}  // namespace calsweep::analysis
