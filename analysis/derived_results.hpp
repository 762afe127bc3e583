// What is derived from the outputs of one predictor beyond the metrics of each set: detection of
// out-of-distribution rows, conformal prediction sets, post-hoc calibration. All of it streams over
// the rows; only fits hold a set as a whole (RowLimits::values_of_fit).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "analysis/calibrators/calibrator.hpp"
#include "analysis/predictor_outputs.hpp"
#include "analysis/results/results_line.hpp"
#include "analysis/set_summary.hpp"
#include "sweeps/sweep.hpp"

namespace calsweep::analysis {

/// Adds to the results of every "ood/…" set how well it is told from the test set, by every score.
/// `temperature` > 0: also by softmax and energy at that temperature. Results are those of `sets`,
/// in the same order.
void add_detection(const std::vector<SetOutputs>& sets, double temperature,
                   std::vector<PredictionSetResult>& results);

/// The same by the scores of ODIN: `odin` holds the sets "odin/…" of the network, whose rows are
/// those of the test and OOD sets among `sets`.
void add_odin_detection(const std::vector<SetOutputs>& sets, const std::vector<SetRows>& odin,
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

/// The metrics of a set through a calibrator, which `apply` is to a range of rows.
PredictionSetResult summarize_calibrated(
    const SetRows& rows, const std::function<CalibratedOutputs(const RowRange&)>& apply,
    const SummaryRequest& request);

/// The fitted temperature of a result, or 0.
double fitted_temperature(const PredictorResult& result);

}  // namespace calsweep::analysis
