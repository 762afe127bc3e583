// The Bayesian signed-rank test with a region of practical equivalence (Benavoli et al. 2014,
// 2017): how probable is it that the first arm is larger, practically equal, or smaller?
// Dirichlet-process posterior over the differences.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "analysis/measured.hpp"

namespace calsweep::analysis {

struct BayesianOptions {
  double rope = 0.0;            ///< half width, in the metric's unit; 0: no region
  double prior_strength = 0.5;  ///< weight s of the prior's pseudo-difference z0 = 0
  std::int64_t n_samples = 20'000;
  std::string key = {};  ///< of the random draws: name what is compared
};

/// The posterior weights w ~ Dirichlet(s, 1, ..., 1) of z0 and the differences give every pair (i,
/// j), i = j too, the mass w_i w_j; its mean difference (z_i + z_j) / 2 lies below, within or above
/// the region, on an edge half in each.
struct BayesianSignedRank {
  Measured p_below, p_within, p_above;           ///< probability that this share is the largest
  Measured se_below, se_within, se_above;        ///< Monte-Carlo standard errors of these
  Measured mean_below, mean_within, mean_above;  ///< posterior means of the shares, exact
  std::int64_t n_samples = 0;
};

/// `differences`: first minus second. Independent of their order. None: no value, with the reason.
/// Throws FormatError on values that are not finite, UsageError on bad options. Cost: n_samples *
/// (n + 1) logarithms.
BayesianSignedRank bayesian_signed_rank(std::span<const double> differences,
                                        const BayesianOptions& options);

}  // namespace calsweep::analysis
