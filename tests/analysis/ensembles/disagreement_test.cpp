// Members, pooling and disagreement against SciPy (disagreement.json), identities, and the classic
// bug: an "ensemble" that evaluates one member.
#include "analysis/ensembles/disagreement.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "analysis/metrics/predictions.hpp"
#include "analysis/ood/scores.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/random.hpp"

namespace calsweep::analysis {
namespace {

using Table = std::vector<std::vector<double>>;  // [member][row * k + class]

Table random_members(std::size_t n_members, std::size_t n_rows, std::size_t k, double scale) {
  Random random(21);
  Table made(n_members);
  for (auto& member : made) {
    std::vector<float> z(n_rows * k);
    for (auto& value : z) value = static_cast<float>(scale * random.normal());
    member = tempered_probabilities(z, static_cast<std::int64_t>(k), 1.0, "member");
  }
  return made;
}

std::vector<MemberProbabilities> with_ids(const Table& table) {
  std::vector<MemberProbabilities> made;
  for (const auto& member : table) made.push_back({static_cast<std::int64_t>(made.size()), member});
  return made;
}

void expect_near(const std::vector<double>& found, const nlohmann::json& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_NEAR(found[i], expected[i].get<double>(), 1e-13) << i;
  }
}

TEST(DisagreementTest, agrees_with_scipy) {
  const auto expected =
      nlohmann::json::parse(std::ifstream(std::string(CALSWEEP_ROOM_DIR) + "/disagreement.json"));
  for (const auto& one : expected.at("cases")) {
    const auto table = one.at("probabilities").get<Table>();
    const EnsembleView ensemble(with_ids(table), one.at("n_classes"), "case");
    const auto rows = row_disagreement(ensemble);
    expect_near(rows.total, one.at("total"));
    expect_near(rows.aleatoric, one.at("aleatoric"));
    expect_near(rows.epistemic, one.at("epistemic"));
    expect_near(rows.variation_ratio, one.at("variation_ratio"));
    expect_near(rows.probability_variance, one.at("probability_variance"));
    expect_near(rows.disagreement, one.at("disagreement"));
    expect_near(rows.pairwise_kl, one.at("pairwise_kl"));
    expect_near(rows.pairwise_js, one.at("pairwise_js"));
  }
}

TEST(DisagreementTest, total_is_aleatoric_plus_epistemic) {
  for (const double scale : {0.01, 1.0, 6.0, 60.0}) {
    auto table = random_members(7, 200, 10, scale);
    for (auto& p : table[2]) p = std::min(1.0, p * 1.000001);  // rows that do not quite sum to one
    const EnsembleView ensemble(with_ids(table), 10, "ensemble");
    const auto rows = row_disagreement(ensemble, {.pairwise_js = false});
    for (std::size_t i = 0; i < 200; ++i) {
      EXPECT_NEAR(rows.total[i], rows.aleatoric[i] + rows.epistemic[i], 1e-12);
      EXPECT_GE(rows.epistemic[i], 0.0);
    }
    const auto mean = mean_disagreement(ensemble, rows);
    EXPECT_NEAR(mean.total.value, mean.aleatoric.value + mean.epistemic.value, 1e-12);
    EXPECT_EQ(mean.pairwise_js.null_reason, "not asked for");
  }
}

TEST(DisagreementTest, does_not_depend_on_the_order_of_members) {
  const auto table = random_members(6, 50, 5, 2.0);
  auto members = with_ids(table);
  const EnsembleView sorted(members, 5, "sorted");
  std::reverse(members.begin(), members.end());
  std::swap(members[1], members[3]);
  const EnsembleView shuffled(members, 5, "shuffled");
  EXPECT_EQ(pooled_probabilities(sorted), pooled_probabilities(shuffled));
  const auto here = row_disagreement(sorted);
  const auto there = row_disagreement(shuffled);
  EXPECT_EQ(here.total, there.total);
  EXPECT_EQ(here.epistemic, there.epistemic);
  EXPECT_EQ(here.pairwise_kl, there.pairwise_kl);
  EXPECT_EQ(here.pairwise_js, there.pairwise_js);
}

TEST(EnsembleViewTest, an_ensemble_that_evaluates_one_member_is_found_out) {
  // IntraOrderPreserving issue 3: all members were the same network.
  const auto table = random_members(3, 40, 4, 2.0);
  const EnsembleView honest(with_ids(table), 4, "honest");
  EXPECT_EQ(honest.n_distinct_members(), 3U);
  const auto pooled = pooled_probabilities(honest);
  for (const auto& member : table) EXPECT_NE(pooled, member);
  for (std::size_t i = 0; i < pooled.size(); ++i) {
    EXPECT_NEAR(pooled[i], (table[0][i] + table[1][i] + table[2][i]) / 3.0, 1e-16);
  }
  const auto spread = mean_disagreement(honest, row_disagreement(honest));
  EXPECT_GT(spread.epistemic.value, 0.1);
  EXPECT_GT(spread.disagreement.value, 0.1);

  const Table same = {table[0], table[0], table[0]};
  const EnsembleView fake(with_ids(same), 4, "fake");
  EXPECT_EQ(fake.n_distinct_members(), 1U);
  const auto none = mean_disagreement(fake, row_disagreement(fake));
  EXPECT_EQ(none.n_members, 3);
  EXPECT_EQ(none.n_distinct_members, 1);
  EXPECT_NEAR(none.epistemic.value, 0.0, 1e-15);
  EXPECT_EQ(none.disagreement.value, 0.0);
  const std::vector<MemberProbabilities> twice = {{4, table[0]}, {4, table[1]}};
  EXPECT_THROW(EnsembleView(twice, 4, "twice"), UsageError);
}

TEST(EnsembleViewTest, averages_probabilities_not_logits) {
  // By hand: softmax(ln 3, 0) = (.75, .25), softmax(0, ln 9) = (.1, .9): the mean is (.425, .575).
  const std::vector<float> a = {std::log(3.0F), 0.0F};
  const std::vector<float> b = {0.0F, std::log(9.0F)};
  const Table table = {tempered_probabilities(a, 2, 1.0, "a"),
                       tempered_probabilities(b, 2, 1.0, "b")};
  const auto pooled = pooled_probabilities(EnsembleView(with_ids(table), 2, "ensemble"));
  EXPECT_NEAR(pooled[0], 0.425, 1e-7);
  const std::vector<std::int32_t> labels = {0};
  const auto made = predict_from_probabilities(pooled, 2, labels, "pooled");
  EXPECT_NEAR(made.nll().value, -std::log(0.425), 1e-7);
  EXPECT_NEAR(made.brier().value, 2 * 0.575 * 0.575, 1e-7);
  EXPECT_EQ(made.accuracy().value, 0.0);
}

TEST(DisagreementTest, by_hand) {
  // Two members, certain of different classes: total log 2, all of it epistemic.
  const Table table = {{1.0, 0.0}, {0.0, 1.0}};
  const EnsembleView ensemble(with_ids(table), 2, "opposed");
  const auto rows = row_disagreement(ensemble);
  EXPECT_DOUBLE_EQ(rows.total[0], std::log(2.0));
  EXPECT_EQ(rows.aleatoric[0], 0.0);
  EXPECT_DOUBLE_EQ(rows.epistemic[0], std::log(2.0));
  EXPECT_EQ(rows.variation_ratio[0], 0.5);
  EXPECT_EQ(rows.probability_variance[0], 0.5);
  EXPECT_EQ(rows.disagreement[0], 1.0);
  EXPECT_DOUBLE_EQ(rows.pairwise_js[0], std::log(2.0));
  EXPECT_TRUE(std::isinf(rows.pairwise_kl[0]));
  const auto mean = mean_disagreement(ensemble, rows);
  EXPECT_NE(mean.pairwise_kl.null_reason.find("infinite at row 0"), std::string::npos);
}

TEST(DisagreementTest, of_probabilities_whose_mean_underflows_is_finite) {
  const Table table = {{5e-324, 1.0}, {0.0, 1.0}, {0.0, 1.0}};
  const EnsembleView ensemble(with_ids(table), 2, "tiny");
  const auto rows = row_disagreement(ensemble);
  EXPECT_NEAR(rows.epistemic[0], 0.0, 1e-300);
  EXPECT_NEAR(rows.pairwise_js[0], 0.0, 1e-300);
}

TEST(DisagreementTest, of_degenerate_ensembles) {
  const Table one = {{0.25, 0.75}};
  const EnsembleView single(with_ids(one), 2, "single");
  const auto mean = mean_disagreement(single, row_disagreement(single));
  EXPECT_EQ(mean.epistemic.value, 0.0);
  EXPECT_EQ(mean.variation_ratio.value, 0.0);
  for (const auto& number : {mean.disagreement, mean.pairwise_kl, mean.pairwise_js}) {
    EXPECT_EQ(number.null_reason, "one member makes no pair");
  }
  const Table no_rows = {{}, {}};
  const EnsembleView empty(with_ids(no_rows), 2, "empty");
  EXPECT_EQ(mean_disagreement(empty, row_disagreement(empty)).total.null_reason,
            "the set is empty");
}

TEST(EnsembleViewTest, refuses_bad_input_naming_member_and_row) {
  EXPECT_THROW(EnsembleView({}, 2, "none"), UsageError);
  const Table table = {{0.5, 0.5}, {0.5, 0.5, 0.1, 0.9}};
  EXPECT_THROW(EnsembleView(with_ids(table), 2, "shapes"), FormatError);
  EXPECT_THROW(EnsembleView(with_ids({table[0]}), 3, "classes"), FormatError);
  const Table nan = {{0.5, 0.5, 0.1, 0.9}, {0.5, 0.5, std::nan(""), 0.9}};
  try {
    EnsembleView(with_ids(nan), 2, "nan");
    FAIL();
  } catch (const FormatError& error) {
    EXPECT_NE(std::string(error.what()).find("member 1, row 1"), std::string::npos);
  }
}

}  // namespace
}  // namespace calsweep::analysis
