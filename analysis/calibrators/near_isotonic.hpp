// Near-isotonic regression (Tibshirani, Hoefling & Tibshirani 2011): all its solutions, and the
// ensemble of them that is ENIR (Naeini & Cooper 2016).
//
// For each penalty lambda the solution minimises 1/2 sum_i (t_i - y_i)^2 + lambda sum_i max(0,
// y_i - y_i+1) over rows in the order of their scores: a fall is allowed, at a price. At lambda = 0
// it is the targets themselves, at large lambda isotonic regression. Groups of equal y only merge
// as lambda grows, so the whole path is a list of merges. All quantities that decide a merge are
// ratios of integers below 2^53 (up to 9e7 rows), so equal lambdas are equal to the bit.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "analysis/calibrators/score_functions.hpp"

namespace calsweep::analysis {

/// One solution on the path, right after the merges at its lambda.
struct NearIsotonicModel {
  double lambda = 0.0;
  std::vector<std::size_t> first;  ///< of each group of equal y, the first of the runs in it
  std::vector<double> y;           ///< of each group
  std::vector<double> ones, rows;  ///< of each group: sum of targets, number of rows
};

/// Rows in the order of their scores, neighbours of equal mean target as one: these are together
/// at every lambda. x, target: [n], targets 0 or 1; n >= 1.
std::vector<ScoreGroup> runs_of_equal_target(std::span<const double> x,
                                             std::span<const double> target);

/// Calls `visit` for every solution at which groups merge, from lambda = 0 (no merge yet) upwards;
/// merges at equal lambda are one solution. The modified pool-adjacent-violators algorithm with a
/// queue of the next merges: O(m log m) for m runs, and O(groups) per solution.
void near_isotonic_path(std::span<const ScoreGroup> runs,
                        const std::function<void(const NearIsotonicModel&)>& visit);

struct NearIsotonicEnsemble {
  PiecewiseLinear function;       ///< mean over the solutions; knots: the ends of each run
  std::int64_t n_models = 0;      ///< solutions averaged
  double effective_models = 0.0;  ///< exp of the entropy of their weights
};

/// ENIR: solutions averaged with weights proportional to exp(-BIC / 2), BIC = -2 ln L + d ln n, d
/// the number of groups. The solution at lambda = 0, which repeats the targets, takes no part
/// unless it is the only one: then it is isotonic regression. Linear between knots, constant
/// outside. Does not depend on the order of rows.
NearIsotonicEnsemble fit_near_isotonic(std::span<const double> x, std::span<const double> target);

}  // namespace calsweep::analysis
