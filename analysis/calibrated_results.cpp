// Part of derived_results.hpp: post-hoc calibrators.
#include <fmt/format.h>

#include <optional>

#include "analysis/calibrators/calibrator.hpp"
#include "analysis/calibrators/cross_fitting.hpp"
#include "analysis/derived_results.hpp"
#include "analysis/set_summary.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

constexpr std::string_view kNoValidation =
    "no validation split: log one (data.validation_size of a sweep, "
    "a validation set of an imported record), or set analysis.cross_fitting_folds";

Predictions predictions_of(const CalibratedOutputs& outputs, std::span<const std::int32_t> labels,
                           const std::string& what) {
  if (outputs.probabilities.empty()) {
    return predict_from_top_label(outputs.confidence, outputs.predicted, outputs.n_classes, labels,
                                  what);
  }
  return predict_from_probabilities(std::span<const double>(outputs.probabilities),
                                    outputs.n_classes, labels, what);
}

class Calibration {
 public:
  Calibration(const std::vector<SetOutputs>& sets, const AnalysisOptions& options,
              PredictorResult& result)
      : sets_(sets),
        options_(options),
        result_(result),
        test_(find_set(sets, "test")),
        validation_(find_set(sets, "validation")) {
    if (validation_ != nullptr && validation_->rows.labels().empty()) validation_ = nullptr;
    const auto* fitted_on = validation_ != nullptr            ? validation_
                            : options.cross_fitting_folds > 0 ? test_
                                                              : nullptr;
    if (fitted_on == nullptr || options.calibrators.empty()) return;
    too_large_ = too_large_to_fit(fitted_on->rows);
    if (too_large_.empty()) logits_.emplace(fitted_on->rows);
  }

  void run(const std::string& name) {
    if (validation_ != nullptr) {
      from_validation(name);
    } else if (options_.cross_fitting_folds > 0) {
      by_cross_fitting(name);
    } else {
      result_.calibrations.push_back({name, "nothing", std::string(kNoValidation), {}});
    }
  }

 private:
  void from_validation(const std::string& name) {
    CalibrationResult calibration{name, "validation", too_large_, {}};
    if (too_large_.empty()) fit_on_validation(name, calibration);
    result_.calibrations.push_back(std::move(calibration));
  }

  void fit_on_validation(const std::string& name, CalibrationResult& calibration) {
    const auto& rows = validation_->rows;
    const auto& definition = find_calibrator(name);
    const auto fit =
        fit_calibrator(name, logits_->values(), rows.n_classes(), rows.labels(), rows.what());
    if (fit.calibrator == nullptr) {
      calibration.null_reason = fit.reason;
      return;
    }
    add_parameters(fit.calibrator->parameters, calibration);
    for (const auto& set : sets_) {
      if (&set == validation_ || (is_ood(set.set()) && !definition.applies_to_ood)) continue;
      const auto apply = [&](const RowRange& range) {
        return fit.calibrator->apply(range.logits(), set.rows.n_classes(), range.what);
      };
      result_.sets.push_back(summarize_calibrated(set.rows, apply, request_of(set.set(), name)));
    }
  }

  void by_cross_fitting(const std::string& name) {
    if (test_ == nullptr) return;
    const auto& rows = test_->rows;
    CalibrationResult calibration{
        name, fmt::format("test, {} folds", options_.cross_fitting_folds), too_large_, {}};
    if (too_large_.empty()) {
      const auto fitted = cross_fit(name, logits_->values(), rows.n_classes(), rows.labels(),
                                    rows.what(), {}, options_.cross_fitting_folds);
      add_parameters(fitted.parameters, calibration);
      calibration.null_reason = fitted.reason;
      if (fitted.reason.empty()) {
        const auto predictions = predictions_of(fitted.outputs, rows.labels(), rows.what());
        result_.sets.push_back(summarize_set(request_of(rows.set(), name), predictions));
      }
    }
    result_.calibrations.push_back(std::move(calibration));
  }

  SummaryRequest request_of(const std::string& set, const std::string& calibrator) const {
    return {set, calibrator, Detail::Main, options_.resamples, result_.id};
  }

  const std::vector<SetOutputs>& sets_;
  const AnalysisOptions& options_;
  PredictorResult& result_;
  const SetOutputs *test_, *validation_;
  std::string too_large_;              // why no calibrator is fitted, or empty
  std::optional<WholeLogits> logits_;  // of what they are fitted on
};

}  // namespace

void add_parameters(const std::vector<CalibratorParameter>& parameters,
                    CalibrationResult& calibration) {
  for (const auto& parameter : parameters) {
    if (!parameter.value.has_value()) continue;
    calibration.parameters.emplace_back(parameter.name, parameter.value.value);
  }
}

PredictionSetResult summarize_calibrated(
    const SetRows& rows, const std::function<CalibratedOutputs(const RowRange&)>& apply,
    const SummaryRequest& request) {
  PredictionSum sum(rows, RowDetail::Correctness);
  rows.for_each_range([&](const RowRange& range) {
    sum.add(predictions_of(apply(range), range.labels, range.what));
  });
  return summarize_set(request, sum.take());
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
