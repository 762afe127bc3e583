#include "analysis/metrics/tally.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <random>

#include "analysis/metrics/predictions.hpp"
#include "sweeps/errors.hpp"
#include "tests/analysis/fixtures.hpp"

namespace calsweep::analysis {
namespace {

struct Rows {
  std::int64_t n_classes = 0;
  std::vector<float> logits;
  std::vector<std::int32_t> labels;
};

/// Rows of every kind: flat, certain, saturated, with ties, and some that lose many nats.
Rows random_rows(std::size_t n, std::int64_t k, unsigned seed) {
  Rows rows{k, {}, {}};
  std::mt19937 random(seed);
  for (std::size_t i = 0; i < n; ++i) {
    const float scale = std::array{0.0F, 1.0F, 10.0F, 40.0F, 300.0F}[i % 5];
    for (std::int64_t c = 0; c < k; ++c) {
      rows.logits.push_back(scale * (static_cast<float>(random() >> 8) * 0x1p-24F - 0.5F));
    }
    rows.labels.push_back(static_cast<std::int32_t>(random() % static_cast<unsigned>(k)));
  }
  return rows;
}

Tally tally_of(const Rows& rows, Tally::Histogram histogram = Tally::Histogram::Kept) {
  Tally tally(rows.n_classes, histogram);
  tally.add_logits(rows.logits, rows.labels, "test");
  return tally;
}

Rows taken(const Rows& rows, std::span<const std::size_t> which) {
  Rows part{rows.n_classes, {}, {}};
  const auto k = static_cast<std::size_t>(rows.n_classes);
  for (const auto r : which) {
    part.logits.insert(part.logits.end(), rows.logits.begin() + static_cast<std::ptrdiff_t>(r * k),
                       rows.logits.begin() + static_cast<std::ptrdiff_t>((r + 1) * k));
    part.labels.push_back(rows.labels[r]);
  }
  return part;
}

TEST(TallyTest, does_not_depend_on_the_order_of_rows_to_the_bit) {
  for (const std::int64_t k : {2, 10, 200}) {
    const auto rows = random_rows(1003, k, 1);
    std::vector<std::size_t> order(1003);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::shuffle(order.begin(), order.end(), std::mt19937(9));
    EXPECT_EQ(tally_of(rows), tally_of(taken(rows, order)));
  }
}

TEST(TallyTest, merges_one_three_or_eight_parts_into_the_same_bits) {
  const auto rows = random_rows(1003, 10, 2);
  const auto whole = tally_of(rows);
  for (const std::size_t n_parts : {1U, 3U, 8U}) {
    std::vector<std::vector<std::size_t>> parts(n_parts);
    for (std::size_t r = 0; r < 1003; ++r) parts[r * r % n_parts].push_back(r);
    Tally merged(10, Tally::Histogram::Kept);
    for (const auto& part : parts) merged.merge(tally_of(taken(rows, part)));
    EXPECT_EQ(merged, whole) << n_parts;
  }
}

TEST(TallyTest, differs_when_a_label_differs) {
  auto rows = random_rows(100, 10, 3);
  const auto before = tally_of(rows);
  rows.labels[50] = (rows.labels[50] + 1) % 10;
  EXPECT_FALSE(before == tally_of(rows));
}

struct Golden {
  const char* name;
  double accuracy, confidence, nll, brier, entropy, ece_15, sce_15, oe_15, rmsce_15;
  std::int64_t saturated;
};
// CALIBRATION.md 3.6.
constexpr Golden kGolden[] = {
    {"lenet-5-cifar-10", .5308, .638688, 1.369868, .614152, 1.004461, .107888, .024060, .070027,
     .113184, 0},
    {"wideresnet-16-4-cifar-10", .9109, .964616, .378170, .143871, .095168, .053716, .012427,
     .048732, .074901, 2469},
};

TEST(TallyTest, gives_the_published_values_of_two_real_records) {
  if (!std::filesystem::exists(fixtures::records_folder())) {
    GTEST_SKIP() << "no ../shared/data/records beside the source tree";
  }
  for (const auto& expected : kGolden) {
    SCOPED_TRACE(expected.name);
    const auto record = fixtures::load_softmax_record(expected.name);
    Tally tally(10);
    tally.add_probabilities(record.probabilities, record.labels, expected.name);
    EXPECT_NEAR(tally.accuracy().value, expected.accuracy, 5e-7);
    EXPECT_NEAR(tally.mean_confidence().value, expected.confidence, 5e-7);
    EXPECT_NEAR(tally.predictive_uncertainty().value, 1.0 - expected.confidence, 5e-7);
    EXPECT_NEAR(tally.nll().value, expected.nll, 5e-7);
    EXPECT_NEAR(tally.brier().value, expected.brier, 5e-7);
    EXPECT_NEAR(tally.entropy().value, expected.entropy, 5e-7);
    EXPECT_NEAR(tally.classwise_ece().value, expected.sce_15, 5e-7);
    EXPECT_EQ(tally.n_saturated(), expected.saturated);
    const auto error = tally.calibration_error(find_convention("guo2017"), 15);
    EXPECT_NEAR(error.ece.value, expected.ece_15, 5e-7);
    EXPECT_NEAR(error.oe.value, expected.oe_15, 5e-7);
    EXPECT_NEAR(error.rmsce.value, expected.rmsce_15, 5e-7);
  }
}

TEST(TallyTest, agrees_with_scipy_on_random_logits) {
  const auto& expected = fixtures::reference().at("predictions");
  Tally tally(7);
  tally.add_logits(expected.at("logits").get<std::vector<float>>(),
                   expected.at("labels").get<std::vector<std::int32_t>>(), "test");
  EXPECT_NEAR(tally.nll().value, expected.at("nll").get<double>(), 1e-14);
  EXPECT_NEAR(tally.brier().value, expected.at("brier").get<double>(), 1e-14);
  EXPECT_NEAR(tally.mean_confidence().value, expected.at("confidence").get<double>(), 1e-14);
}

TEST(TallyTest, gives_entropy_and_classwise_error_by_hand) {
  // Two rows of (1/2, 1/4, 1/4) and (1/4, 1/4, 1/2): entropy 1.5 log 2 each.
  const std::vector<double> p = {.5, .25, .25, .25, .25, .5};
  const std::vector<std::int32_t> labels = {0, 1};
  Tally tally(3);
  tally.add_probabilities(p, labels, "test");
  EXPECT_NEAR(tally.entropy().value, 1.5 * std::log(2.0), 1e-15);
  // 15 bins hold one value each: class 0: |1 - .5| + |0 - .25|; class 1 (both rows at .25):
  // |1 - .5|; class 2: |0 - .25| + |0 - .5|. Sum 2, over 2 rows and 3 classes.
  EXPECT_NEAR(tally.classwise_ece().value, 2.0 / 6.0, 1e-15);
  EXPECT_NEAR(tally.classes()[1].probability.value(), .5, 1e-15);
}

TEST(TallyTest, classwise_bins_agree_with_direct_binning) {
  const auto rows = random_rows(500, 6, 4);
  const auto tally = tally_of(rows);
  auto closed = find_convention("guo2017");
  closed.at_zero = AtZero::FirstBin;
  for (std::int64_t k = 0; k < 6; ++k) {
    std::vector<float> p;
    std::vector<std::uint8_t> is_label;
    double sum_p = 0.0;
    for (std::size_t r = 0; r < 500; ++r) {
      double sum = 0.0;
      for (std::size_t c = 0; c < 6; ++c) {
        sum += std::exp(static_cast<double>(rows.logits[6 * r + c]) -
                        static_cast<double>(rows.logits[6 * r + static_cast<std::size_t>(k)]));
      }
      p.push_back(static_cast<float>(1.0 / sum));
      sum_p += 1.0 / sum;
      is_label.push_back(rows.labels[r] == k ? 1 : 0);
    }
    const auto expected = reliability_bins(closed, 15, p, is_label);
    const auto made = tally.classwise_bins(k);
    double made_sum = 0.0;
    for (std::size_t b = 0; b < 15; ++b) {
      EXPECT_EQ(made[b].count, expected[b].count);
      EXPECT_EQ(made[b].correct, expected[b].correct);
      EXPECT_NEAR(made[b].sum_confidence, expected[b].sum_confidence, 1e-5);
      made_sum += made[b].sum_confidence;
    }
    EXPECT_NEAR(made_sum, sum_p, 1e-11);
  }
}

TEST(TallyTest, measures_class_bias) {
  // By hand: predictions 0, 0, 0, 1 of four classes: f = (3/4, 1/4, 0, 0).
  const std::vector<double> confidence = {.9, .9, .9, .9};
  const std::vector<std::int32_t> predicted = {0, 0, 0, 1};
  Tally tally(4);
  tally.add_top_label(confidence, predicted, {}, "noise");
  const auto bias = tally.class_bias();
  EXPECT_DOUBLE_EQ(bias.largest_excess.value, .5);
  EXPECT_DOUBLE_EQ(bias.total_variation.value, .5);
  EXPECT_NEAR(bias.kl_to_uniform.value, .75 * std::log(3.0), 1e-15);
}

// CALIBRATION.md, fact 3: float32 sums stop at 2^24 rows and give 0.
TEST(TallyTest, of_33_5_million_identical_predictions_with_an_error_of_a_fifth_gives_a_fifth) {
  const std::vector<double> confidence(20, .75);
  const std::vector<std::int32_t> predicted(20, 0);
  std::vector<std::int32_t> labels(20, 0);
  std::fill(labels.begin() + 11, labels.end(), 1);  // 55 % right
  Tally doubled(2), whole(2);
  doubled.add_top_label(confidence, predicted, labels, "twenty");
  for (int bit = 0; bit < 21; ++bit) {
    if ((1677721 >> bit & 1) != 0) whole.merge(doubled);
    const Tally copy = doubled;
    doubled.merge(copy);
  }
  EXPECT_EQ(whole.n_rows(), 33554420);
  for (const auto& convention : conventions()) {
    if (convention.confidence == BinConfidence::Midpoint) continue;
    for (const auto n_bins : registered_bins(convention)) {
      EXPECT_NEAR(whole.calibration_error(convention, n_bins).ece.value, .20, 1e-15);
    }
  }
}

TEST(TallyTest, histogram_stands_for_the_rows) {
  const auto rows = random_rows(5000, 10, 6);
  const auto tally = tally_of(rows);
  const auto groups = tally.confidence_groups();
  std::int64_t n = 0, correct = 0;
  double sum = 0.0;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (i > 0) {
      EXPECT_LT(groups[i - 1].confidence, groups[i].confidence);
    }
    n += groups[i].count;
    correct += groups[i].correct;
    sum += groups[i].confidence * static_cast<double>(groups[i].count);
  }
  EXPECT_EQ(n, 5000);
  EXPECT_EQ(correct, tally.n_correct());
  EXPECT_NEAR(sum / 5000.0, tally.mean_confidence().value, 1e-7);
  EXPECT_GT(groups.size(), 1000U);
  EXPECT_EQ(ConfidenceProfile::from_groups(groups).n_rows(), 5000);
  EXPECT_THROW(tally_of(rows, Tally::Histogram::None).confidence_groups(), UsageError);
}

TEST(TallyTest, of_top_labels_has_no_probabilities_and_says_so) {
  const std::vector<double> confidence = {.9, .5};
  const std::vector<std::int32_t> predicted = {1, 0};
  const std::vector<std::int32_t> labels = {1, 2};
  const auto made = predict_from_top_label(confidence, predicted, 3, labels, "test");
  EXPECT_EQ(made.accuracy().value, .5);
  EXPECT_EQ(made.tally.classes()[2].labels, 1);
  for (const auto& value :
       {made.nll(), made.brier(), made.tally.entropy(), made.tally.classwise_ece()}) {
    EXPECT_EQ(value.null_reason,
              "only the predicted class and its confidence are known, not the class probabilities");
  }
  EXPECT_THROW(predict_from_top_label(confidence, labels, 2, labels, "test"), FormatError);
  const std::vector<double> too_large = {1.5, .5};
  EXPECT_THROW(predict_from_top_label(too_large, predicted, 3, labels, "test"), FormatError);
}

TEST(TallyTest, without_labels_has_confidence_and_class_bias_only) {
  auto rows = random_rows(20, 4, 8);
  Tally tally(4);
  tally.add_logits(rows.logits, {}, "ood");
  EXPECT_TRUE(tally.mean_confidence().has_value());
  EXPECT_TRUE(tally.entropy().has_value());
  EXPECT_TRUE(tally.class_bias().total_variation.has_value());
  for (const auto& value : {tally.accuracy(), tally.nll(), tally.brier(), tally.classwise_ece(),
                            tally.calibration_error(find_convention("exact"), 15).ece}) {
    EXPECT_EQ(value.null_reason, "the rows have no labels");
  }
  EXPECT_THROW(tally.add_logits(rows.logits, rows.labels, "test"), FormatError);
}

TEST(TallyTest, of_no_rows_has_reasons_for_everything) {
  const Tally tally(10);
  for (const auto& value : {tally.accuracy(), tally.mean_confidence(), tally.nll(), tally.brier(),
                            tally.entropy(), tally.saturated_fraction(), tally.classwise_ece(),
                            tally.predictive_uncertainty(), tally.class_bias().largest_excess,
                            tally.calibration_error(find_convention("guo2017"), 15).ece}) {
    EXPECT_EQ(value.null_reason, "the set is empty");
  }
}

TEST(TallyTest, counts_losses_of_any_size_exactly) {
  const std::vector<float> logits = {0.0F, 40.0F, 0.0F, 100.0F, 0.0F, 5e7F};
  const std::vector<std::int32_t> labels = {0, 0, 0};
  Tally tally(2);
  tally.add_logits(logits, labels, "test");
  EXPECT_DOUBLE_EQ(tally.nll().value, (40.0 + 100.0 + 5e7) / 3.0);
  const std::vector<float> absurd = {-3e38F, 3e38F};
  tally.add_logits(absurd, std::span(labels).first(1), "test");
  EXPECT_EQ(tally.nll().null_reason, "a row loses more than 2^32 nats");
}

}  // namespace
}  // namespace calsweep::analysis
