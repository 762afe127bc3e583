#include "analysis/metrics/sorted_calibration_error.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "sweeps/errors.hpp"
#include "sweeps/random.hpp"
#include "tests/analysis/fixtures.hpp"
#include "tests/analysis/metrics/sorted_fixtures.hpp"

namespace calsweep::analysis {
namespace {

using Flags = std::vector<std::uint8_t>;

ConfidenceProfile profile_of(const std::vector<float>& confidence, const Flags& correct) {
  return ConfidenceProfile::from_rows(std::span<const float>(confidence), correct);
}

ConfidenceProfile record(const char* name) {
  const auto rows = fixtures::load_confidence_record(name);
  return profile_of(rows.confidence, rows.correct);
}

void expect_errors(const MeasuredBinnedErrors& found, const nlohmann::json& expected) {
  const double values[] = {found.l1.value, found.l2.value, found.max.value,
                           found.overconfidence.value, found.debiased_l2.value};
  for (std::size_t i = 0; i < 5; ++i) EXPECT_NEAR(values[i], expected[i].get<double>(), 1e-9) << i;
}

TEST(ConfidenceProfileTest, groups_ascend_and_add_up) {
  const auto profile = profile_of({.5F, 1.0F, .25F, .5F, 0.0F, -0.0F}, {1, 0, 1, 0, 1, 1});
  ASSERT_EQ(profile.size(), 4U);
  EXPECT_EQ(profile.groups()[0].confidence, 0.0);
  EXPECT_EQ(profile.groups()[0].count, 2);
  EXPECT_EQ(profile.groups()[2].confidence, .5);
  EXPECT_EQ(profile.groups()[2].correct, 1);
  EXPECT_EQ(profile.n_rows(), 6);
  EXPECT_EQ(profile.n_correct(), 4);
  EXPECT_EQ(profile.sum_confidence(), 2.25);
}

TEST(ConfidenceProfileTest, float_and_double_rows_and_groups_agree) {
  const auto rows = fixtures::load_confidence_record("wideresnet-16-4-cifar-10");
  const std::vector<double> wide(rows.confidence.begin(), rows.confidence.end());
  const auto a = profile_of(rows.confidence, rows.correct);
  const auto b = ConfidenceProfile::from_rows(std::span<const double>(wide), rows.correct);
  const auto c = ConfidenceProfile::from_groups({b.groups().begin(), b.groups().end()});
  ASSERT_EQ(a.size(), c.size());
  EXPECT_EQ(a.groups().back().confidence, 1.0);
  EXPECT_EQ(a.groups().back().count, 2469);
  for (std::size_t g = 0; g < a.size(); ++g) {
    EXPECT_EQ(a.groups()[g].confidence, c.groups()[g].confidence);
    EXPECT_EQ(a.correct_before(g + 1), c.correct_before(g + 1));
  }
}

TEST(ConfidenceProfileTest, refuses_what_is_no_confidence) {
  EXPECT_THROW(profile_of({std::numeric_limits<float>::quiet_NaN()}, {1}), FormatError);
  EXPECT_THROW(profile_of({1.5F}, {1}), FormatError);
  EXPECT_THROW(profile_of({-.5F}, {1}), FormatError);
  EXPECT_THROW(profile_of({.5F}, {2}), FormatError);
  EXPECT_THROW(profile_of({.5F}, {1, 1}), FormatError);
  EXPECT_THROW(ConfidenceProfile::from_groups({{.5, 1, 1}, {.5, 1, 1}}), FormatError);
  EXPECT_THROW(ConfidenceProfile::from_groups({{.5, 1, 2}}), FormatError);
}

TEST(ConfidenceProfileTest, coarsening_keeps_counts_and_sums) {
  const auto fine = record("wideresnet-16-4-cifar-10");
  const auto coarse = coarsened(fine, 64);
  EXPECT_LE(coarse.size(), 64U);
  EXPECT_EQ(coarse.n_rows(), fine.n_rows());
  EXPECT_EQ(coarse.n_correct(), fine.n_correct());
  EXPECT_NEAR(coarse.sum_confidence(), fine.sum_confidence(), 1e-8);
}

TEST(ConfidenceBinsTest, equal_mass_differs_by_one_row_at_most_without_ties) {
  std::vector<float> confidence;
  for (int i = 0; i < 47; ++i) confidence.push_back(static_cast<float>(i) / 64.0F);
  const auto profile = profile_of(confidence, Flags(47, 1));
  for (std::int64_t n_bins = 1; n_bins <= 47; ++n_bins) {
    for (const auto& bin : bin_tallies(profile, equal_mass_bins(profile, n_bins))) {
      EXPECT_GE(bin.count, static_cast<double>(47 / n_bins));
      EXPECT_LE(bin.count, static_cast<double>(47 / n_bins + 1));
    }
  }
}

TEST(ConfidenceBinsTest, edges_are_open_and_closed_as_asked) {
  const auto profile = profile_of({0.0F, .25F, .5F, .75F, 1.0F}, {1, 1, 1, 1, 1});
  const std::vector<double> edges = {0.0, .5, 1.0};
  const auto upper = bin_tallies(profile, edge_bins(profile, edges, ClosedSide::Upper));
  EXPECT_EQ(upper[0].count, 2.0);  // 0 is lost, .5 included
  EXPECT_EQ(upper[1].count, 2.0);
  const auto lower = bin_tallies(profile, edge_bins(profile, edges, ClosedSide::Lower));
  EXPECT_EQ(lower[0].count, 2.0);
  EXPECT_EQ(lower[1].count, 2.0);  // 1 is lost
  const auto exact = bin_tallies(profile, equal_width_bins(profile, 2));
  EXPECT_EQ(exact[0].count + exact[1].count, 5.0);
}

TEST(ConfidenceBinsTest, assigned_bins_must_ascend) {
  const std::vector<std::int32_t> good = {-1, 0, 0, 2};
  const auto bins = assigned_bins(good, 3);
  EXPECT_EQ(bins[0].begin, 1U);
  EXPECT_EQ(bins[0].end, 3U);
  EXPECT_EQ(bins[1].begin, bins[1].end);
  EXPECT_EQ(bins[2].end, 4U);
  EXPECT_THROW(assigned_bins(std::vector<std::int32_t>{0, 1, 0}, 2), FormatError);
  EXPECT_THROW(assigned_bins(std::vector<std::int32_t>{0, -1, 0}, 2), FormatError);
  EXPECT_THROW(assigned_bins(std::vector<std::int32_t>{2}, 2), FormatError);
}

// CALIBRATION.md 3.6, to the printed digits (EM15 and debiased L2 there are kumar2019-em).
TEST(SortedCalibrationErrorTest, two_real_records) {
  const auto lenet = record("lenet-5-cifar-10");
  EXPECT_NEAR(equal_mass_errors(lenet).l1.value, .107888, 5e-7);
  EXPECT_NEAR(kumar_equal_mass_errors(lenet).l1.value, .107888, 5e-7);
  EXPECT_NEAR(kumar_equal_mass_errors(lenet).debiased_l2.value, .112898, 5e-7);
  EXPECT_NEAR(sweep_error(lenet).ece.value, .107888, 5e-7);
  EXPECT_EQ(sweep_error(lenet).n_bins, 15);
  const auto wide = record("wideresnet-16-4-cifar-10");
  EXPECT_NEAR(equal_mass_errors(wide).l1.value, .053716, 5e-7);
  EXPECT_NEAR(kumar_equal_mass_errors(wide).l1.value, .053716, 5e-7);
  EXPECT_NEAR(kumar_equal_mass_errors(wide).debiased_l2.value, .092124, 5e-7);
  EXPECT_NEAR(sweep_error(wide).ece.value, .053716, 5e-7);
  EXPECT_EQ(sweep_error(wide).n_bins, 6);
  EXPECT_NEAR(equal_width_errors(wide).l1.value, .053716, 5e-7);
  EXPECT_NEAR(equal_width_errors(wide).l2.value, .074901, 5e-7);
  EXPECT_NEAR(equal_width_errors(wide).max.value, .262389, 5e-7);
  EXPECT_NEAR(equal_width_errors(wide).overconfidence.value, .048732, 5e-7);
}

// numpy.array_split and loops over rows: make_sorted_reference.py.
TEST(SortedCalibrationErrorTest, generated_cases_as_in_numpy) {
  for (const auto& expected : fixtures::sorted_reference()["cases"]) {
    const auto profile = fixtures::profile_of(expected);
    expect_errors(equal_mass_errors(profile, 7), expected["equal_mass"]);
    expect_errors(kumar_equal_mass_errors(profile, 7), expected["kumar"]);
    EXPECT_NEAR(ks_error(profile).value, expected["ks"].get<double>(), 1e-12);
    EXPECT_NEAR(sweep_error(profile).ece.value, expected["sweep"].get<double>(), 1e-9);
    EXPECT_EQ(sweep_error(profile).n_bins, expected["sweep_bins"].get<std::int64_t>());
    if (!expected.contains("rank_split")) continue;
    expect_errors(rank_split_errors(profile, 7), expected["rank_split"]);
    expect_errors(hendrycks_errors(profile, 10), expected["hendrycks"]);
  }
}

TEST(SortedCalibrationErrorTest, hendrycks_does_not_see_the_most_confident_rows) {
  std::vector<float> confidence(200, .5F);
  Flags correct(200, 0);
  for (std::size_t i = 0; i < 100; ++i) {
    confidence[i] = 1.0F;  // all wrong at confidence 1: not visited
    correct[100 + i] = i % 2;
  }
  EXPECT_EQ(hendrycks_errors(profile_of(confidence, correct)).l1.value, 0.0);
  EXPECT_GT(equal_mass_errors(profile_of(confidence, correct)).l1.value, .49);
  EXPECT_FALSE(hendrycks_errors(profile_of({.5F}, {1})).l1.has_value());
}

TEST(SortedCalibrationErrorTest, order_of_rows_does_not_matter_to_the_bit) {
  auto rows = fixtures::load_confidence_record("wideresnet-16-4-cifar-10");
  const auto before = profile_of(rows.confidence, rows.correct);
  Random random(7);
  const auto order = random.permutation(static_cast<std::int64_t>(rows.confidence.size()));
  std::vector<float> confidence;
  Flags correct;
  for (const auto i : order) {
    confidence.push_back(rows.confidence[static_cast<std::size_t>(i)]);
    correct.push_back(rows.correct[static_cast<std::size_t>(i)]);
  }
  const auto after = profile_of(confidence, correct);
  EXPECT_EQ(equal_mass_errors(before).l1.value, equal_mass_errors(after).l1.value);
  EXPECT_EQ(rank_split_errors(before).debiased_l2.value,
            rank_split_errors(after).debiased_l2.value);
  EXPECT_EQ(hendrycks_errors(before).l2.value, hendrycks_errors(after).l2.value);
  EXPECT_EQ(ks_error(before).value, ks_error(after).value);
  EXPECT_EQ(sweep_error(before).ece.value, sweep_error(after).ece.value);
}

TEST(SortedCalibrationErrorTest, errors_lie_between_0_and_1_and_below_root_brier) {
  Random random(11);
  for (int repeat = 0; repeat < 200; ++repeat) {
    std::vector<float> confidence;
    Flags correct;
    double squares = 0.0;
    const auto n = 1 + random.below(40);
    for (std::uint64_t i = 0; i < n; ++i) {
      confidence.push_back(static_cast<float>(random.below(9)) / 8.0F);
      correct.push_back(static_cast<std::uint8_t>(random.below(2)));
      const double gap = static_cast<double>(confidence.back()) - correct.back();
      squares += gap * gap / static_cast<double>(n);
    }
    const auto profile = profile_of(confidence, correct);
    for (const auto& errors : {equal_mass_errors(profile), equal_width_errors(profile),
                               kumar_equal_mass_errors(profile), rank_split_errors(profile)}) {
      EXPECT_GE(errors.l1.value, 0.0);
      EXPECT_LE(errors.l1.value, errors.l2.value + 1e-12);
      EXPECT_LE(errors.l2.value, errors.max.value + 1e-12);
      EXPECT_LE(errors.max.value, 1.0);
      EXPECT_LE(errors.debiased_l2.value, errors.l2.value + 1e-12);
      EXPECT_LE(errors.l2.value, std::sqrt(squares) + 1e-12);  // Gruber & Buettner 2022
    }
    EXPECT_LE(ks_error(profile).value, 1.0);
    EXPECT_LE(ks_error(profile).value, equal_width_errors(profile, 8).l1.value + 1e-12);
  }
}

TEST(SortedCalibrationErrorTest, degenerate_sets) {
  const ConfidenceProfile empty;
  EXPECT_EQ(equal_mass_errors(empty).l1.null_reason, "the set is empty");
  EXPECT_EQ(kumar_equal_mass_errors(empty).debiased_l2.null_reason, "the set is empty");
  EXPECT_FALSE(sweep_error(empty).ece.has_value());
  EXPECT_FALSE(ks_error(empty).has_value());
  const auto one = profile_of({.625F}, {1});
  EXPECT_EQ(equal_mass_errors(one).l1.value, .375);
  EXPECT_EQ(rank_split_errors(one).l1.value, .375);          // 14 of 15 parts are empty
  EXPECT_EQ(equal_mass_errors(one).debiased_l2.value, 0.0);  // one row: nothing to debias with
  EXPECT_EQ(sweep_error(one).n_bins, 1);
  const auto alike = profile_of(std::vector<float>(50, .5F), Flags(50, 1));
  EXPECT_EQ(equal_mass_errors(alike).l1.value, .5);
  EXPECT_EQ(kumar_equal_mass_errors(alike).l1.value, .5);
  EXPECT_EQ(ks_error(alike).value, .5);
  EXPECT_THROW(equal_mass_errors(one, 0), UsageError);
}

// The set that a float32 counter turns into 0 (CALIBRATION.md, fact 3).
TEST(SortedCalibrationErrorTest, of_33_million_equal_rows_is_exact) {
  const auto profile = ConfidenceProfile::from_groups({{.5, 33'500'000, 10'050'000}});
  EXPECT_NEAR(equal_mass_errors(profile).l1.value, .2, 1e-12);
  EXPECT_NEAR(ks_error(profile).value, .2, 1e-12);
}

}  // namespace
}  // namespace calsweep::analysis
