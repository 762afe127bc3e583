#include "analysis/metrics/brier_decomposition.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "analysis/metrics/corp_decomposition.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/random.hpp"
#include "tests/analysis/fixtures.hpp"
#include "tests/analysis/metrics/sorted_fixtures.hpp"

namespace calsweep::analysis {
namespace {

void expect_parts(const CorpDecomposition& found, const nlohmann::json& expected) {
  EXPECT_NEAR(found.score.value, expected[0].get<double>(), 1e-12);
  EXPECT_NEAR(found.miscalibration.value, expected[1].get<double>(), 1e-12);
  EXPECT_NEAR(found.discrimination.value, expected[2].get<double>(), 1e-12);
  EXPECT_NEAR(found.uncertainty.value, expected[3].get<double>(), 1e-12);
  EXPECT_NEAR(found.miscalibration.value - found.discrimination.value + found.uncertainty.value,
              found.score.value, 1e-12);
  EXPECT_GE(found.miscalibration.value, -1e-15);
  EXPECT_GE(found.discrimination.value, -1e-15);
}

// scikit-learn's IsotonicRegression: make_sorted_reference.py.
TEST(CorpDecompositionTest, as_with_isotonic_regression_of_scikit_learn) {
  const auto& reference = fixtures::sorted_reference();
  for (const auto& expected : reference["cases"]) {
    const auto profile = fixtures::profile_of(expected);
    expect_parts(corp_brier(profile), expected["corp"]["brier"]);
    expect_parts(corp_log_score(profile), expected["corp"]["log"]);
  }
  for (const auto& [name, expected] : reference["records"].items()) {
    const auto rows = fixtures::load_confidence_record(name);
    const auto profile =
        ConfidenceProfile::from_rows(std::span<const float>(rows.confidence), rows.correct);
    expect_parts(corp_brier(profile), expected["corp"]);
  }
}

TEST(CorpDecompositionTest, log_score_is_infinite_where_certainty_is_wrong) {
  const auto profile = ConfidenceProfile::from_groups({{.5, 4, 2}, {1.0, 10, 9}});
  const auto parts = corp_log_score(profile);
  EXPECT_FALSE(parts.score.has_value());
  EXPECT_FALSE(parts.miscalibration.has_value());
  EXPECT_GT(parts.discrimination.value, 0.0);
  EXPECT_GT(parts.uncertainty.value, 0.0);
  EXPECT_TRUE(corp_brier(profile).score.has_value());
}

TEST(CorpDecompositionTest, degenerate_sets) {
  EXPECT_FALSE(corp_brier({}).score.has_value());
  const auto right = corp_log_score(ConfidenceProfile::from_groups({{.5, 3, 3}}));
  EXPECT_EQ(right.uncertainty.value, 0.0);
  EXPECT_EQ(right.discrimination.value, 0.0);
  EXPECT_NEAR(right.score.value, std::log(2.0), 1e-15);
  const auto one = corp_brier(ConfidenceProfile::from_groups({{.75, 1, 1}}));
  EXPECT_EQ(one.score.value, .0625);
  EXPECT_EQ(one.miscalibration.value, .0625);
}

// numpy: make_sorted_reference.py.
TEST(BrierDecompositionTest, as_in_numpy) {
  const auto& expected = fixtures::sorted_reference()["binned_brier"];
  const auto wide = expected["probabilities"].get<std::vector<double>>();
  const std::vector<float> probabilities(wide.begin(), wide.end());
  const auto labels = expected["labels"].get<std::vector<std::int32_t>>();
  const auto bins = expected["bins"].get<std::vector<std::int64_t>>();
  const auto n_classes = expected["n_classes"].get<std::int64_t>();
  const auto found =
      binned_brier(probabilities, n_classes, labels, bins, expected["n_bins"].get<std::int64_t>());
  const double parts[] = {found.brier.value,           found.reliability.value,
                          found.resolution.value,      found.uncertainty.value,
                          found.within_variance.value, found.within_covariance.value};
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_NEAR(parts[i], expected["expected"][i].get<double>(), 1e-12) << i;
  }
  expect_parts(corp_multiclass_brier(std::span<const float>(probabilities), n_classes, labels),
               expected["corp"]);
  expect_parts(corp_multiclass_brier(std::span<const double>(wide), n_classes, labels),
               expected["corp"]);
}

struct Rows {
  std::vector<float> probabilities;
  std::vector<std::int32_t> labels;
  std::vector<std::int64_t> bins;
};

Rows random_rows(std::uint64_t key, std::size_t n, std::size_t n_classes) {
  Random random(key);
  Rows rows;
  for (std::size_t i = 0; i < n; ++i) {
    std::vector<double> weight;
    double sum = 0.0, largest = 0.0;
    for (std::size_t k = 0; k < n_classes; ++k) weight.push_back(random.gamma(.3) + 1e-12);
    for (const double w : weight) sum += w;
    for (const double w : weight) {
      rows.probabilities.push_back(static_cast<float>(w / sum));
      largest = std::max(largest, w / sum);
    }
    rows.labels.push_back(static_cast<std::int32_t>(random.below(n_classes)));
    rows.bins.push_back(std::min<std::int64_t>(static_cast<std::int64_t>(largest * 15.0), 14));
  }
  return rows;
}

TEST(BrierDecompositionTest, five_terms_add_up_to_the_brier_score) {
  for (const std::size_t n_classes : {2U, 10U, 100U}) {
    const auto rows = random_rows(n_classes, 3000, n_classes);
    const auto found = binned_brier(rows.probabilities, static_cast<std::int64_t>(n_classes),
                                    rows.labels, rows.bins, 15);
    double direct = 0.0;
    for (std::size_t i = 0; i < rows.labels.size(); ++i) {
      for (std::size_t k = 0; k < n_classes; ++k) {
        const double outcome = rows.labels[i] == static_cast<std::int32_t>(k) ? 1.0 : 0.0;
        const double gap = static_cast<double>(rows.probabilities[i * n_classes + k]) - outcome;
        direct += gap * gap;
      }
    }
    direct /= static_cast<double>(rows.labels.size());
    EXPECT_NEAR(found.brier.value, direct, 1e-12);
    EXPECT_NEAR(found.reliability.value - found.resolution.value + found.uncertainty.value +
                    found.within_variance.value - found.within_covariance.value,
                direct, 1e-12);
    const auto corp = corp_multiclass_brier(std::span<const float>(rows.probabilities),
                                            static_cast<std::int64_t>(n_classes), rows.labels);
    EXPECT_NEAR(corp.score.value, direct, 1e-12);
    EXPECT_NEAR(corp.miscalibration.value - corp.discrimination.value + corp.uncertainty.value,
                direct, 1e-12);
    EXPECT_NEAR(corp.uncertainty.value, found.uncertainty.value, 1e-12);
  }
}

TEST(BrierDecompositionTest, order_and_division_of_rows_do_not_matter_to_the_bit) {
  const std::size_t n = 500, n_classes = 7;
  const auto rows = random_rows(3, n, n_classes);
  const auto whole = binned_brier(rows.probabilities, 7, rows.labels, rows.bins, 15);
  BinnedBrierSums first(15, 7), second(15, 7);
  for (std::size_t i = n; i-- > 0;) {
    auto& part = i % 3 == 0 ? first : second;
    part.add_row(rows.bins[i],
                 std::span<const float>(rows.probabilities).subspan(i * n_classes, n_classes),
                 rows.labels[i]);
  }
  first.merge(second);
  const auto merged = first.decomposition();
  EXPECT_EQ(whole.brier.value, merged.brier.value);
  EXPECT_EQ(whole.reliability.value, merged.reliability.value);
  EXPECT_EQ(whole.within_variance.value, merged.within_variance.value);
  EXPECT_EQ(whole.within_covariance.value, merged.within_covariance.value);
}

TEST(BrierDecompositionTest, refuses_what_does_not_fit) {
  BinnedBrierSums sums(2, 2);
  const std::vector<float> good = {.5F, .5F}, bad = {std::nanf(""), .5F}, odd = {1.5F, -.5F};
  EXPECT_FALSE(sums.decomposition().brier.has_value());
  EXPECT_THROW(sums.add_row(2, std::span<const float>(good), 0), FormatError);
  EXPECT_THROW(sums.add_row(0, std::span<const float>(good), 2), FormatError);
  EXPECT_THROW(sums.add_row(0, std::span<const float>(bad), 0), FormatError);
  EXPECT_THROW(sums.add_row(0, std::span<const float>(odd), 0), FormatError);
  EXPECT_THROW(BinnedBrierSums(0, 2), UsageError);
  const std::vector<std::int32_t> labels = {2};
  EXPECT_THROW(corp_multiclass_brier(std::span<const float>(good), 2, labels), FormatError);
}

}  // namespace
}  // namespace calsweep::analysis
