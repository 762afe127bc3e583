// One network or one ensemble: from logits to its results. Pure computing on data in memory; which
// metrics there are: metrics/metric_definitions.hpp.
#pragma once

#include "analysis/predictor_data.hpp"
#include "analysis/predictor_outputs.hpp"
#include "analysis/results/results_line.hpp"
#include "sweeps/sweep.hpp"

namespace calsweep::analysis {

/// Throws FormatError (logits that are not finite), naming trial and set.
PredictorResult analyze_network(const NetworkData& network, const AnalysisOptions& options);

/// Pools the members' probabilities set by set (Lakshminarayanan et al. 2017). Throws FormatError,
/// also if a member diverged.
PredictorResult analyze_ensemble(const EnsembleData& ensemble, const AnalysisOptions& options);

/// The pooled outputs of one set, by its index in the members' sets; with those of the members if
/// `members` is given.
SetOutputs pooled_outputs(const EnsembleData& ensemble, std::size_t set,
                          std::vector<SetOutputs>* members = nullptr);

}  // namespace calsweep::analysis
