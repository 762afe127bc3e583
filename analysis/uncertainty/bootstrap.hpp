// Bootstrap over rows: how far a number would move on another test set of the same size.
//
// Rows are drawn with replacement, by file position, keyed by text and n alone: two methods that
// were evaluated on the same rows under the same key get the same resamples, so their differences
// are paired. The draws are O(resamples * n); nothing is approximated.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "analysis/measured.hpp"
#include "analysis/uncertainty/null_distribution.hpp"
#include "analysis/uncertainty/reliability_bars.hpp"
#include "analysis/uncertainty/residual_intervals.hpp"

namespace calsweep::analysis {

struct BootstrapOptions {
  std::int64_t n_resamples = 1000;
  std::string key = "bootstrap";
  std::int64_t jackknife_blocks = 100;  ///< for BCa: row i belongs to block i mod blocks
};

/// A further mean over rows, such as NLL or Brier score. values: [n], finite.
struct RowMean {
  std::string name;
  std::span<const double> values;
};

/// One number, and what it becomes when rows are resampled or a block of rows is left out.
struct Replicates {
  std::string name;
  double observed = 0.0;
  std::vector<double> resampled;   ///< [n_resamples]
  std::vector<double> jackknifed;  ///< [blocks]
};

/// "accuracy", "confidence", then `means`, then `errors`, then `cuts`, whose partitions stay those
/// of all rows. confidence, correct: [n] in file order. An empty set gives no replicates. Throws
/// FormatError as ConfidenceProfile::from_rows, or if the lengths differ.
std::vector<Replicates> bootstrap(std::span<const float> confidence,
                                  std::span<const std::uint8_t> correct,
                                  const std::vector<RowMean>& means,
                                  const std::vector<ProfileFunctional>& errors,
                                  const BootstrapOptions& options,
                                  const std::vector<CutFunctional>& cuts = {},
                                  ResidualDraws* residuals = nullptr);

/// first - second, resample by resample; both from the same key and the same rows.
Replicates paired_difference(const Replicates& first, const Replicates& second);

/// Quantiles of the resampled values. For means; it is centred wrongly for errors that are
/// biased, as binned calibration errors are: resampling adds noise, which they count as error.
Interval percentile_interval(const Replicates& replicates, double level = 0.95);
/// Mirrored at the observed value, 2 observed - quantile: takes the bias out to first order. The
/// one to quote for calibration errors. May leave the range of the error; clip to show.
Interval basic_interval(const Replicates& replicates, double level = 0.95);
/// Bias-corrected and accelerated (Efron 1987), acceleration from the block jackknife. No value if
/// all resampled values lie on one side of the observed one, as with a biased error they may.
Interval bca_interval(const Replicates& replicates, double level = 0.95);

/// Mean of the resampled values - observed: the bootstrap's estimate of the bias.
Measured bootstrap_bias(const Replicates& replicates);
/// Standard deviation of the resampled values.
Measured bootstrap_standard_error(const Replicates& replicates);

}  // namespace calsweep::analysis
