// Which calibration errors of a set get floors and intervals, and how each is computed under
// resampling. Names are "metric|convention" as in the table `metric`.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/metrics/confidence_profile.hpp"
#include "analysis/results/results_line.hpp"
#include "analysis/uncertainty/cut_functional.hpp"
#include "analysis/uncertainty/null_distribution.hpp"

namespace calsweep::analysis {

std::string uncertainty_name(std::string_view metric, std::string_view convention);
/// The metric of that name, or null if it is absent or has no value.
MetricValue* find_value(std::vector<MetricValue>& metrics, std::string_view name);

/// Errors over partitions that confidences alone determine. Conventions whose bins hold the same
/// rows share one functional; `also` says whose numbers it gives besides its own.
struct BinnedRequest {
  std::vector<BinnedFunctional> functionals;
  std::map<std::string, std::vector<std::string>> also;

  /// `name` and the names that share its functional.
  std::vector<std::string> names_of(const std::string& name) const;
};

/// Of what `metrics` has values for: every equal-width error under every convention, and the
/// `equal-mass`, `kumar2019-em` and debiased `equal-width` errors.
BinnedRequest binned_request(const ConfidenceProfile& profile, std::vector<MetricValue>& metrics);

/// Errors that are no function of one partition, for floors: rank-split ones, the sweep, SmoothECE
/// and MMCE, where `metrics` has values.
std::vector<CutFunctional> cut_errors(const ConfidenceProfile& profile,
                                      std::vector<MetricValue>& metrics);

/// Errors whose partition is made anew in each bootstrap resample.
std::vector<ProfileFunctional> resampled_errors(std::vector<MetricValue>& metrics);

}  // namespace calsweep::analysis
