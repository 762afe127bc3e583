// The metrics of one input set seen by one predictor through one calibrator: which are computed,
// what they are called in results.db, and their floors and intervals.
#pragma once

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

/// `probabilities`: [n, n_classes] for the decompositions of Full, or empty. `labels`: [n], or
/// empty for a set without.
PredictionSetResult summarize_set(const SummaryRequest& request, const Predictions& predictions,
                                  std::span<const double> probabilities,
                                  std::span<const std::int32_t> labels);

}  // namespace calsweep::analysis
