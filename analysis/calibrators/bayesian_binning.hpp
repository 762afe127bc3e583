// Bayesian binning into quantiles (Naeini, Cooper & Hauskrecht 2015): the mean of many histograms
// of equal frequency, weighted by how well each one explains the rows.
//
// A histogram with B bins is a model: theta_b ~ Beta(2 m_b, 2 (1 - m_b)) in each bin, m_b the
// middle of the bin (the paper's N' = 2B), and a row of the bin is one with probability theta_b.
// Its score is the marginal likelihood, its prediction the posterior mean of theta_b; all B have
// equal prior probability.
#pragma once

#include <cstdint>
#include <span>

#include "analysis/calibrators/score_functions.hpp"

namespace calsweep::analysis {

/// Numbers of bins from max(1, floor(n^(1/3) / 10)) to min(ceil(n / 5), ceil(10 n^(1/3))): the
/// paper's range with C = 10 and, as its published code has it, five rows to a bin.
struct BinRange {
  std::int64_t least, most;
};
BinRange bin_range(std::int64_t n_rows);

/// The middle of a bin, as the prior's mean, is kept this far from 0 and 1 (as the published code).
inline constexpr double kPriorMargin = 5e-3;

struct BayesianBinning {
  StepFunction function;          ///< averaged over the models
  std::int64_t best_bins = 0;     ///< asked of the model with the highest score
  double best_log_score = 0.0;    ///< ln of its marginal likelihood
  double effective_models = 0.0;  ///< exp of the entropy of the weights
};

/// x: [n] in [0, 1]; target: [n], 0 or 1; n >= 1. Nominal cuts of B bins are behind the rows of
/// rank floor(i n / B), moved up to the end of equal scores, and lie halfway to the next score;
/// cuts that coincide are one. Does not depend on the order of rows. O(n log n + n^(2/3)) with a
/// large constant: up to 10 n^(1/3) histograms.
BayesianBinning fit_bayesian_binning(std::span<const double> x, std::span<const double> target);

}  // namespace calsweep::analysis
