// Mann & Whitney's U test (Wilcoxon's rank-sum test) for two independent samples. U is
// n1 * n2 * AUROC of analysis/metrics/auroc.hpp: ranking of scores and the test share one count.
//
// The exact p counts the ways to choose the first sample among the pooled mean ranks in 128-bit
// integers, so it is exact with ties too (conditional on them). Options: docs/statistics.md.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "analysis/measured.hpp"
#include "analysis/statistics/alternative.hpp"

namespace calsweep::analysis {

struct MannWhitneyOptions {
  bool continuity = false;  ///< of the asymptotic p: |U - mean| less one half
  Alternative alternative = Alternative::TwoSided;
  PValueRule rule = PValueRule::ExactWherePossible;

  /// The noise warm-up paper (Cheon & Paik 2026): asymptotic, no continuity correction.
  static MannWhitneyOptions paper();
  /// scipy.stats.mannwhitneyu from 1.7 on: exact where the smaller sample has at most 8 values and
  /// there are no ties; asymptotic with continuity correction else.
  static MannWhitneyOptions scipy();
  /// R's wilcox.test: exact where both samples have fewer than 50 values and there are no ties;
  /// asymptotic with continuity correction else.
  static MannWhitneyOptions r();
};

struct MannWhitneyTest {
  std::int64_t n1 = 0, n2 = 0;
  bool has_ties = false;
  Measured u;  ///< of the first sample: pairs with first > second, ties half
  Measured z;  ///< two-sided: never negative; one-sided: of u, signed
  Measured p_exact, p_asymptotic;
  Measured log10_p_exact, log10_p_asymptotic;  ///< finite also where p underflows
  Measured p, log10_p;                         ///< the one that the rule of the options picks
  std::string p_used;                          ///< "exact" or "asymptotic"; empty without a p
  Measured r;                                  ///< |z| / sqrt(n1 + n2)
  Measured rank_biserial;                      ///< 2 u / (n1 n2) - 1
  Measured common_language;                    ///< u / (n1 n2) = P(first > second) + P(equal) / 2
};

/// Finite values (FormatError else). An empty sample, or all values equal: no p, with the reason.
MannWhitneyTest mann_whitney_test(std::span<const double> first, std::span<const double> second,
                                  const MannWhitneyOptions& options = {});

/// The asymptotic part from published numbers: `u` of the first sample and `tie_term` = sum of
/// t^3 - t over the groups of tied values. There is no exact p.
MannWhitneyTest mann_whitney_from_u(double u, std::int64_t n1, std::int64_t n2, double tie_term,
                                    const MannWhitneyOptions& options = {});

}  // namespace calsweep::analysis
