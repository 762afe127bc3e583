// Wilcoxon's signed-rank test for paired samples: exact and asymptotic p, effect sizes.
//
// Zero differences are dropped (zero method "wilcox"), tied magnitudes share their mean rank. The
// asymptotic p is the noise warm-up paper's: normal approximation, tie-corrected variance, no
// continuity correction. The exact p counts sign patterns over the ranks at hand in integers, so it
// is exact with ties too. Definitions and choices: docs/metrics.md.
#pragma once

#include <cstdint>
#include <span>

#include "analysis/measured.hpp"

namespace calsweep::analysis {

/// Above this many non-zero differences the exact p is not computed (2^60 patterns fit 64 bits).
inline constexpr std::int64_t kExactSignedRankLimit = 60;
/// Differences closer than this, relative to the largest |value| of the pairs, are taken as equal:
/// 0.9123 - 0.9111 and 0.8012 - 0.8000 differ in the last bits only.
inline constexpr double kRelativeTieTolerance = 1e-12;

struct SignedRankTest {
  std::int64_t n_pairs = 0;  ///< zeros included
  std::int64_t n_zero = 0;
  Measured w_plus, w_minus, w;                 ///< w = min(w_plus, w_minus)
  Measured z;                                  ///< |w - mean| / sd, never negative
  Measured p_exact, p_asymptotic;              ///< two-sided
  Measured log10_p_exact, log10_p_asymptotic;  ///< finite also where p underflows
  Measured r;                                  ///< z / sqrt(n_pairs)
  Measured rank_biserial;                      ///< (w_plus - w_minus) / (w_plus + w_minus)
  Measured median_difference;                  ///< over all pairs
  Measured hodges_lehmann;                     ///< median of the means of all pairs i <= j
};

/// `differences`: first minus second, finite (FormatError else). Those within `tolerance` of zero
/// are zero, neighbours within it are tied. No pairs, or all zero: no test, with the reason.
SignedRankTest signed_rank_test(std::span<const double> differences, double tolerance = 0.0);

/// On a - b with the tolerance above. Throws FormatError if the sizes differ.
SignedRankTest paired_signed_rank_test(std::span<const double> a, std::span<const double> b);

/// Median, the mean of the middle two for even n. Empty: no value.
Measured median(std::span<const double> values);

}  // namespace calsweep::analysis
