#include "analysis/statistics/critical_difference.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "analysis/statistics/studentized_range.hpp"
#include "sweeps/errors.hpp"
#include "tests/analysis/statistics/trend_reference.hpp"

namespace calsweep::analysis {
namespace {

using fixtures::relative_error;
using Cliques = std::vector<std::vector<std::size_t>>;

TEST(StudentizedRangeTest, agrees_with_scipy) {
  const auto& reference = fixtures::trend_reference()["studentised_range"];
  for (const auto& c : reference["quantiles"]) {
    EXPECT_LT(relative_error(normal_range_quantile(c["alpha"], c["k"]), c["quantile"]), 1e-7) << c;
  }
  ASSERT_GE(reference["tails"].size(), 200U);
  for (const auto& c : reference["tails"]) {
    // scipy computes the tail as 1 - cdf.
    EXPECT_NEAR(normal_range_tail(c["q"], c["k"]), c["tail"].get<double>(), 1e-9) << c;
  }
}

TEST(StudentizedRangeTest, is_exact_for_two_and_for_three) {
  // k = 2: |Z1 - Z2| / sqrt 2 is half-normal; also in the far tail.
  for (const double q : {0.1, 1.0, 5.0, 20.0, 40.0}) {
    EXPECT_LT(relative_error(normal_range_tail(q, 2), std::erfc(q / 2.0)), 1e-10) << q;
  }
  // The far tail is that of the k (k - 1) / 2 pairs.
  EXPECT_LT(relative_error(normal_range_tail(30.0, 3), 3.0 * std::erfc(15.0)), 1e-3);
}

// CALIBRATION 3.9 (Demsar 2006, table 5), confirmed with scipy.stats.studentized_range; k = 2 … 10.
TEST(CriticalDifferenceTest, q_is_the_published_table) {
  const std::array q05 = {1.960, 2.344, 2.569, 2.728, 2.850, 2.948, 3.031, 3.102, 3.164};
  const std::array q10 = {1.645, 2.052, 2.291, 2.460, 2.589, 2.693, 2.780, 2.855, 2.920};
  for (int k = 2; k <= 10; ++k) {
    const auto i = static_cast<std::size_t>(k - 2);
    EXPECT_NEAR(nemenyi_q(0.05, k), q05[i], 0.00051) << k;
    EXPECT_NEAR(nemenyi_q(0.10, k), q10[i], 0.00051) << k;
  }
  EXPECT_THROW(nemenyi_q(0.05, 1), UsageError);
  EXPECT_THROW(nemenyi_q(1.0, 3), UsageError);
}

// Demsar 2006, section 3.2.2: CD 1.25 at 0.05, where no two methods differ, and 1.12 at 0.10, where
// the worst (3.143) differs from the best two (2.000 and 1.964).
TEST(CriticalDifferenceTest, gives_demsars_example) {
  const std::vector<double> ranks = {3.143, 2.000, 2.893, 1.964};
  const auto at05 = nemenyi_from_average_ranks(ranks, 14, 0.05);
  const auto at10 = nemenyi_from_average_ranks(ranks, 14, 0.10);
  EXPECT_NEAR(at05.critical_difference.value, 1.25, 0.005);
  EXPECT_NEAR(at10.critical_difference.value, 1.12, 0.005);
  EXPECT_EQ(at05.order, (std::vector<std::size_t>{3, 1, 2, 0}));
  EXPECT_EQ(at05.cliques, (Cliques{{3, 1, 2, 0}}));
  EXPECT_EQ(at10.cliques, (Cliques{{3, 1, 2}, {2, 0}}));
  for (const auto& pair : at10.pairs) {
    EXPECT_EQ(pair.significant, pair.p.value < 0.10) << pair.first << " " << pair.second;
  }
}

TEST(CriticalDifferenceTest, cliques_are_those_of_a_search_over_all_subsets) {
  const auto& cases = fixtures::trend_reference()["wilcoxon_cliques"];
  ASSERT_GE(cases.size(), 200U);
  std::size_t with_overlap = 0;
  for (const auto& c : cases) {
    const auto ranking = wilcoxon_holm_ranking(fixtures::blocks_of(c), 0.05);
    for (std::size_t i = 0; i < ranking.pairs.size(); ++i) {
      EXPECT_LT(relative_error(ranking.pairs[i].p.value, c["p"][i]), 1e-10) << c;
      EXPECT_LT(relative_error(ranking.pairs[i].p_adjusted.value, c["p_holm"][i]), 1e-10) << c;
    }
    auto cliques = ranking.cliques;
    for (auto& clique : cliques) std::sort(clique.begin(), clique.end());
    std::sort(cliques.begin(), cliques.end());
    EXPECT_EQ(cliques, c["cliques"].get<Cliques>()) << c;
    with_overlap += cliques.size() > 1;
  }
  EXPECT_GT(with_overlap, 20U);
}

TEST(CriticalDifferenceTest, cliques_overlap_and_may_skip_a_method) {
  // 0 differs from 2 only: {0, 1, 3} and {1, 2, 3}.
  std::vector<bool> different(16, false);
  different[0 * 4 + 2] = different[2 * 4 + 0] = true;
  EXPECT_EQ(maximal_cliques(different, 4), (Cliques{{0, 1, 3}, {1, 2, 3}}));
  EXPECT_EQ(maximal_cliques(std::vector<bool>(4, true), 2), Cliques{});
  EXPECT_EQ(maximal_cliques({}, 0), Cliques{});
}

TEST(CriticalDifferenceTest, methods_that_are_equal_everywhere_do_not_differ) {
  Blocks blocks{3, {}};
  for (int b = 0; b < 12; ++b) blocks.values.insert(blocks.values.end(), {1.0, 1.0, 2.0});
  const auto ranking = wilcoxon_holm_ranking(blocks, 0.05);
  EXPECT_EQ(ranking.pairs[0].p.null_reason, "all differences are zero");
  EXPECT_FALSE(ranking.pairs[0].significant);
  EXPECT_TRUE(ranking.pairs[1].significant);
  EXPECT_EQ(ranking.cliques, (Cliques{{0, 1}}));
}

TEST(WinMatrixTest, counts_wins_ties_and_losses) {
  const auto wins = count_wins({2, {1, 2, 3, 3, 5, 4, 1, 1 + 1e-15}}, 1e-12);
  EXPECT_EQ(wins.wins[0 * 2 + 1], 1);
  EXPECT_EQ(wins.wins[1 * 2 + 0], 1);
  EXPECT_EQ(wins.ties[0 * 2 + 1], 2);
  EXPECT_EQ(wins.ties[0 * 2 + 0], 0);
}

}  // namespace
}  // namespace calsweep::analysis
