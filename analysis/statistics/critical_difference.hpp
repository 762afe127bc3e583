// Which of k methods differ over N blocks: Nemenyi's critical difference of average ranks, and
// pairwise Wilcoxon tests with Holm's correction; both with the cliques a diagram draws as bars.
//
// Nemenyi's test is weak and its verdict on two methods depends on the others in the pool;
// Benavoli, Corani & Mangili (JMLR 17, 2016) recommend the Wilcoxon tests. Blocks must be
// independent (friedman.hpp says what that means in a sweep).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "analysis/measured.hpp"
#include "analysis/statistics/blocks.hpp"

namespace calsweep::analysis {

struct MethodPair {
  std::size_t first = 0, second = 0;  ///< treatments, first < second
  double rank_difference = 0.0;       ///< average rank of first minus that of second
  Measured p;                         ///< of the pair alone (Nemenyi: already over all pairs)
  Measured p_adjusted;                ///< over all pairs
  bool significant = false;           ///< p_adjusted <= alpha; false without a p
};

/// Methods that a diagram joins by a bar: no two of them differ significantly, and no further
/// method could be added. Cliques may overlap, and need not be neighbours in rank.
struct Ranking {
  std::int64_t n_blocks = 0;
  std::vector<double> average_ranks;              ///< by treatment
  std::vector<std::size_t> order;                 ///< treatments, best (smallest) rank first
  Measured critical_difference;                   ///< Nemenyi only
  std::vector<MethodPair> pairs;                  ///< (0,1), (0,2), …
  std::vector<std::vector<std::size_t>> cliques;  ///< of two or more, best rank first
};

/// q_alpha * sqrt(k (k + 1) / (6 N)) (Demsar 2006, section 3.2.2).
double nemenyi_critical_difference(double alpha, int n_methods, std::int64_t n_blocks);

/// Average ranks that differ by more than the critical difference differ significantly.
Ranking nemenyi_ranking(const Blocks& blocks, double alpha, double tolerance = 0.0);
Ranking nemenyi_from_average_ranks(const std::vector<double>& average_ranks, std::int64_t n_blocks,
                                   double alpha);

/// Signed-rank tests over blocks for all pairs (exact p up to 60 differences, as everywhere), Holm
/// over all pairs. A pair without a p (all differences zero) counts as not different.
Ranking wilcoxon_holm_ranking(const Blocks& blocks, double alpha, double tolerance = 0.0);

/// counts[i * n + j]: blocks in which i has the smaller value; ties are in neither.
struct WinMatrix {
  std::size_t n_treatments = 0;
  std::vector<std::int64_t> wins, ties;  ///< [n, n]; losses of i against j are wins[j * n + i]
};
WinMatrix count_wins(const Blocks& blocks, double tolerance = 0.0);

/// The maximal sets of which no two members are in `different` ([n, n], symmetric), each of two or
/// more, in lexicographic order (Bron & Kerbosch 1973).
std::vector<std::vector<std::size_t>> maximal_cliques(const std::vector<bool>& different,
                                                      std::size_t n);

}  // namespace calsweep::analysis
