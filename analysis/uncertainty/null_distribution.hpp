// The null beside the number: what each calibration error would be for a perfectly calibrated
// model with the same confidences, and how surprising the observed one is (Broecker & Smith 2007;
// Vaicenavicius et al. 2019). docs/uncertainty.md has the formulas.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "analysis/measured.hpp"
#include "analysis/metrics/confidence_bins.hpp"
#include "analysis/metrics/confidence_profile.hpp"
#include "analysis/metrics/sorted_calibration_error.hpp"
#include "analysis/uncertainty/cut_functional.hpp"
#include "analysis/uncertainty/null_resamples.hpp"

namespace calsweep::analysis {

/// An error that depends on bins of a partition that confidences alone determine.
struct BinnedFunctional {
  std::string name;
  GroupBins bins;
  std::function<double(std::span<const BinTally> bins, std::int64_t n_rows)> value;
  /// What `value` estimates, as a function of the true sums; empty: the same function. Of a
  /// debiased error the error itself.
  std::function<double(std::span<const BinTally> bins, std::int64_t n_rows)> estimand = {};
};
/// Any other error; evaluated on `whole_resamples` resamples only.
struct ProfileFunctional {
  std::string name;
  std::function<double(const ConfidenceProfile&)> value;
};

struct NullRequest {
  std::vector<BinnedFunctional> binned;
  std::vector<ProfileFunctional> whole;
  std::int64_t whole_resamples = 192;
  std::vector<CutFunctional> cut;  ///< evaluated on `cut_resamples` resamples only
  std::int64_t cut_resamples = 192;
  bool ks = true;         ///< adds "ks": ks_error
  bool brier_top = true;  ///< adds "brier_top": mean of (confidence - correct)^2
};

struct NullSummary {
  std::string name;
  Measured observed;
  Measured floor;         ///< mean over resamples
  Measured quantile95;    ///< the ceil(0.95 R)-th smallest
  Measured p_consistent;  ///< (1 + #{null >= observed}) / (R + 1), one-sided
  std::int64_t n_resamples = 0;
};

/// From null values in any order; they and the observed one must come from the same arithmetic.
NullSummary null_summary(std::string name, double observed, std::vector<double> null);

/// In the order binned, "ks", "brier_top", whole, cut. An empty set has no values.
std::vector<NullSummary> null_distribution(const ConfidenceProfile& profile,
                                           const NullRequest& request, const NullOptions& options);

/// One of binned_errors().
BinnedFunctional binned_functional(std::string name, const GroupBins& bins,
                                   double BinnedErrors::*error);

/// l1, l2, max, overconfidence and debiased L2 of one partition, named `prefix` + "_l1" and so on.
std::vector<BinnedFunctional> binned_functionals(const std::string& prefix, const GroupBins& bins);

}  // namespace calsweep::analysis
