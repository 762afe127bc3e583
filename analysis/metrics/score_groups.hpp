// Two samples of scores, sorted once and merged into their distinct values with the counts on
// either side. Everything that depends on ranks alone (AUROC, Mann-Whitney U, precision-recall,
// false positive rates) is counted from these groups in integers, so ties are exact and the order
// of the rows never matters.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace calsweep::analysis {

/// All rows that share one score.
struct ScoreGroup {
  double score = 0.0;
  std::uint64_t n_positive = 0;
  std::uint64_t n_negative = 0;
};

/// Groups by ascending score. -0 and 0 are the same score; infinities are scores like others.
struct ScoreGroups {
  std::vector<ScoreGroup> groups;
  std::uint64_t n_positive = 0;
  std::uint64_t n_negative = 0;
  bool one_sided() const { return n_positive == 0 || n_negative == 0; }
};

/// O(n log n). `what` names the scores in messages. Throws FormatError for NaN, UsageError for
/// samples so large that their pairs cannot be counted in 64 bits (more than 3e9 rows each).
ScoreGroups group_scores(std::span<const double> positive, std::span<const double> negative,
                         std::string_view what);

/// 2 U = 2 * pairs with positive > negative + pairs with positive = negative: exact, at most
/// 2 * n_positive * n_negative.
std::uint64_t doubled_mann_whitney_u(const ScoreGroups& groups);

}  // namespace calsweep::analysis
