#include "analysis/set_summary.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/metrics/calibration_error.hpp"
#include "analysis/metrics/classwise_cells.hpp"
#include "analysis/metrics/corp_decomposition.hpp"
#include "analysis/metrics/kernel_calibration_error.hpp"
#include "analysis/metrics/selective_prediction.hpp"
#include "analysis/metrics/smooth_ece.hpp"
#include "analysis/metrics/sorted_calibration_error.hpp"
#include "analysis/predictor_data.hpp"
#include "analysis/set_uncertainty.hpp"

namespace calsweep::analysis {
namespace {

constexpr double kCoverages[] = {0.5, 0.8, 0.9, 0.95};
constexpr double kOracleFractions[] = {0.01, 0.1};
// Of equal-width conventions, those whose every norm is stored; of the others ECE and MCE.
constexpr std::string_view kAllNorms[] = {"exact", "guo2017"};
constexpr std::string_view kOfCalibrated[] = {"exact", "guo2017", "noise2026"};

template <class List>
bool contains(const List& list, std::string_view name) {
  return std::find(std::begin(list), std::end(list), name) != std::end(list);
}

Measured root_of(const Measured& value) {
  return value.has_value() ? Measured::of(std::sqrt(value.value)) : value;
}

class Summary {
 public:
  Summary(const SummaryRequest& request, const Predictions& predictions)
      : request_(request), predictions_(predictions) {
    result_.set = request.set;
    result_.calibrator = request.calibrator;
    result_.n_rows = predictions.n_rows();
    result_.n_classes = predictions.n_classes;
  }

  PredictionSetResult take() { return std::move(result_); }
  bool is_full() const { return request_.detail == Detail::Full; }

  void add(std::string metric, std::string convention, Measured value) {
    result_.metrics.push_back({std::move(metric), std::move(convention), std::move(value)});
  }

  void add_of_all_rows() {
    const auto& tally = predictions_.tally;
    add("confidence", "", tally.mean_confidence());
    add("saturated_fraction", "", tally.saturated_fraction());
    add("entropy", "", tally.entropy());
    const auto bias = tally.class_bias();
    add("class_bias", "largest-excess", bias.largest_excess);
    add("class_bias", "total-variation", bias.total_variation);
    add("class_bias", "kl-to-uniform", bias.kl_to_uniform);
  }

  void add_scores() {
    const auto& tally = predictions_.tally;
    add("accuracy", "", tally.accuracy());
    add("nll", "", tally.nll());
    add("brier", "", tally.brier());
    add("root_brier", "multi-class", root_of(tally.brier()));
    add("classwise_ece", "", tally.classwise_ece());
  }

  void add_equal_width() {
    for (const auto& convention : conventions()) {
      const std::string name(convention.name);
      if (!is_full() && !contains(kOfCalibrated, name)) continue;
      const auto error = predictions_.calibration_error(convention, convention.default_bins);
      add("ece", name, error.ece);
      add("mce", name, error.mce);
      if (!contains(kAllNorms, name)) continue;
      add("rmsce", name, error.rmsce);
      add("overconfidence_error", name, error.oe);
    }
  }

  void add_sorted(const ConfidenceProfile& profile) {
    const auto equal_mass = equal_mass_errors(profile);
    add("ece", "equal-mass", equal_mass.l1);
    add("debiased_l2", "equal-mass", equal_mass.debiased_l2);
    add("ks", "", ks_error(profile));
    add("smece", "", smooth_ece(profile).error);
    const auto kernel = kernel_calibration_error(profile);
    add("mmce", "", kernel.mmce);
    add("mmce_squared", "unbiased", kernel.unbiased_squared);
    add("calibration_auroc", "", calibration_auroc(profile));
    const auto selective = selective_prediction(profile);
    add("aurc", "", selective.aurc);
    add("excess_aurc", "", selective.excess_aurc);
    add("augrc", "", selective.augrc);
    if (!is_full()) return;
    add("mce", "equal-mass", equal_mass.max);
    add("rmsce", "equal-mass", equal_mass.l2);
    add("debiased_l2", "equal-width", equal_width_errors(profile).debiased_l2);
    const auto kumar = kumar_equal_mass_errors(profile);
    add("debiased_l2", "kumar2019-em", kumar.debiased_l2);
    add("ece", "kumar2019-em", kumar.l1);
    add("ece", "tu-ace", rank_split_errors(profile).l1);
    add("rmsce", "hendrycks", hendrycks_errors(profile).l2);
    const auto sweep = sweep_error(profile);
    add("ece", "sweep", sweep.ece);
    add("smece", "relplot", relplot_smooth_ece(profile).error);
    for (const double fraction : kOracleFractions) {
      add("oracle_collaborative_accuracy", fmt::format("{}", fraction),
          oracle_collaborative_accuracy(profile, fraction));
    }
    for (const double coverage : kCoverages) {
      add("accuracy_at_coverage", fmt::format("{}", coverage),
          accuracy_at_coverage(profile, coverage));
    }
  }

  void add_decomposition(const CorpDecomposition& corp, const std::string& convention) {
    add("brier_miscalibration", convention, corp.miscalibration);
    add("brier_discrimination", convention, corp.discrimination);
    add("brier_uncertainty", convention, corp.uncertainty);
  }

  void add_counts() {
    const auto cells = predictions_.tally.cells();
    for (std::size_t c = 0; c < cells.size(); ++c) {
      if (cells[c].count == 0) continue;
      result_.confidence.push_back({static_cast<std::int64_t>(c), cells[c].count, cells[c].correct,
                                    cells[c].confidence.value()});
    }
  }

  void add_classes() {
    const bool has_sums = predictions_.tally.has_probabilities();
    for (const auto& sums : predictions_.tally.classes()) {
      auto& made = result_.classes.emplace_back(ClassCount{sums.labels, sums.predicted});
      if (has_sums) made.sum_probability = sums.probability.value();
    }
  }

  /// ACE, TACE and what belongs to classwise errors.
  void add_classwise(const FullSummaryInput& input) {
    if (!input.too_large.empty()) {
      for (const auto* metric : {"ace", "tace"}) add(metric, "", Measured::none(input.too_large));
      return;
    }
    const auto cells = adaptive_cells(input.probabilities, predictions_.n_classes, input.labels);
    add("ace", "", cells.all.error());
    add("tace", "", cells.thresholded.error());
    if (!has_uncertainty()) return;
    add_classwise_uncertainty({predictions_.n_classes, input.probabilities, input.labels}, cells,
                              request_, result_.metrics);
  }

  void add_uncertainty(const ConfidenceProfile& profile, std::span<const double> brier_rows) {
    if (!has_uncertainty()) return;
    const UncertaintyInput input{profile, predictions_, brier_rows};
    if (!is_full()) return add_cell_uncertainty(input, request_, result_.metrics);
    add_row_uncertainty(input, request_, result_.metrics);
  }

 private:
  bool has_uncertainty() const { return request_.resamples > 0 && predictions_.n_rows() > 0; }

  const SummaryRequest& request_;
  const Predictions& predictions_;
  PredictionSetResult result_;
};

}  // namespace

PredictionSetResult summarize_set(const SummaryRequest& request, const Predictions& predictions,
                                  const FullSummaryInput& input) {
  Summary summary(request, predictions);
  summary.add_of_all_rows();
  summary.add_classes();
  if (!predictions.labelled || is_ood(request.set)) return summary.take();
  summary.add_scores();
  summary.add_equal_width();
  summary.add_counts();
  if (request.detail == Detail::Brief) return summary.take();
  const auto profile =
      ConfidenceProfile::from_rows(predictions.confidence_f32, predictions.correct);
  summary.add_sorted(profile);
  const auto top_label = corp_brier(profile);
  summary.add_decomposition(top_label, "top-label");
  summary.add("root_brier", "top-label", root_of(top_label.score));
  if (summary.is_full() && predictions.n_rows() > 0) {
    summary.add_decomposition(
        corp_multiclass_brier(predictions.n_classes, input.labels, input.class_column),
        "multi-class");
    summary.add_classwise(input);
  }
  summary.add_uncertainty(profile, input.brier_rows);
  return summary.take();
}

}  // namespace calsweep::analysis
