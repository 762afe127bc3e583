// The metrics of one input set seen by one predictor through one calibrator: which are computed,
// what they are called in results.db, and their floors and intervals.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "analysis/metrics/predictions.hpp"
#include "analysis/results/results_line.hpp"

namespace calsweep::analysis {

/// How much is computed.
enum class Detail {
  Full,  ///< every metric; the test set as the predictor gives it
  Main,  ///< without decompositions, and with few conventions; calibrated results
  Brief  ///< scores and equal-width errors; sets other than test
};

struct SummaryRequest {
  std::string set, calibrator;
  Detail detail = Detail::Full;
  std::int64_t resamples = 0;  ///< of floors and intervals; 0: none
  std::string predictor;       ///< id: the draws of floors belong to it
};

/// What Full needs beyond the predictions; without rows, nothing of it.
struct FullSummaryInput {
  std::span<const double> brier_rows;    ///< [n]
  std::span<const std::int32_t> labels;  ///< [n]
  /// The probabilities of one class, [n]; valid until the next call.
  std::function<std::span<const double>(std::int64_t)> class_column;
  std::span<const double> probabilities;  ///< [n, n_classes], unless `too_large`
  std::string too_large;                  ///< why `probabilities` are not held as a whole, or ""
};

PredictionSetResult summarize_set(const SummaryRequest& request, const Predictions& predictions,
                                  const FullSummaryInput& input = {});

}  // namespace calsweep::analysis
