#include "analysis/set_uncertainty.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

#include "analysis/metrics/bin_finder.hpp"
#include "analysis/metrics/calibration_error.hpp"
#include "analysis/metrics/smooth_ece.hpp"
#include "analysis/metrics/sorted_calibration_error.hpp"
#include "analysis/uncertainty/bootstrap.hpp"
#include "analysis/uncertainty/null_distribution.hpp"

namespace calsweep::analysis {
namespace {

/// SmoothECE costs a thousand times what a binned error does: its floor is that of the profile in
/// so many groups, the mean over few resamples, without quantile and p.
constexpr std::int64_t kSmoothGroups = 256;
constexpr std::int64_t kSmoothResamples = 8;

std::string name_of(std::string_view metric, std::string_view convention) {
  return fmt::format("{}|{}", metric, convention);
}

MetricValue* find(std::vector<MetricValue>& metrics, std::string_view name) {
  for (auto& m : metrics) {
    if (name_of(m.metric, m.convention) == name) return &m;
  }
  return nullptr;
}

template <class List>
bool is_one_of(const List& list, std::string_view name) {
  return std::find(std::begin(list), std::end(list), name) != std::end(list);
}

using ErrorMember = Measured CalibrationError::*;
constexpr std::pair<std::string_view, ErrorMember> kErrors[] = {
    {"ece", &CalibrationError::ece},
    {"mce", &CalibrationError::mce},
    {"rmsce", &CalibrationError::rmsce},
    {"overconfidence_error", &CalibrationError::oe}};

/// Each bootstrap resample costs a draw per row: so many are enough for the ends of an interval.
constexpr std::int64_t kBootstrapResamples = 200;
/// Conventions whose MCE has a floor.
constexpr std::string_view kWithFloorOfMce[] = {"exact", "guo2017", "noise2026"};

/// The bins of a convention, which each of its functionals shares.
GroupBins bins_of(const ConfidenceProfile& profile, const Convention& convention,
                  std::int64_t& n_bins) {
  std::vector<std::int32_t> bin_of_group;
  const auto bins = bins_of_cells(convention, convention.default_bins);
  n_bins = 1 + *std::max_element(bins.begin(), bins.end());
  for (const auto& group : profile.groups()) {
    bin_of_group.push_back(
        bins[static_cast<std::size_t>(cell_of(static_cast<float>(group.confidence)))]);
  }
  return assigned_bins(bin_of_group, n_bins);
}

double error_of(const Convention& convention, ErrorMember member, std::span<const BinTally> bins,
                std::int64_t n_rows) {
  std::vector<ReliabilityBin> reliability(bins.size());
  for (std::size_t b = 0; b < bins.size(); ++b) {
    reliability[b].count = std::llround(bins[b].count);
    reliability[b].correct = std::llround(bins[b].correct);
    reliability[b].sum_confidence = bins[b].sum_confidence;
  }
  return (calibration_error(convention, reliability, n_rows).*member).value;
}

/// Every equal-width error that the set has a value for.
void request_conventions(const UncertaintyInput& input, std::vector<MetricValue>& metrics,
                         NullRequest& request) {
  for (const auto& convention : conventions()) {
    if (registered_bins(convention).empty()) continue;
    std::int64_t n_bins = 0;
    const auto bins = bins_of(input.profile, convention, n_bins);
    for (const auto& [metric, member] : kErrors) {
      const auto name = name_of(metric, convention.name);
      const auto* value = find(metrics, name);
      if (value == nullptr || !value->value.has_value()) continue;
      if (metric == "mce" && !is_one_of(kWithFloorOfMce, convention.name)) continue;
      request.binned.push_back(
          {name, bins,
           [&convention, member = member](std::span<const BinTally> tallies, std::int64_t n) {
             return error_of(convention, member, tallies, n);
           }});
    }
  }
}

void request_equal_mass(const UncertaintyInput& input, NullRequest& request) {
  const auto bins = equal_mass_bins(input.profile, 15);
  const auto add = [&](std::string_view metric, double BinnedErrors::*member) {
    request.binned.push_back({name_of(metric, "equal-mass"), bins,
                              [member](std::span<const BinTally> tallies, std::int64_t n) {
                                return binned_errors(tallies, n).*member;
                              }});
  };
  add("ece", &BinnedErrors::l1);
  add("rmsce", &BinnedErrors::l2);
  add("mce", &BinnedErrors::max);
  add("debiased_l2", &BinnedErrors::debiased_l2);
}

void take(const NullSummary& summary, const std::string& name, std::vector<MetricValue>& metrics) {
  auto* metric = find(metrics, name);
  if (metric == nullptr || !metric->value.has_value()) return;
  metric->uncertainty.floor = summary.floor.value;
  metric->uncertainty.floor_q95 = summary.quantile95.value;
  metric->uncertainty.p_consistent = summary.p_consistent.value;
}

void take(const Interval& interval, const std::string& name, std::vector<MetricValue>& metrics,
          double lowest, double highest) {
  auto* metric = find(metrics, name);
  if (metric == nullptr || !metric->value.has_value() || !interval.lower.has_value()) return;
  metric->uncertainty.ci_low = std::clamp(interval.lower.value, lowest, highest);
  metric->uncertainty.ci_high = std::clamp(interval.upper.value, lowest, highest);
}

bool all_finite(std::span<const double> values) {
  return std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
}

}  // namespace

void add_floors(const UncertaintyInput& input, const SummaryRequest& request,
                std::vector<MetricValue>& metrics) {
  NullOptions options;
  options.n_resamples = request.resamples;
  options.key = fmt::format("null|{}|{}|{}", request.predictor, request.set, request.calibrator);
  NullRequest wanted;
  wanted.brier_top = false;
  request_conventions(input, metrics, wanted);
  request_equal_mass(input, wanted);
  for (const auto& summary : null_distribution(input.profile, wanted, options)) {
    take(summary, summary.name == "ks" ? name_of("ks", "") : summary.name, metrics);
  }
  NullRequest smooth;
  smooth.ks = smooth.brier_top = false;
  smooth.whole_resamples = std::min(request.resamples, kSmoothResamples);
  smooth.whole.push_back({name_of("smece", ""), [](const ConfidenceProfile& profile) {
                            return smooth_ece(profile).error.value;
                          }});
  options.n_resamples = smooth.whole_resamples;
  for (const auto& summary :
       null_distribution(coarsened(input.profile, kSmoothGroups), smooth, options)) {
    if (auto* metric = find(metrics, summary.name);
        metric != nullptr && metric->value.has_value()) {
      metric->uncertainty.floor = summary.floor.value;
    }
  }
}

void add_intervals(const UncertaintyInput& input, const SummaryRequest& request,
                   std::vector<MetricValue>& metrics) {
  const auto& predictions = input.predictions;
  std::vector<RowMean> means;
  if (!predictions.nll_rows.empty() && all_finite(predictions.nll_rows)) {
    means.push_back({name_of("nll", ""), predictions.nll_rows});
  }
  if (!input.brier_rows.empty()) means.push_back({name_of("brier", ""), input.brier_rows});
  const Convention& guo = find_convention("guo2017");
  const auto edges = BinFinder(guo, guo.default_bins).edges();
  const std::vector<ProfileFunctional> errors = {
      {name_of("ece", "guo2017"),
       [&edges](const ConfidenceProfile& profile) {
         const auto bins = edge_bins(profile, edges, ClosedSide::Upper);
         return binned_errors(bin_tallies(profile, bins), profile.n_rows()).l1;
       }},
      {name_of("ece", "equal-mass"),
       [](const ConfidenceProfile& profile) { return equal_mass_errors(profile).l1.value; }},
      {name_of("ks", ""),
       [](const ConfidenceProfile& profile) { return ks_error(profile).value; }}};
  BootstrapOptions options;
  options.n_resamples = std::min(request.resamples, kBootstrapResamples);
  options.key = "bootstrap|" + request.set;
  options.jackknife_blocks = 2;  // none is needed
  const double infinity = std::numeric_limits<double>::infinity();
  for (const auto& replicates :
       bootstrap(predictions.confidence_f32, predictions.correct, means, errors, options)) {
    const bool is_error = std::any_of(errors.begin(), errors.end(), [&](const auto& error) {
      return error.name == replicates.name;
    });
    if (is_error) {
      take(basic_interval(replicates), replicates.name, metrics, 0.0, 1.0);
      continue;
    }
    const bool is_named = replicates.name.find('|') != std::string::npos;
    take(percentile_interval(replicates), is_named ? replicates.name : replicates.name + "|",
         metrics, 0.0, infinity);
  }
}

}  // namespace calsweep::analysis
