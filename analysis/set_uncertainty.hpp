// Floors, consistency p-values and bootstrap intervals of one set's metrics, joined to the values
// they belong to. What they are: docs/uncertainty.md.
#pragma once

#include <span>
#include <vector>

#include "analysis/metrics/confidence_profile.hpp"
#include "analysis/metrics/predictions.hpp"
#include "analysis/results/results_line.hpp"
#include "analysis/set_summary.hpp"

namespace calsweep::analysis {

struct UncertaintyInput {
  const ConfidenceProfile& profile;
  const Predictions& predictions;
  std::span<const double> brier_rows;  ///< [n], or empty
};

/// Of calibration errors: `floor`, `floor_q95`, `p_consistent`. The draws are keyed by predictor,
/// set and calibrator.
void add_floors(const UncertaintyInput& input, const SummaryRequest& request,
                std::vector<MetricValue>& metrics);

/// `ci_low`, `ci_high` at 95 %: percentile intervals of means, basic ones of calibration errors,
/// cut at 0 and 1. The draws are keyed by the set alone, so that those of methods are paired.
void add_intervals(const UncertaintyInput& input, const SummaryRequest& request,
                   std::vector<MetricValue>& metrics);

}  // namespace calsweep::analysis
