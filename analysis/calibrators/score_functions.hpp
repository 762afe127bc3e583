// Functions of one score that the calibrators of one class against the rest fit, and the view of
// the rows that all such fits share: equal scores are one group, so no fit depends on the order of
// rows, and counts of ones are integers, so no sum rounds.
#pragma once

#include <span>
#include <vector>

namespace calsweep::analysis {

/// Rows of neighbouring scores.
struct ScoreGroup {
  double first_x, last_x;  ///< least and largest score
  double sum, count;       ///< of the targets; of the rows
};

/// One group per distinct score, ascending. x, target: [n], finite, as long as each other.
std::vector<ScoreGroup> distinct_scores(std::span<const double> x, std::span<const double> target);

/// Linear between its knots, constant outside.
struct PiecewiseLinear {
  std::vector<double> x;  ///< ascending, at least one
  std::vector<double> y;  ///< as long as x

  double operator()(double at) const;
};

/// Constant on (-inf, cut 0], (cut 0, cut 1], ..., (last cut, inf).
struct StepFunction {
  std::vector<double> cuts;    ///< ascending
  std::vector<double> values;  ///< one more than cuts

  double operator()(double at) const;
};

}  // namespace calsweep::analysis
