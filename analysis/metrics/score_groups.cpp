#include "analysis/metrics/score_groups.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

std::vector<double> sorted(std::span<const double> values, std::string_view what) {
  std::vector<double> copy(values.begin(), values.end());
  for (std::size_t i = 0; i < copy.size(); ++i) {
    if (std::isnan(copy[i])) {
      throw FormatError(fmt::format("{}: the score of row {} (from 0) is NaN", what, i));
    }
    copy[i] += 0.0;  // -0 becomes 0, so the group's score does not depend on the row order
  }
  std::sort(copy.begin(), copy.end());
  return copy;
}

/// Number of values equal to `score` from `from` on.
std::size_t run_length(const std::vector<double>& values, std::size_t from, double score) {
  std::size_t end = from;
  while (end < values.size() && values[end] == score) ++end;
  return end - from;
}

}  // namespace

ScoreGroups group_scores(std::span<const double> positive, std::span<const double> negative,
                         std::string_view what) {
  if (!negative.empty() &&
      positive.size() > std::numeric_limits<std::uint64_t>::max() / 2 / negative.size()) {
    throw UsageError(fmt::format("{}: {} x {} pairs of scores cannot be counted in 64 bits", what,
                                 positive.size(), negative.size()));
  }
  const auto high = sorted(positive, what);
  const auto low = sorted(negative, what);
  ScoreGroups made{{}, high.size(), low.size()};
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < high.size() || j < low.size()) {
    const double score = i == high.size()  ? low[j]
                         : j == low.size() ? high[i]
                                           : std::min(high[i], low[j]);
    const std::size_t n_high = run_length(high, i, score);
    const std::size_t n_low = run_length(low, j, score);
    made.groups.push_back({score, n_high, n_low});
    i += n_high;
    j += n_low;
  }
  return made;
}

std::uint64_t doubled_mann_whitney_u(const ScoreGroups& groups) {
  std::uint64_t doubled_u = 0;
  std::uint64_t negatives_below = 0;
  for (const auto& group : groups.groups) {
    doubled_u += group.n_positive * (2 * negatives_below + group.n_negative);
    negatives_below += group.n_negative;
  }
  return doubled_u;
}

}  // namespace calsweep::analysis
