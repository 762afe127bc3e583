// Part of derived_results.hpp: post-hoc calibrators.
#include <fmt/format.h>

#include "analysis/calibrators/calibrator.hpp"
#include "analysis/calibrators/cross_fitting.hpp"
#include "analysis/derived_results.hpp"
#include "analysis/set_summary.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

constexpr std::string_view kNoValidation =
    "no validation split: set data.validation_size, or analysis.cross_fitting_folds";

class Calibration {
 public:
  Calibration(const std::vector<SetOutputs>& sets, const AnalysisOptions& options,
              PredictorResult& result)
      : sets_(sets), options_(options), result_(result) {}

  void run(const std::string& name) {
    const auto* validation = find_set(sets_, "validation");
    if (validation != nullptr && !validation->labels.empty()) {
      from_validation(name, *validation);
    } else if (options_.cross_fitting_folds > 0) {
      by_cross_fitting(name);
    } else {
      result_.calibrations.push_back({name, "nothing", std::string(kNoValidation), {}});
    }
  }

 private:
  void from_validation(const std::string& name, const SetOutputs& validation) {
    CalibrationResult calibration{name, "validation", "", {}};
    const auto& definition = find_calibrator(name);
    const auto fit = fit_calibrator(name, validation.logits, validation.n_classes,
                                    validation.labels, validation.what);
    if (fit.calibrator == nullptr) {
      calibration.null_reason = fit.reason;
    } else {
      add_parameters(fit.calibrator->parameters, calibration);
      for (const auto& set : sets_) {
        if (&set == &validation || (is_ood(set.set) && !definition.applies_to_ood)) continue;
        result_.sets.push_back(
            summarize_calibrated(set, fit.calibrator->apply(set.logits, set.n_classes, set.what),
                                 name, result_.id, options_.resamples));
      }
    }
    result_.calibrations.push_back(std::move(calibration));
  }

  void by_cross_fitting(const std::string& name) {
    const auto* test = find_set(sets_, "test");
    if (test == nullptr) return;
    CalibrationResult calibration{
        name, fmt::format("test, {} folds", options_.cross_fitting_folds), "", {}};
    const auto fitted = cross_fit(name, test->logits, test->n_classes, test->labels, test->what, {},
                                  options_.cross_fitting_folds);
    add_parameters(fitted.parameters, calibration);
    calibration.null_reason = fitted.reason;
    if (fitted.reason.empty()) {
      result_.sets.push_back(
          summarize_calibrated(*test, fitted.outputs, name, result_.id, options_.resamples));
    }
    result_.calibrations.push_back(std::move(calibration));
  }

  const std::vector<SetOutputs>& sets_;
  const AnalysisOptions& options_;
  PredictorResult& result_;
};

}  // namespace

void add_parameters(const std::vector<CalibratorParameter>& parameters,
                    CalibrationResult& calibration) {
  for (const auto& parameter : parameters) {
    if (!parameter.value.has_value()) continue;
    calibration.parameters.emplace_back(parameter.name, parameter.value.value);
  }
}

PredictionSetResult summarize_calibrated(const SetOutputs& set, const CalibratedOutputs& outputs,
                                         const std::string& calibrator, const std::string& id,
                                         std::int64_t resamples) {
  const auto predictions =
      outputs.probabilities.empty()
          ? predict_from_top_label(outputs.confidence, outputs.predicted, set.n_classes, set.labels,
                                   set.what)
          : predict_from_probabilities(std::span<const double>(outputs.probabilities),
                                       set.n_classes, set.labels, set.what);
  return summarize_set({set.set, calibrator, Detail::Main, resamples, id}, predictions,
                       outputs.probabilities, set.labels);
}

void add_calibrated(const std::vector<SetOutputs>& sets, const AnalysisOptions& options,
                    PredictorResult& result) {
  Calibration calibration(sets, options, result);
  for (const auto& name : options.calibrators) calibration.run(name);
}

double fitted_temperature(const PredictorResult& result) {
  for (const auto& calibration : result.calibrations) {
    if (calibration.calibrator != "temperature") continue;
    for (const auto& [name, value] : calibration.parameters) {
      if (name == "T") return value;
    }
  }
  return 0.0;
}

}  // namespace calsweep::analysis
