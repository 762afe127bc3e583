#include "analysis/statistics/comparisons.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "analysis/results/results_db.hpp"
#include "sweeps/random.hpp"
#include "tests/analysis/synthetic_run.hpp"

namespace calsweep::analysis {
namespace {

using fixtures::ask;
using fixtures::make_sweep;
using fixtures::small_spec;
using fixtures::TemporaryRun;
using fixtures::write_units;

MetricSample sample(std::vector<double> values) {
  MetricSample made;
  made.values = std::move(values);
  for (std::size_t i = 0; i < made.values.size(); ++i) {
    made.pairing_seeds.push_back(static_cast<std::int64_t>(i));
  }
  return made;
}

AnalysisOptions level(double alpha) {
  AnalysisOptions options;
  options.alpha = alpha;
  return options;
}

TEST(SummaryTest, has_the_sample_sd_from_two_values_on) {
  const auto three = summarize_sample(std::vector<double>{1.0, 2.0, 6.0});
  EXPECT_DOUBLE_EQ(*three.mean, 3.0);
  EXPECT_DOUBLE_EQ(*three.sd, std::sqrt(7.0));  // (4 + 1 + 9) / 2
  EXPECT_DOUBLE_EQ(*three.median, 2.0);
  EXPECT_FALSE(summarize_sample(std::vector<double>{1.0}).sd.has_value());
  EXPECT_FALSE(summarize_sample({}).mean.has_value());
}

TEST(ComparisonTest, pairs_by_seed_and_drops_the_unpaired) {
  MetricSample method{{1, 2, 5}, {10.0, 20.0, 50.0}};
  MetricSample reference{{5, 1, 9}, {49.0, 7.0, 0.0}};
  const auto made = compare(method, reference, Pairing::BySeed);
  EXPECT_EQ(made.test.n_pairs, 2);
  EXPECT_DOUBLE_EQ(made.test.median_difference.value, 2.0);  // 3 and 1
  EXPECT_DOUBLE_EQ(made.method_median.value, 30.0);
  EXPECT_DOUBLE_EQ(made.reference_median.value, 28.0);
}

TEST(ComparisonTest, judges_by_direction_after_holm) {
  std::vector<double> low;
  std::vector<double> high;
  for (int i = 0; i < 12; ++i) {
    low.push_back(.1 + i * .001);
    high.push_back(.2 + i * .002);
  }
  std::vector<Comparison> family = {compare(sample(low), sample(high), Pairing::BySeed),
                                    compare(sample(low), sample(low), Pairing::BySeed)};
  const auto& lower = family[0];
  const auto& same = family[1];
  judge_family(family, Direction::LowerIsBetter, level(.05));
  EXPECT_EQ(lower.verdict, "better");
  EXPECT_EQ(lower.family_size, 1);
  EXPECT_DOUBLE_EQ(lower.p_holm.value, std::ldexp(1.0, -11));
  EXPECT_EQ(same.verdict, "");
  EXPECT_EQ(same.null_reason, "all differences are zero");
  judge_family(family, Direction::HigherIsBetter, level(.05));
  EXPECT_EQ(lower.verdict, "worse");
  judge_family(family, Direction::HigherIsBetter, level(1e-6));
  EXPECT_EQ(lower.verdict, "not significant");
}

TEST(ComparisonTest, gives_no_p_where_replicates_share_networks) {
  std::vector<Comparison> family = {
      compare(sample({1, 2, 3}), sample({0, 0, 0}), Pairing::SharedNetworks)};
  const auto& made = family[0];
  judge_family(family, Direction::LowerIsBetter, level(.05));
  EXPECT_FALSE(made.p_holm.has_value());
  EXPECT_FALSE(made.significant.has_value());
  EXPECT_NE(made.null_reason.find("share member networks"), std::string::npos);
  EXPECT_DOUBLE_EQ(made.test.median_difference.value, 2.0);
}

TEST(ComparisonTest, rejects_a_true_null_hypothesis_at_most_at_its_level) {
  // A/A: both arms from one distribution, 2000 tests of 10 pairs. The exact test is conservative:
  // its level at .05 is P(W <= 8) = 50/1024 = .0488 (tables of the signed-rank distribution).
  Random random(random_key(1, 0, "a/a test"));
  int rejected = 0;
  for (int repeat = 0; repeat < 2000; ++repeat) {
    std::vector<double> a(10);
    std::vector<double> b(10);
    for (auto& v : a) v = random.normal();
    for (auto& v : b) v = random.normal();
    rejected += paired_signed_rank_test(a, b).p_exact.value <= .05 ? 1 : 0;
  }
  EXPECT_GT(rejected, 2000 * .0488 - 4 * 9.6);  // binomial sd 9.6
  EXPECT_LT(rejected, 2000 * .0488 + 4 * 9.6);
}

class EffectTest : public ::testing::Test {
 protected:
  /// N(0, 1) noise with 2 added to the label is calibrated at sharpness 2 (log-likelihood ratio
  /// 2z): that is what warm-up networks get; the others are 2.5 times too sharp.
  void SetUp() override {
    const auto sweep = make_sweep(small_spec(8));
    write_units(sweep, run_.directory(), {.sharpness = [](const Sweep& s, const Trial& trial) {
                  const auto& settings = s.recipes[static_cast<std::size_t>(trial.recipe)].settings;
                  return settings.has("noise_warmup") ? 2.0 : 5.0;
                }});
    analyze(sweep, run_.directory());
  }
  std::string comparison(const std::string& column, const std::string& where) {
    return ask(run_.directory().results(),
               fmt::format("SELECT {} FROM comparison WHERE depth = 2 AND size = 500 AND {}",
                           column, where));
  }
  TemporaryRun run_;
};

TEST_F(EffectTest, a_known_effect_is_found_in_every_cell) {
  EXPECT_EQ(ask(run_.directory().results(),
                "SELECT count(*) FROM comparison WHERE method = 'noise-warmup' AND metric IN "
                "('ece_guo2017', 'nll') AND verdict = 'better' AND significant = 1"),
            "8");
  const std::string where = "method = 'noise-warmup' AND metric = 'ece_guo2017'";
  EXPECT_EQ(comparison("n_pairs", where), "8");
  EXPECT_EQ(comparison("w", where), "0.0");
  EXPECT_EQ(comparison("p_exact", where), "0.0078125");  // 2 / 2^8
  EXPECT_EQ(comparison("p_holm", where), "0.03125");     // four cells
  EXPECT_EQ(comparison("family_size", where), "4");
  EXPECT_EQ(comparison("rank_biserial", where), "-1.0");
  EXPECT_EQ(comparison("reference", where), "baseline");
}

TEST_F(EffectTest, disjoint_ensembles_pair_with_their_first_networks_seed) {
  const std::string where = "method = 'pooled' AND metric = 'nll'";
  EXPECT_EQ(comparison("n_pairs", where), "4");
  EXPECT_EQ(comparison("p_exact", where), "0.125");  // the mean of two sharp networks is milder
  EXPECT_EQ(ask(run_.directory().results(),
                "SELECT group_concat(pairing_seed) FROM replicate JOIN method USING (method_id) "
                "WHERE name = 'pooled' AND cell_id = 0"),
            "0,2,4,6");
  // The median of four by hand: the mean of the middle two of seeds 0, 2, 4, 6.
  const auto expected =
      ask(run_.directory().results(),
          "SELECT avg(value) FROM (SELECT value FROM replicate_metric WHERE "
          "method = 'baseline' AND depth = 2 AND size = 500 AND metric = 'nll' AND "
          "set_name = 'test' AND seed IN (0, 2, 4, 6) ORDER BY value LIMIT 2 "
          "OFFSET 1)");
  EXPECT_NEAR(std::stod(comparison("reference_median", where)), std::stod(expected), 1e-12);
}

TEST_F(EffectTest, cyclic_ensembles_have_differences_but_no_p) {
  const std::string where = "method = 'rolling' AND metric = 'nll'";
  EXPECT_EQ(comparison("n_pairs", where), "8");
  EXPECT_EQ(comparison("p_exact", where), "NULL");
  EXPECT_EQ(comparison("verdict", where), "NULL");
  EXPECT_LT(std::stod(comparison("hodges_lehmann", where)), 0.0);
  EXPECT_EQ(comparison("null_reason", where),
            "replicates share member networks, so they are not independent");
}

}  // namespace
}  // namespace calsweep::analysis
