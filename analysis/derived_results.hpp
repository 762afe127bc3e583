// What is derived from the outputs of one predictor beyond the metrics of each set: detection of
// out-of-distribution rows, conformal prediction sets, post-hoc calibration.
#pragma once

#include <string>
#include <vector>

#include "analysis/calibrators/calibrator.hpp"
#include "analysis/predictor_outputs.hpp"
#include "analysis/results/results_line.hpp"
#include "sweeps/sweep.hpp"

namespace calsweep::analysis {

/// Adds to the results of every "ood/…" set how well it is told from the test set, by every score.
/// `temperature` > 0: also by softmax and energy at that temperature. Results are those of `sets`,
/// in the same order.
void add_detection(const std::vector<SetOutputs>& sets, double temperature,
                   std::vector<PredictionSetResult>& results);

/// Adds coverage and size of prediction sets to the results of the test set: calibrated on
/// "validation", at 1 - options.conformal_alpha. `id` keys the draws.
void add_conformal(const std::vector<SetOutputs>& sets, const AnalysisOptions& options,
                   const std::string& id, std::vector<PredictionSetResult>& results);

/// Fits every calibrator of the options on "validation", or by cross-fitting on "test" if there is
/// no such set and the options ask for it, and adds the calibrated results of test and OOD sets.
void add_calibrated(const std::vector<SetOutputs>& sets, const AnalysisOptions& options,
                    PredictorResult& result);

/// The parameters that have a value.
void add_parameters(const std::vector<CalibratorParameter>& parameters,
                    CalibrationResult& calibration);

/// The metrics of a set through a calibrator. `id`: of the predictor; `resamples`: of floors and
/// intervals.
PredictionSetResult summarize_calibrated(const SetOutputs& set, const CalibratedOutputs& outputs,
                                         const std::string& calibrator, const std::string& id,
                                         std::int64_t resamples);

/// The fitted temperature of a result, or 0.
double fitted_temperature(const PredictorResult& result);

}  // namespace calsweep::analysis
