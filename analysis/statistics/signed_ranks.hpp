// Signed ranks of paired differences and the exact null distribution of their sum. Ranks are
// doubled, so that the mean ranks of ties are integers; sign patterns are counted in 64-bit
// integers.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace calsweep::analysis {

/// Above this many non-zero differences the exact p is not computed (2^60 patterns fit 64 bits).
inline constexpr std::int64_t kExactSignedRankLimit = 60;

/// What becomes of zero differences (names as in SciPy).
enum class ZeroMethod {
  Wilcox,  ///< dropped before ranking (Wilcoxon 1945)
  Pratt,   ///< ranked, then their ranks dropped (Pratt 1959)
  Split    ///< ranked, half of their ranks to each side ("zsplit")
};

struct SignedRanks {
  /// Per difference, in the order given: twice its rank among the magnitudes, with its sign; 0 for
  /// a zero difference.
  std::vector<std::int64_t> doubled;
  std::int64_t n_zero = 0;
  double tie_term = 0.0;  ///< sum of t^3 - t over the groups of tied non-zero magnitudes

  std::int64_t n_nonzero() const { return static_cast<std::int64_t>(doubled.size()) - n_zero; }
  bool has_ties() const { return tie_term > 0.0; }
};

/// Differences within `tolerance` of zero are zero; magnitudes within it of their neighbour are
/// tied and share their mean rank.
SignedRanks signed_ranks(std::span<const double> differences, double tolerance,
                         ZeroMethod zero_method);

/// Number of the 2^m sign patterns (m = non-zero ranks, at most kExactSignedRankLimit) in which the
/// doubled ranks with a plus sum to at most `limit`. No value above that m, or where the table of
/// sums (limit + 1 entries) would exceed 2^24.
std::optional<std::uint64_t> count_sign_patterns(std::span<const std::int64_t> doubled_ranks,
                                                 std::int64_t limit);

}  // namespace calsweep::analysis
