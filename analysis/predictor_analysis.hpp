// One network or one ensemble: from logits to its results. Which metrics there are:
// metrics/metric_definitions.hpp.
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

/// The sets of the members, set by set, and the pooled rows of each. Read what the members' files
/// hold: neither copied nor moved, as its sets refer to it.
class PooledSets {
 public:
  explicit PooledSets(const EnsembleData& ensemble);
  PooledSets(const PooledSets&) = delete;
  PooledSets& operator=(const PooledSets&) = delete;

  std::size_t size() const { return members_.size(); }
  const std::vector<SetRows>& members(std::size_t set) const { return members_[set]; }
  SetRows pooled(std::size_t set) const;

 private:
  const EnsembleData& ensemble_;
  std::vector<std::vector<SetRows>> members_;
};

}  // namespace calsweep::analysis
