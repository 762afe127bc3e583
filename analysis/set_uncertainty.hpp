// Floors, consistency p-values and bootstrap intervals of one set's metrics, joined to the values
// they belong to. What they are: docs/uncertainty.md.
#pragma once

#include <span>
#include <vector>

#include "analysis/metrics/classwise_cells.hpp"
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

/// Of means and of calibration errors of the top label, from rows. `floor`, `floor_q95`,
/// `p_consistent`: their draws are keyed by predictor, set and calibrator. `ci_low`, `ci_high` at
/// 95 %, cut at 0 and 1: their draws are keyed by the set alone, so that those of methods are
/// paired.
void add_row_uncertainty(const UncertaintyInput& input, const SummaryRequest& request,
                         std::vector<MetricValue>& metrics);

struct ClasswiseInput {
  std::int64_t n_classes;
  std::span<const double> probabilities;  ///< [n, n_classes] row-major
  std::span<const std::int32_t> labels;   ///< [n]
};
/// Both, of the errors over class probabilities. `adaptive`: the cells of ACE and TACE.
void add_classwise_uncertainty(const ClasswiseInput& input, const AdaptiveCells& adaptive,
                               const SummaryRequest& request, std::vector<MetricValue>& metrics);

/// Both, of the errors of the top label, from cells instead of rows: for calibrated outputs, of
/// which there are many. Not paired.
void add_cell_uncertainty(const UncertaintyInput& input, const SummaryRequest& request,
                          std::vector<MetricValue>& metrics);

}  // namespace calsweep::analysis
