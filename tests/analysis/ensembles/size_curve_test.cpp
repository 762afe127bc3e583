// Ensemble-size curves against brute force over bit masks, and their properties.
#include "analysis/ensembles/size_curve.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <set>

#include "analysis/metrics/predictions.hpp"
#include "analysis/ood/scores.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/random.hpp"

namespace calsweep::analysis {
namespace {

constexpr std::int64_t kClasses = 4;

struct Ensemble {
  std::vector<std::vector<double>> table;
  std::vector<std::int32_t> labels;
  std::vector<MemberProbabilities> members() const {
    std::vector<MemberProbabilities> made;
    for (const auto& member : table) {
      made.push_back({static_cast<std::int64_t>(10 * made.size()), member});
    }
    return made;
  }
  /// NLL and accuracy of the pooled probabilities.
  PooledMetrics metrics() const {
    return [this](std::span<const double> pooled) {
      const auto p = predict_from_probabilities(pooled, kClasses, labels, "pooled");
      return std::vector<Measured>{p.nll(), p.accuracy()};
    };
  }
};

/// Members that see the same labels through independent noise.
Ensemble noisy_ensemble(std::size_t n_members, std::size_t n_rows) {
  Random random(31);
  Ensemble made;
  for (std::size_t i = 0; i < n_rows; ++i) {
    made.labels.push_back(static_cast<std::int32_t>(random.below(kClasses)));
  }
  for (std::size_t m = 0; m < n_members; ++m) {
    std::vector<float> z(n_rows * kClasses);
    for (auto& value : z) value = static_cast<float>(2.0 * random.normal());
    for (std::size_t i = 0; i < n_rows; ++i) {
      z[i * kClasses + static_cast<std::size_t>(made.labels[i])] += 1.5F;
    }
    made.table.push_back(tempered_probabilities(z, kClasses, 1.0, "member"));
  }
  return made;
}

/// Mean NLL over all subsets of m members without `left_out`, pooled from scratch.
double brute_force_nll(const Ensemble& ensemble, int m, int left_out) {
  double sum = 0.0;
  int n = 0;
  for (unsigned mask = 1; mask < (1U << ensemble.table.size()); ++mask) {
    if (std::popcount(mask) != m || (left_out >= 0 && (mask >> left_out & 1U) != 0)) continue;
    std::vector<double> pooled(ensemble.table[0].size());
    for (std::size_t j = 0; j < ensemble.table.size(); ++j) {
      for (std::size_t i = 0; (mask >> j & 1U) != 0 && i < pooled.size(); ++i) {
        pooled[i] += ensemble.table[j][i] / m;
      }
    }
    sum += ensemble.metrics()(pooled)[0].value;
    ++n;
  }
  return sum / n;
}

TEST(SizeCurveTest, is_the_mean_over_all_subsets) {
  const auto ensemble = noisy_ensemble(6, 40);
  const EnsembleView view(ensemble.members(), kClasses, "ensemble");
  const auto curve = ensemble_size_curve(view, ensemble.metrics(), {});
  ASSERT_EQ(curve.size(), 6U);
  const std::vector<std::int64_t> binomials = {6, 15, 20, 15, 6, 1};
  for (int m = 1; m <= 6; ++m) {
    const auto& point = curve[static_cast<std::size_t>(m - 1)];
    EXPECT_EQ(point.n_members, m);
    EXPECT_EQ(point.n_subsets, binomials[static_cast<std::size_t>(m - 1)]);
    EXPECT_TRUE(point.all_subsets);
    EXPECT_NEAR(point.of[0].mean.value, brute_force_nll(ensemble, m, -1), 1e-13);
  }
}

TEST(SizeCurveTest, jackknife_is_that_of_leaving_members_out) {
  const auto ensemble = noisy_ensemble(6, 40);
  const EnsembleView view(ensemble.members(), kClasses, "ensemble");
  const auto curve = ensemble_size_curve(view, ensemble.metrics(), {});
  for (int m = 1; m < 6; ++m) {
    double sum = 0.0;
    double squares = 0.0;
    for (int j = 0; j < 6; ++j) {
      const double without = brute_force_nll(ensemble, m, j);
      sum += without;
      squares += without * without;
    }
    const double expected = std::sqrt((squares - sum * sum / 6.0) * 5.0 / 6.0);
    const auto& point = curve[static_cast<std::size_t>(m - 1)].of[0];
    EXPECT_NEAR(point.standard_error.value, expected, 1e-9);
  }
  // One member: the standard error of a mean.
  EXPECT_NEAR(curve[0].of[0].standard_error.value, curve[0].of[0].deviation.value / std::sqrt(6.0),
              1e-14);
  EXPECT_EQ(curve[5].of[0].standard_error.null_reason, "no subset leaves a member out");
  EXPECT_EQ(curve[5].of[0].deviation.null_reason, "a single subset");
}

TEST(SizeCurveTest, of_pooled_members_improves_with_size) {
  const auto ensemble = noisy_ensemble(7, 300);
  const EnsembleView view(ensemble.members(), kClasses, "ensemble");
  const auto curve = ensemble_size_curve(view, ensemble.metrics(), {});
  for (std::size_t m = 1; m < 7; ++m) {
    EXPECT_LT(curve[m].of[0].mean.value, curve[m - 1].of[0].mean.value);  // NLL: by convexity
  }
  EXPECT_GT(curve[6].of[1].mean.value, curve[0].of[1].maximum.value);  // accuracy
}

TEST(SizeCurveTest, at_full_size_has_the_bits_of_the_pool) {
  const auto ensemble = noisy_ensemble(5, 30);
  const EnsembleView view(ensemble.members(), kClasses, "ensemble");
  std::vector<double> last;
  const PooledMetrics keep = [&](std::span<const double> pooled) {
    last.assign(pooled.begin(), pooled.end());
    return std::vector<Measured>{Measured::of(0.0)};
  };
  ensemble_size_curve(view, keep, {});
  EXPECT_EQ(last, pooled_probabilities(view));
}

TEST(SizeCurveTest, does_not_depend_on_member_order_or_on_memory) {
  const auto ensemble = noisy_ensemble(7, 20);
  auto members = ensemble.members();
  SizeCurveOptions options;
  options.max_subsets = 20;
  const auto here =
      ensemble_size_curve(EnsembleView(members, kClasses, "here"), ensemble.metrics(), options);
  std::rotate(members.begin(), members.begin() + 3, members.end());
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{1400}, std::size_t{1} << 20}) {
    options.max_partial_sum_bytes = bytes;
    const auto there =
        ensemble_size_curve(EnsembleView(members, kClasses, "there"), ensemble.metrics(), options);
    for (std::size_t m = 0; m < 7; ++m) {
      EXPECT_EQ(here[m].of[0].mean.value, there[m].of[0].mean.value);
      EXPECT_EQ(here[m].of[1].maximum.value, there[m].of[1].maximum.value);
    }
  }
}

TEST(SizeCurveTest, draws_subsets_without_replacement_beyond_the_limit) {
  SizeCurveOptions options;
  options.max_subsets = 200;
  const auto subsets = member_subsets(20, 5, options);
  EXPECT_EQ(subsets.size(), 200U);
  EXPECT_EQ(std::set(subsets.begin(), subsets.end()).size(), 200U);
  std::vector<int> uses(20);
  for (const auto& subset : subsets) {
    EXPECT_EQ(std::set(subset.begin(), subset.end()).size(), 5U);
    EXPECT_TRUE(std::is_sorted(subset.begin(), subset.end()));
    for (const auto member : subset) ++uses.at(member);
  }
  // Each member is in a quarter of the subsets: 50, standard deviation 6.1.
  EXPECT_GT(*std::min_element(uses.begin(), uses.end()), 25);
  EXPECT_LT(*std::max_element(uses.begin(), uses.end()), 75);
  EXPECT_EQ(member_subsets(20, 5, options), subsets);
  options.seed = 1;
  EXPECT_NE(member_subsets(20, 5, options), subsets);

  const auto ensemble = noisy_ensemble(6, 10);
  options.max_subsets = 14;  // C(6, 2) = 15
  const auto curve = ensemble_size_curve(EnsembleView(ensemble.members(), kClasses, "ensemble"),
                                         ensemble.metrics(), options);
  EXPECT_EQ(curve[1].n_subsets, 14);
  EXPECT_FALSE(curve[1].all_subsets);
  EXPECT_EQ(curve[1].of[0].standard_error.null_reason, "needs every subset");
  EXPECT_TRUE(curve[0].all_subsets);
}

TEST(SizeCurveTest, without_a_metric_for_a_subset_has_the_reason) {
  const auto ensemble = noisy_ensemble(3, 10);
  int calls = 0;
  const PooledMetrics sometimes = [&](std::span<const double>) {
    return std::vector<Measured>{calls++ == 1 ? Measured::none("by chance") : Measured::of(1.0)};
  };
  const auto curve =
      ensemble_size_curve(EnsembleView(ensemble.members(), kClasses, "e"), sometimes, {});
  EXPECT_EQ(curve[0].of[0].mean.null_reason, "missing for 1 of 3 subsets: by chance");
  EXPECT_EQ(curve[1].of[0].mean.value, 1.0);
  SizeCurveOptions none;
  none.max_subsets = 0;
  EXPECT_THROW(
      ensemble_size_curve(EnsembleView(ensemble.members(), kClasses, "e"), sometimes, none),
      UsageError);
}

TEST(BoundedBinomialTest, by_hand) {
  EXPECT_EQ(bounded_binomial(5, 2, 100), 10);
  EXPECT_EQ(bounded_binomial(5, 0, 100), 1);
  EXPECT_EQ(bounded_binomial(5, 6, 100), 0);
  EXPECT_EQ(bounded_binomial(5, 2, 9), 10);  // limit + 1
  EXPECT_EQ(bounded_binomial(1000, 500, 1000), 1001);
}

}  // namespace
}  // namespace calsweep::analysis
