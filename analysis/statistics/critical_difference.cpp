#include "analysis/statistics/critical_difference.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "analysis/statistics/friedman.hpp"
#include "analysis/statistics/multiplicity.hpp"
#include "analysis/statistics/studentized_range.hpp"
#include "analysis/statistics/wilcoxon.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

using Members = std::vector<std::size_t>;

struct CliqueSearch {
  const std::vector<bool>& different;
  std::size_t n;
  std::vector<Members> found;

  bool joined(std::size_t a, std::size_t b) const { return a != b && !different[a * n + b]; }

  Members neighbours_in(std::size_t of, const Members& set) const {
    Members kept;
    for (const auto m : set) {
      if (joined(of, m)) kept.push_back(m);
    }
    return kept;
  }

  /// Extends `clique` by `candidates`; `excluded` joins all of it but was tried before.
  void extend(Members clique, Members candidates, Members excluded) {
    if (candidates.empty() && excluded.empty()) {
      if (clique.size() >= 2) {
        std::sort(clique.begin(), clique.end());
        found.push_back(std::move(clique));
      }
      return;
    }
    // Neighbours of the pivot need not be tried: they come in with it or are not maximal.
    Members all = candidates;
    all.insert(all.end(), excluded.begin(), excluded.end());
    const std::size_t pivot = *std::max_element(all.begin(), all.end(), [&](auto a, auto b) {
      return neighbours_in(a, candidates).size() < neighbours_in(b, candidates).size();
    });
    for (const auto next : Members(candidates)) {
      if (joined(pivot, next)) continue;
      Members larger = clique;
      larger.push_back(next);
      extend(std::move(larger), neighbours_in(next, candidates), neighbours_in(next, excluded));
      std::erase(candidates, next);
      excluded.push_back(next);
    }
  }
};

Ranking ranking_of(const std::vector<double>& average_ranks, std::int64_t n_blocks) {
  Ranking ranking;
  ranking.n_blocks = n_blocks;
  ranking.average_ranks = average_ranks;
  ranking.order.resize(average_ranks.size());
  std::iota(ranking.order.begin(), ranking.order.end(), std::size_t{0});
  std::stable_sort(ranking.order.begin(), ranking.order.end(),
                   [&](auto a, auto b) { return average_ranks[a] < average_ranks[b]; });
  ranking.critical_difference = Measured::none("not a test by average ranks");
  for (std::size_t i = 0; i < average_ranks.size(); ++i) {
    for (std::size_t j = i + 1; j < average_ranks.size(); ++j) {
      MethodPair pair;
      pair.first = i;
      pair.second = j;
      pair.rank_difference = average_ranks[i] - average_ranks[j];
      ranking.pairs.push_back(pair);
    }
  }
  return ranking;
}

void find_cliques(Ranking& ranking) {
  const std::size_t n = ranking.order.size();
  std::vector<std::size_t> place(n);
  for (std::size_t i = 0; i < n; ++i) place[ranking.order[i]] = i;
  std::vector<bool> different(n * n, false);
  for (const auto& pair : ranking.pairs) {
    const std::size_t a = place[pair.first];
    const std::size_t b = place[pair.second];
    different[a * n + b] = different[b * n + a] = pair.significant;
  }
  ranking.cliques = maximal_cliques(different, n);
  for (auto& clique : ranking.cliques) {
    for (auto& member : clique) member = ranking.order[member];
  }
}

}  // namespace

std::vector<std::vector<std::size_t>> maximal_cliques(const std::vector<bool>& different,
                                                      std::size_t n) {
  Members all(n);
  std::iota(all.begin(), all.end(), std::size_t{0});
  CliqueSearch search{different, n, {}};
  search.extend({}, all, {});
  std::sort(search.found.begin(), search.found.end());
  return std::move(search.found);
}

double nemenyi_critical_difference(double alpha, int n_methods, std::int64_t n_blocks) {
  if (n_blocks < 1) throw UsageError("no critical difference without blocks");
  const double k = n_methods;
  return nemenyi_q(alpha, n_methods) *
         std::sqrt(k * (k + 1.0) / (6.0 * static_cast<double>(n_blocks)));
}

Ranking nemenyi_from_average_ranks(const std::vector<double>& average_ranks, std::int64_t n_blocks,
                                   double alpha) {
  const int k = static_cast<int>(average_ranks.size());
  Ranking ranking = ranking_of(average_ranks, n_blocks);
  const double difference = nemenyi_critical_difference(alpha, k, n_blocks);
  ranking.critical_difference = Measured::of(difference);
  const double error = std::sqrt(k * (k + 1.0) / (6.0 * static_cast<double>(n_blocks)));
  for (auto& pair : ranking.pairs) {
    const double z = std::abs(pair.rank_difference) / error;
    pair.p = pair.p_adjusted = Measured::of(normal_range_tail(z * std::sqrt(2.0), k));
    pair.significant = std::abs(pair.rank_difference) > difference;
  }
  find_cliques(ranking);
  return ranking;
}

Ranking nemenyi_ranking(const Blocks& blocks, double alpha, double tolerance) {
  const auto test = friedman_test(blocks, tolerance);
  return nemenyi_from_average_ranks(test.average_ranks, test.n_blocks, alpha);
}

Ranking wilcoxon_holm_ranking(const Blocks& blocks, double alpha, double tolerance) {
  const auto test = friedman_test(blocks, tolerance);
  Ranking ranking = ranking_of(test.average_ranks, test.n_blocks);
  std::vector<Measured> p_values;
  for (const auto& pair : ranking.pairs) {
    std::vector<double> differences;
    for (std::size_t b = 0; b < blocks.n_blocks(); ++b) {
      differences.push_back(blocks.value(b, pair.first) - blocks.value(b, pair.second));
    }
    const auto signed_rank = signed_rank_test(differences, tolerance);
    p_values.push_back(signed_rank.p_exact.has_value() ? signed_rank.p_exact
                                                       : signed_rank.p_asymptotic);
  }
  const auto adjusted = holm(p_values);
  for (std::size_t i = 0; i < ranking.pairs.size(); ++i) {
    auto& pair = ranking.pairs[i];
    pair.p = p_values[i];
    pair.p_adjusted = adjusted[i];
    pair.significant = adjusted[i].has_value() && adjusted[i].value <= alpha;
  }
  find_cliques(ranking);
  return ranking;
}

WinMatrix count_wins(const Blocks& blocks, double tolerance) {
  check_blocks(blocks, "win matrix");
  const std::size_t n = blocks.n_treatments;
  WinMatrix matrix{n, std::vector<std::int64_t>(n * n, 0), std::vector<std::int64_t>(n * n, 0)};
  for (std::size_t b = 0; b < blocks.n_blocks(); ++b) {
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        if (i == j) continue;
        const double difference = blocks.value(b, i) - blocks.value(b, j);
        if (difference < -tolerance) ++matrix.wins[i * n + j];
        if (std::abs(difference) <= tolerance) ++matrix.ties[i * n + j];
      }
    }
  }
  return matrix;
}

}  // namespace calsweep::analysis
