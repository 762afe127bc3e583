// Intervals for calibration errors by inverting a test (Neyman): which true gaps would have given
// the observed error?
//
// A calibration error is a function of sums of residuals, confidence - correctness, over bins, and
// biased: noise counts as error. Percentile intervals double that bias, the basic one halves it.
// Here the true sums are taken to be t times the observed ones; resampling gives the noise around
// them. An end of the interval is the error of the t where the observed error is just the 2.5 % or
// 97.5 % quantile of what resamples give. At t = 0 this is the test of calibration: the interval
// begins at 0 exactly where that does not reject.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "analysis/metrics/confidence_profile.hpp"
#include "analysis/uncertainty/null_distribution.hpp"
#include "analysis/uncertainty/reliability_bars.hpp"

namespace calsweep::analysis {

/// Cumulative residuals before cuts of a profile, under resampling.
struct ResidualDraws {
  std::vector<std::size_t> cuts;  ///< in groups of the profile, ascending
  std::vector<double> noise;      ///< [n_resamples, cuts] resampled - observed
  std::int64_t n_resamples = 0;
};

/// Every end of a bin, once.
std::vector<std::size_t> cuts_of(const std::vector<BinnedFunctional>& errors);

/// observed: [n] sums of residuals; noise: [n_resamples, n]; value: the error of such sums, not
/// falling as they grow in proportion; estimand: what it estimates, of true sums. No value without
/// resamples.
Interval inverted_interval(std::span<const double> observed, std::span<const double> noise,
                           std::int64_t n_resamples,
                           const std::function<double(std::span<const double>)>& value,
                           const std::function<double(std::span<const double>)>& estimand,
                           double level = 0.95);

/// Of a binned error; draws.cuts must hold its bins' ends. Numbers of rows and confidences of the
/// bins are those observed.
Interval inverted_interval(const BinnedFunctional& error, const ConfidenceProfile& profile,
                           const ResidualDraws& draws, double level = 0.95);

/// Residuals drawn by cells: the rows between neighbouring cuts, right ones and wrong ones apart,
/// as one multinomial, by halves. Exact but for the confidences inside a cell, which become their
/// mean. Costs cuts times resamples, whatever the rows. n_resamples >= 1, else UsageError.
ResidualDraws cell_residuals(const ConfidenceProfile& profile, std::vector<std::size_t> cuts,
                             std::int64_t n_resamples, const std::string& key);

}  // namespace calsweep::analysis
