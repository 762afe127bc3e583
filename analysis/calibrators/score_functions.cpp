#include "analysis/calibrators/score_functions.hpp"

#include <algorithm>
#include <numeric>

#include "sweeps/errors.hpp"

namespace calsweep::analysis {

std::vector<ScoreGroup> distinct_scores(std::span<const double> x, std::span<const double> target) {
  CALSWEEP_CHECK(!x.empty() && x.size() == target.size(), "one target per score, at least one");
  std::vector<std::size_t> order(x.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return x[a] != x[b] ? x[a] < x[b] : target[a] < target[b];
  });
  std::vector<ScoreGroup> groups;
  for (const std::size_t i : order) {
    if (groups.empty() || groups.back().last_x != x[i]) groups.push_back({x[i], x[i], 0.0, 0.0});
    groups.back().sum += target[i];
    groups.back().count += 1.0;
  }
  return groups;
}

double PiecewiseLinear::operator()(double at) const {
  const auto above = std::upper_bound(x.begin(), x.end(), at);
  if (above == x.begin()) return y.front();
  if (above == x.end()) return y.back();
  const auto right = static_cast<std::size_t>(above - x.begin());
  const std::size_t left = right - 1;
  const double slope = (y[right] - y[left]) / (x[right] - x[left]);
  const auto [lowest, highest] = std::minmax(y[left], y[right]);
  return std::clamp(y[left] + slope * (at - x[left]), lowest, highest);
}

double StepFunction::operator()(double at) const {
  const auto cut = std::lower_bound(cuts.begin(), cuts.end(), at);
  return values[static_cast<std::size_t>(cut - cuts.begin())];
}

}  // namespace calsweep::analysis
