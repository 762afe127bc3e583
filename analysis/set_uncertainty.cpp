#include "analysis/set_uncertainty.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "analysis/error_requests.hpp"
#include "analysis/metrics/classwise_cells.hpp"
#include "analysis/uncertainty/bootstrap.hpp"
#include "analysis/uncertainty/classwise_resamples.hpp"
#include "analysis/uncertainty/residual_intervals.hpp"

namespace calsweep::analysis {
namespace {

/// Of errors that cost more than their bins: the ends of an interval are good to a tenth of its
/// width, a floor to 1 %.
constexpr std::int64_t kFewResamples = 128;
/// Of class probabilities, each a label per row.
constexpr std::int64_t kLabelResamples = 64;
/// Each bootstrap resample costs a draw per row.
constexpr std::int64_t kBootstrapResamples = 128;
constexpr double kTail = 0.025;  // of a 95 % interval
constexpr double kInfinity = std::numeric_limits<double>::infinity();

void take(const NullSummary& summary, const std::string& name, std::vector<MetricValue>& metrics) {
  auto* metric = find_value(metrics, name);
  if (metric == nullptr) return;
  metric->uncertainty.floor = summary.floor.value;
  metric->uncertainty.floor_q95 = summary.quantile95.value;
  metric->uncertainty.p_consistent = summary.p_consistent.value;
}

void take(const Interval& interval, const std::string& name, std::vector<MetricValue>& metrics,
          double highest) {
  auto* metric = find_value(metrics, name);
  if (metric == nullptr || !interval.lower.has_value()) return;
  metric->uncertainty.ci_low = std::clamp(interval.lower.value, 0.0, highest);
  metric->uncertainty.ci_high = std::clamp(interval.upper.value, 0.0, highest);
}

void take_floors(const std::vector<NullSummary>& summaries, const BinnedRequest& request,
                 std::vector<MetricValue>& metrics) {
  for (const auto& summary : summaries) {
    const auto own = summary.name == "ks" ? uncertainty_name("ks", "") : summary.name;
    for (const auto& name : request.names_of(own)) take(summary, name, metrics);
  }
}

/// Of errors that are biased like binned ones but are resampled whole: the basic interval, which
/// begins at 0 where the error is what a calibrated model may have.
void take_basic(const Replicates& replicates, std::vector<MetricValue>& metrics) {
  auto* metric = find_value(metrics, replicates.name);
  if (metric == nullptr) return;
  take(basic_interval(replicates), replicates.name, metrics, 1.0);
  if (metric->uncertainty.p_consistent > kTail) metric->uncertainty.ci_low = 0.0;
}

void take_inverted(const BinnedRequest& request, const ConfidenceProfile& profile,
                   const ResidualDraws& draws, std::vector<MetricValue>& metrics) {
  for (const auto& error : request.functionals) {
    const auto interval = inverted_interval(error, profile, draws);
    for (const auto& name : request.names_of(error.name)) {
      if (name == "mce|fortuna") continue;  // a number of rows: it has no true value
      take(interval, name, metrics, 1.0);
      auto* metric = find_value(metrics, name);
      if (metric != nullptr && metric->uncertainty.p_consistent > kTail) {
        metric->uncertainty.ci_low = 0.0;
      }
    }
  }
}

bool all_finite(std::span<const double> values) {
  return std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
}

NullOptions null_options(const SummaryRequest& request) {
  NullOptions options;
  options.n_resamples = request.resamples;
  options.key = fmt::format("null|{}|{}|{}", request.predictor, request.set, request.calibrator);
  return options;
}

void add_floors(const UncertaintyInput& input, const BinnedRequest& binned,
                const SummaryRequest& request, std::vector<MetricValue>& metrics) {
  NullRequest wanted;
  wanted.brier_top = false;
  wanted.binned = binned.functionals;
  wanted.cut = cut_errors(input.profile, metrics);
  wanted.cut_resamples = kFewResamples;
  take_floors(null_distribution(input.profile, wanted, null_options(request)), binned, metrics);
}

/// Goes by the consistency p-values: after add_floors().
void add_intervals(const UncertaintyInput& input, const BinnedRequest& binned,
                   const SummaryRequest& request, std::vector<MetricValue>& metrics) {
  const auto& predictions = input.predictions;
  std::vector<RowMean> means;
  if (!predictions.nll_rows.empty() && all_finite(predictions.nll_rows)) {
    means.push_back({uncertainty_name("nll", ""), predictions.nll_rows});
  }
  if (!input.brier_rows.empty()) {
    means.push_back({uncertainty_name("brier", ""), input.brier_rows});
  }
  const std::vector<CutFunctional> cuts = {
      smooth_cuts(uncertainty_name("smece", ""), input.profile),
      kernel_cuts(uncertainty_name("mmce", ""), input.profile)};
  ResidualDraws residuals{cuts_of(binned.functionals), {}, 0};
  BootstrapOptions options;
  options.n_resamples = std::min(request.resamples, kBootstrapResamples);
  options.key = "bootstrap|" + request.set;
  options.jackknife_blocks = 2;  // none is needed
  const auto n_means = 2 + means.size();
  const auto all = bootstrap(predictions.confidence_f32, predictions.correct, means,
                             resampled_errors(metrics), options, cuts, &residuals);
  for (std::size_t r = 0; r < all.size(); ++r) {
    if (r >= n_means) {
      take_basic(all[r], metrics);
    } else {
      take(percentile_interval(all[r]), r < 2 ? all[r].name + "|" : all[r].name, metrics,
           kInfinity);
    }
  }
  take_inverted(binned, input.profile, residuals, metrics);
}

}  // namespace

void add_row_uncertainty(const UncertaintyInput& input, const SummaryRequest& request,
                         std::vector<MetricValue>& metrics) {
  const auto binned = binned_request(input.profile, metrics);
  add_floors(input, binned, request, metrics);
  add_intervals(input, binned, request, metrics);
}

void add_classwise_uncertainty(const ClasswiseInput& input, const AdaptiveCells& adaptive,
                               const SummaryRequest& request, std::vector<MetricValue>& metrics) {
  const auto n_classes = input.n_classes;
  const auto width = equal_width_cells(input.probabilities, n_classes, input.labels);
  const std::vector<ClasswiseError> errors = {
      {uncertainty_name("classwise_ece", ""), &width},
      {uncertainty_name("ace", ""), &adaptive.all},
      {uncertainty_name("tace", ""), &adaptive.thresholded}};
  for (const auto& summary :
       classwise_null(input.probabilities, n_classes, errors,
                      std::min(request.resamples, kLabelResamples), null_options(request).key)) {
    take(summary, summary.name, metrics);
  }
  for (const auto& found : classwise_bootstrap(input.probabilities, n_classes, input.labels, errors,
                                               std::min(request.resamples, kBootstrapResamples),
                                               "bootstrap|" + request.set)) {
    take(found.interval, found.replicates.name, metrics, 1.0);
  }
}

void add_cell_uncertainty(const UncertaintyInput& input, const SummaryRequest& request,
                          std::vector<MetricValue>& metrics) {
  const auto binned = binned_request(input.profile, metrics);
  NullRequest wanted;
  wanted.ks = wanted.brier_top = false;
  wanted.binned = binned.functionals;
  auto options = null_options(request);
  options.n_resamples = std::min(request.resamples, kFewResamples);
  options.exact_rows = 0;
  options.n_cells = 1;  // and the edges of the bins
  take_floors(null_distribution(input.profile, wanted, options), binned, metrics);
  const auto residuals =
      cell_residuals(input.profile, cuts_of(binned.functionals),
                     std::min(request.resamples, kBootstrapResamples), options.key);
  take_inverted(binned, input.profile, residuals, metrics);
}

}  // namespace calsweep::analysis
