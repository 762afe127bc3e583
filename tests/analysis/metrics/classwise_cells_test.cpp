#include "analysis/metrics/classwise_cells.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "analysis/metrics/predictions.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/random.hpp"
#include "tests/analysis/fixtures.hpp"

namespace calsweep::analysis {
namespace {

using Labels = std::vector<std::int32_t>;

// classwise_reference.json: numpy (make_classwise_reference.py).
TEST(AdaptiveCellsTest, equal_numpy_with_and_without_ties) {
  const auto reference =
      nlohmann::json::parse(std::ifstream(CALSWEEP_ROOM_DIR "/classwise_reference.json"));
  int n_nixon = 0;
  for (const auto& expected : reference["classwise"]) {
    const auto p = expected["probabilities"].get<std::vector<double>>();
    const auto labels = expected["labels"].get<Labels>();
    const auto found = adaptive_cells(p, expected["n_classes"].get<std::int64_t>(), labels,
                                      expected["n_bins"].get<std::int64_t>());
    EXPECT_NEAR(found.all.error().value, expected["ace"].get<double>(), 1e-12);
    EXPECT_NEAR(found.thresholded.error().value, expected["tace"].get<double>(), 1e-12);
    if (!expected.contains("nixon")) continue;
    // Nixon et al. 2019, eq. 4, as printed: bins of the same number of rows.
    EXPECT_NEAR(found.all.error().value, expected["nixon"].get<double>(), 1e-12);
    ++n_nixon;
  }
  EXPECT_GE(n_nixon, 2);
}

// Two classes, four rows, two bins. Class 0: p = .1 .2 | .6 .8, labels 0 1 | 1 1: gaps |.3 - 1| / 4
// and |1.4 - 2| / 4. Class 1 is its mirror: |.6 - 0|, |1.7 - 1|. Sum over classes / 2: .325.
TEST(AdaptiveCellsTest, by_hand) {
  const std::vector<double> p = {.1, .9, .2, .8, .6, .4, .8, .2};
  const auto found = adaptive_cells(p, 2, Labels{1, 0, 0, 0}, 2);
  EXPECT_NEAR(found.all.error().value, .325, 1e-7);
  EXPECT_EQ(found.all.bin_of[0], 0);
  EXPECT_EQ(found.all.bin_of[4], 1);
}

// What lies at or below the threshold belongs to no bin; 1e-3 itself does not.
TEST(AdaptiveCellsTest, threshold_leaves_small_probabilities_out) {
  const std::vector<double> p = {.9995, .0005, .5, .5, .75, .25};
  const auto found = adaptive_cells(p, 2, Labels{0, 1, 0}, 1);
  EXPECT_EQ(found.thresholded.n_kept, (std::vector<std::int64_t>{3, 2}));
  EXPECT_EQ(found.thresholded.bin_of[1], ClasswiseCells::kNoBin);
  // Class 0: |2.2495 - 2| / 3; class 1: |.75 - 1| / 2; the mean of both.
  EXPECT_NEAR(found.thresholded.error().value, (.2495 / 3 + .25 / 2) / 2, 1e-7);
  EXPECT_NEAR(found.all.error().value, (.2495 / 3 + .2495 / 3) / 2, 1e-7);
}

TEST(AdaptiveCellsTest, order_of_rows_changes_no_bit) {
  const std::int64_t n = 300, k = 5;
  Random random(4);
  std::vector<double> p;
  Labels labels;
  for (std::int64_t i = 0; i < n; ++i) {
    std::vector<double> row;
    for (std::int64_t c = 0; c < k; ++c) row.push_back(std::floor(random.uniform() * 8) + 1.0);
    const double sum = std::accumulate(row.begin(), row.end(), 0.0);
    for (const double x : row) p.push_back(x / sum);
    labels.push_back(static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(k))));
  }
  const auto order = random.permutation(n);
  std::vector<double> shuffled;
  Labels shuffled_labels;
  for (const auto i : order) {
    for (std::int64_t c = 0; c < k; ++c) shuffled.push_back(p[static_cast<std::size_t>(i * k + c)]);
    shuffled_labels.push_back(labels[static_cast<std::size_t>(i)]);
  }
  const auto a = adaptive_cells(p, k, labels), b = adaptive_cells(shuffled, k, shuffled_labels);
  EXPECT_EQ(a.all.error().value, b.all.error().value);
  EXPECT_EQ(a.thresholded.error().value, b.thresholded.error().value);
}

// The tally's classwise ECE counts the same bins in integers.
TEST(EqualWidthCellsTest, equal_the_tally) {
  Random random(11);
  std::vector<double> p;
  Labels labels;
  for (int i = 0; i < 500; ++i) {
    const double a = random.uniform(), b = random.uniform() * (1.0 - a);
    p.insert(p.end(), {a, b, 1.0 - a - b});
    labels.push_back(static_cast<std::int32_t>(random.below(3)));
  }
  const auto predictions =
      predict_from_probabilities(std::span<const double>(p), 3, labels, "test");
  EXPECT_NEAR(equal_width_cells(p, 3, labels).error().value,
              predictions.tally.classwise_ece().value, 1e-12);
}

TEST(ClasswiseCellsTest, degenerate_sets) {
  EXPECT_EQ(adaptive_cells({}, 3, {}).all.error().null_reason, "the set is empty");
  EXPECT_EQ(equal_width_cells({}, 3, {}).error().null_reason, "the set is empty");
  const std::vector<double> one = {.25, .75};
  EXPECT_NEAR(adaptive_cells(one, 2, Labels{1}).all.error().value, .25, 1e-12);
  const std::vector<double> certain = {1.0, 0.0, 1.0, 0.0};  // all tie
  const auto found = adaptive_cells(certain, 2, Labels{0, 1});
  EXPECT_EQ(found.all.error().value, .5);
  EXPECT_EQ(found.thresholded.n_kept[1], 0);
  EXPECT_EQ(found.thresholded.error().value, .25);  // the class without rows adds 0
  EXPECT_THROW(adaptive_cells(one, 2, Labels{1, 0}), FormatError);
  EXPECT_THROW(adaptive_cells(one, 2, Labels{1}, 0), UsageError);
  EXPECT_THROW(adaptive_cells(one, 2, Labels{1}, 255), UsageError);
}

}  // namespace
}  // namespace calsweep::analysis
