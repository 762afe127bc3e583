// Wilcoxon's signed-rank test for paired samples: exact and asymptotic p in the options of the
// noise warm-up paper, SciPy and R.
//
// The exact p counts sign patterns over the ranks at hand in integers, so it is exact with ties and
// zeros too. Definitions, options and sources: docs/statistics.md.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "analysis/measured.hpp"
#include "analysis/statistics/alternative.hpp"
#include "analysis/statistics/paired_differences.hpp"
#include "analysis/statistics/signed_ranks.hpp"

namespace calsweep::analysis {

struct SignedRankOptions {
  ZeroMethod zero_method = ZeroMethod::Wilcox;
  bool continuity = false;  ///< of the asymptotic p: |W - mean| less one half
  Alternative alternative = Alternative::TwoSided;
  PValueRule rule = PValueRule::ExactWherePossible;
  /// Of paired_signed_rank_test; 0 compares differences bit by bit, as SciPy and R do.
  double relative_tie_tolerance = kRelativeTieTolerance;

  /// The noise warm-up paper (Cheon & Paik 2026): asymptotic, no continuity correction.
  static SignedRankOptions paper();
  /// scipy.stats.wilcoxon from 1.15 on: no continuity correction; exact up to 50 pairs without ties
  /// and zeros, up to 13 with them; asymptotic else.
  static SignedRankOptions scipy();
  /// R's wilcox.test: exact below 50 differences without ties and zeros; asymptotic with continuity
  /// correction else.
  static SignedRankOptions r();
};

struct SignedRankTest {
  std::int64_t n_pairs = 0;  ///< zeros included
  std::int64_t n_zero = 0;
  bool has_ties = false;     ///< among the non-zero magnitudes
  Measured w_plus, w_minus;  ///< rank sums; Split: with half of the zeros' ranks each
  Measured w;                ///< min(w_plus, w_minus)
  Measured z;                ///< two-sided: never negative; one-sided: of w_plus, signed
  Measured p_exact, p_asymptotic;
  Measured log10_p_exact, log10_p_asymptotic;  ///< finite also where p underflows
  Measured p, log10_p;         ///< the one of the two that the rule of the options picks
  std::string p_used;          ///< "exact" or "asymptotic"; empty without a p
  Measured r;                  ///< |z| / sqrt(n_pairs) (Rosenthal)
  Measured rank_biserial;      ///< (w_plus - w_minus) / (w_plus + w_minus) (Kerby 2014)
  Measured median_difference;  ///< over all pairs
  Measured hodges_lehmann;     ///< median of the means of all pairs i <= j
};

/// `differences`: first minus second, finite (FormatError else). Those within `tolerance` of zero
/// are zero, neighbours within it are tied. No pairs, or all zero: no test, with the reason.
SignedRankTest signed_rank_test(std::span<const double> differences,
                                const SignedRankOptions& options, double tolerance = 0.0);
SignedRankTest signed_rank_test(std::span<const double> differences, double tolerance = 0.0);

/// On a - b with the tolerance of the options. Throws FormatError if the sizes differ.
SignedRankTest paired_signed_rank_test(std::span<const double> a, std::span<const double> b,
                                       const SignedRankOptions& options = {});

}  // namespace calsweep::analysis
