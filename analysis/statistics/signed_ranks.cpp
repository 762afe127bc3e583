#include "analysis/statistics/signed_ranks.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>

namespace calsweep::analysis {

SignedRanks signed_ranks(std::span<const double> differences, double tolerance,
                         ZeroMethod zero_method) {
  SignedRanks ranks;
  ranks.doubled.assign(differences.size(), 0);
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < differences.size(); ++i) {
    if (std::abs(differences[i]) > tolerance) order.push_back(i);
  }
  ranks.n_zero = static_cast<std::int64_t>(differences.size() - order.size());
  const auto magnitude = [&](std::size_t k) { return std::abs(differences[order[k]]); };
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::abs(differences[a]) < std::abs(differences[b]);
  });
  // Zeros are the smallest magnitudes: ranked, they shift the others by their number.
  const std::int64_t shift = zero_method == ZeroMethod::Wilcox ? 0 : 2 * ranks.n_zero;
  for (std::size_t first = 0, end = 0; first < order.size(); first = end) {
    end = first + 1;
    while (end < order.size() && magnitude(end) - magnitude(end - 1) <= tolerance) ++end;
    const auto size = static_cast<double>(end - first);
    ranks.tie_term += size * size * size - size;
    const auto doubled_rank = shift + static_cast<std::int64_t>(first + 1 + end);
    for (std::size_t k = first; k < end; ++k) {
      ranks.doubled[order[k]] = differences[order[k]] > 0.0 ? doubled_rank : -doubled_rank;
    }
  }
  return ranks;
}

std::optional<std::uint64_t> count_sign_patterns(std::span<const std::int64_t> doubled_ranks,
                                                 std::int64_t limit) {
  constexpr std::int64_t kLargestTable = std::int64_t{1} << 24;
  const auto zeros = std::count(doubled_ranks.begin(), doubled_ranks.end(), std::int64_t{0});
  const auto m = static_cast<std::int64_t>(doubled_ranks.size()) - zeros;
  if (m > kExactSignedRankLimit || limit >= kLargestTable) return std::nullopt;
  if (limit < 0) return 0;
  std::vector<std::uint64_t> patterns(static_cast<std::size_t>(limit) + 1, 0);
  patterns[0] = 1;
  for (const auto doubled_rank : doubled_ranks) {
    if (doubled_rank == 0) continue;
    const auto rank = static_cast<std::size_t>(std::abs(doubled_rank));
    for (std::size_t sum = patterns.size(); sum-- > rank;) patterns[sum] += patterns[sum - rank];
  }
  return std::accumulate(patterns.begin(), patterns.end(), std::uint64_t{0});
}

}  // namespace calsweep::analysis
