// Calibration errors of a sorted profile: binned errors of any partition, Kumar's debiased L2, the
// monotone sweep, the peers' rank-split variants, and the Kolmogorov-Smirnov error.
//
// All are functions of top-label confidence and correctness. Bins without rows are skipped: they
// count in no sum and in no maximum.
#pragma once

#include <cstdint>
#include <span>

#include "analysis/measured.hpp"
#include "analysis/metrics/confidence_bins.hpp"
#include "analysis/metrics/confidence_profile.hpp"

namespace calsweep::analysis {

/// With w_b = n_b / n, n = all rows, binned or not, and gap_b = |accuracy - mean confidence|.
struct BinnedErrors {
  double l1 = 0.0;              ///< sum w gap (ECE)
  double l2 = 0.0;              ///< sqrt(sum w gap^2) (RMSCE)
  double max = 0.0;             ///< largest gap of a bin with rows (MCE)
  double overconfidence = 0.0;  ///< sum w conf max(conf - acc, 0) (Thulasidasan et al. 2019)
  /// sqrt(max(0, sum w (gap^2 - acc (1 - acc) / (n_b - 1)))), bins of one row left out of the sum
  /// (Kumar et al. 2019; the correction is that of Broecker 2012 and Ferro & Fricker 2012).
  double debiased_l2 = 0.0;
};

/// n_rows > 0.
BinnedErrors binned_errors(std::span<const BinTally> bins, std::int64_t n_rows);

/// The five as numbers, or "the set is empty" five times.
struct MeasuredBinnedErrors {
  Measured l1, l2, max, overconfidence, debiased_l2;
};
MeasuredBinnedErrors measured_binned_errors(std::span<const BinTally> bins, std::int64_t n_rows);

/// `equal_mass` (ours), `kumar2019-em`, `tu-ace`, `exact` equal width: the partition of
/// confidence_bins.hpp of that name, then the errors.
MeasuredBinnedErrors equal_mass_errors(const ConfidenceProfile& profile, std::int64_t n_bins = 15);
MeasuredBinnedErrors kumar_equal_mass_errors(const ConfidenceProfile& profile,
                                             std::int64_t n_bins = 15);
MeasuredBinnedErrors rank_split_errors(const ConfidenceProfile& profile, std::int64_t n_bins = 15);
MeasuredBinnedErrors equal_width_errors(const ConfidenceProfile& profile, std::int64_t n_bins = 15);

/// `hendrycks`: parts of `rows_per_bin` sorted rows, the remainder joined to the last part; THE
/// LAST PART, the most confident rows, IS NEVER VISITED but counts in n, as in the published code
/// (calibration_tools.py, calib_err). Kept for comparison with papers that used it; do not read it
/// as a calibration error. No value below rows_per_bin rows.
MeasuredBinnedErrors hendrycks_errors(const ConfidenceProfile& profile,
                                      std::int64_t rows_per_bin = 100);

struct SweepError {
  Measured ece;
  std::int64_t n_bins = 0;
};
/// ECE_sweep (Roelofs et al. 2022, algorithm 1): the L1 error over b equal-mass bins, b the last
/// number of bins, counting up from 1, before accuracies stop being non-decreasing (empty bins are
/// skipped). Bins as in `equal_mass_bins`, so ties stay together. At most `largest` bins are tried;
/// a set whose groups are already in order gets min(rows, largest) bins.
SweepError sweep_error(const ConfidenceProfile& profile, std::int64_t largest = 8192);

/// KS calibration error (Gupta et al. 2021): largest |sum over the k least confident rows of
/// (confidence - correct)| / n, over all k that do not cut through tied rows.
Measured ks_error(const ConfidenceProfile& profile);

}  // namespace calsweep::analysis
