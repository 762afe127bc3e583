#include "analysis/metrics/conventions.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "analysis/metrics/bin_finder.hpp"
#include "analysis/metrics/calibration_error.hpp"
#include "sweeps/errors.hpp"
#include "tests/analysis/fixtures.hpp"

namespace calsweep::analysis {
namespace {

using Flags = std::vector<std::uint8_t>;

CalibrationError measure(std::string_view convention, std::int64_t n_bins,
                         const std::vector<float>& confidence, const Flags& correct) {
  const auto& rule = find_convention(convention);
  return calibration_error(rule, reliability_bins(rule, n_bins, confidence, correct),
                           static_cast<std::int64_t>(confidence.size()));
}

const std::vector<float> kEdge12 = {1.0F, 1.0F, 1.0F, .95F, .9F, .8F, .7F, .6F, .5F, .3F, .2F, .1F};
const Flags kEdge12Correct = {1, 1, 0, 1, 0, 1, 0, 1, 1, 0, 1, 0};

struct Edge12 {
  const char* convention;
  double bins_10, bins_15, bins_20;
};
// CALIBRATION.md 3.3, computed there with the libraries themselves. netcal has a test of its own.
constexpr Edge12 kEdge12Ece[] = {
    {"guo2017", .404167, .404167, .412500},      {"torchmetrics", .404167, .412500, .412500},
    {"kumar2019-ew", .304167, .404167, .412500}, {"nixon2019", .312500, .412500, .412500},
    {"keras-stream", .404167, .404167, .404167}, {"sklearn", .304167, .404167, .412500},
    {"noise2026", .427778, .425926, .436111},    {"focal2020", .304167, .404167, .412500},
    {"openood", .427778, .438889, .438889},      {"relplot-binned", .312500, .412500, .412500},
};

TEST(ConventionsTest, give_the_published_values_on_edge_12) {
  for (const auto& expected : kEdge12Ece) {
    SCOPED_TRACE(expected.convention);
    const auto ece = [&](std::int64_t n_bins) {
      return measure(expected.convention, n_bins, kEdge12, kEdge12Correct).ece.value;
    };
    EXPECT_NEAR(ece(10), expected.bins_10, 5e-7);
    EXPECT_NEAR(ece(15), expected.bins_15, 5e-7);
    EXPECT_NEAR(ece(20), expected.bins_20, 5e-7);
  }
}

TEST(ConventionsTest, give_the_published_maxima_on_edge_12) {
  const auto mce = [](const char* name) {
    return measure(name, 10, kEdge12, kEdge12Correct).mce.value;
  };
  EXPECT_NEAR(mce("guo2017"), .9, 5e-7);
  EXPECT_NEAR(mce("torchmetrics"), .8, 5e-7);
  EXPECT_NEAR(mce("netcal"), .8, 5e-7);
  EXPECT_NEAR(mce("noise2026"), .75, 5e-7);
}

TEST(ConventionsTest, give_the_published_values_of_fortuna_on_edge_12) {
  const auto error = measure("fortuna", 10, kEdge12, kEdge12Correct);
  EXPECT_NEAR(error.ece.value, .404167, 5e-7);
  EXPECT_NEAR(error.mce.value, 1.85, 5e-7);
}

// netcal counts with double edges and averages with float32 ones. Its printed values follow from
// the two partitions; our `netcal` takes the first for both.
TEST(ConventionsTest, explain_the_published_values_of_netcal_on_edge_12) {
  const std::map<std::int64_t, double> published = {{10, .365000}, {15, .404167}, {20, .326042}};
  auto float32_edges = find_convention("netcal");
  float32_edges.bin_rule = BinRule::LinspaceFloat32;
  for (const auto& [n_bins, expected] : published) {
    const auto counted =
        reliability_bins(find_convention("netcal"), n_bins, kEdge12, kEdge12Correct);
    const auto averaged = reliability_bins(float32_edges, n_bins, kEdge12, kEdge12Correct);
    double ece = 0.0;
    for (std::size_t b = 0; b < counted.size(); ++b) {
      if (averaged[b].count == 0) continue;
      const double n = static_cast<double>(averaged[b].count);
      const double gap =
          std::abs(static_cast<double>(averaged[b].correct) - averaged[b].sum_confidence) / n;
      ece += static_cast<double>(counted[b].count) / 12.0 * gap;
    }
    EXPECT_NEAR(ece, expected, 5e-7) << n_bins;
  }
  // By hand, with one partition: 10 bins give the same as nixon2019 but for 1.0 beside .95.
  EXPECT_NEAR(measure("netcal", 10, kEdge12, kEdge12Correct).ece.value, .304167, 5e-7);
}

TEST(ConventionsTest, exact_bins_are_those_of_the_decimal_numbers_in_float32) {
  // float32(.7) and float32(.9) lie below .7 and .9, float32(.3), (.6), (.1), (.2) and (.8) above.
  const auto bin = [](const char* name, float c) {
    return BinFinder(find_convention(name), 10).bin_of(c);
  };
  for (const char* name : {"exact", "exact-left-closed"}) {
    EXPECT_EQ(bin(name, .7F), 6) << name;
    EXPECT_EQ(bin(name, .9F), 8) << name;
    EXPECT_EQ(bin(name, .3F), 3) << name;
    EXPECT_EQ(bin(name, .6F), 6) << name;
    EXPECT_EQ(bin(name, 0.0F), 0) << name;
    EXPECT_EQ(bin(name, 1.0F), 9) << name;
  }
  EXPECT_EQ(bin("exact", .5F), 4);
  EXPECT_EQ(bin("exact-left-closed", .5F), 5);
}

TEST(ConventionsTest, sort_the_float32_edges_as_the_sources_do) {
  // CALIBRATION.md 3.2, bins from 0 of .7 and .9 among ten.
  const std::map<std::string, std::pair<int, int>> expected = {
      {"guo2017", {6, 8}},      {"torchmetrics", {7, 9}}, {"netcal", {6, 8}},
      {"kumar2019-ew", {6, 8}}, {"keras-stream", {7, 9}}, {"sklearn", {6, 8}},
      {"noise2026", {7, 9}}};
  for (const auto& [name, bins] : expected) {
    const BinFinder finder(find_convention(name), 10);
    EXPECT_EQ(finder.bin_of(.7F), bins.first) << name;
    EXPECT_EQ(finder.bin_of(.9F), bins.second) << name;
  }
}

// The seed's toy tables (E-7) give M, mean confidence, accuracy and results; these five rows are
// consistent with them.
TEST(ConventionsTest, give_the_toy_tables) {
  const std::vector<float> first = {.835F, .835F, .835F, .835F, .6F};
  const std::vector<float> second = {.968F, .968F, .968F, .968F, .968F};
  const Flags correct = {1, 1, 1, 1, 0};
  EXPECT_NEAR(measure("guo2017", 1, first, correct).ece.value, .012, 1e-6);
  EXPECT_NEAR(measure("guo2017", 1, second, correct).ece.value, .168, 1e-6);
  for (const std::int64_t n_bins : {10, 15}) {
    const auto a = measure("exact", n_bins, first, correct);
    EXPECT_NEAR(a.ece.value, .252, 1e-6);
    EXPECT_NEAR(a.mce.value, .60, 1e-6);
    EXPECT_NEAR(a.oe.value, .072, 1e-6);
    const auto b = measure("exact", n_bins, second, correct);
    EXPECT_NEAR(b.ece.value, .168, 1e-6);
    EXPECT_NEAR(b.oe.value, .162624, 1e-6);
  }
}

struct Record {
  const char* name;
  double ece_10, ece_15, ece_20, mce_15, rmsce_15, oe_15, noise_10;
};
// CALIBRATION.md 3.6.
constexpr Record kRecords[] = {
    {"lenet-5-cifar-10", .107888, .107888, .107888, .185821, .113184, .070027, .106100},
    {"wideresnet-16-4-cifar-10", .053716, .053716, .054058, .262389, .074901, .048732, .033442},
};

TEST(ConventionsTest, give_the_published_values_of_two_real_records) {
  for (const auto& expected : kRecords) {
    SCOPED_TRACE(expected.name);
    const auto record = fixtures::load_confidence_record(expected.name);
    const auto at = [&](const char* name, std::int64_t n_bins) {
      return measure(name, n_bins, record.confidence, record.correct);
    };
    const auto guo = at("guo2017", 15);
    EXPECT_NEAR(guo.ece.value, expected.ece_15, 5e-7);
    EXPECT_NEAR(guo.mce.value, expected.mce_15, 5e-7);
    EXPECT_NEAR(guo.rmsce.value, expected.rmsce_15, 5e-7);
    EXPECT_NEAR(guo.oe.value, expected.oe_15, 5e-7);
    EXPECT_NEAR(at("guo2017", 10).ece.value, expected.ece_10, 5e-7);
    EXPECT_NEAR(at("guo2017", 20).ece.value, expected.ece_20, 5e-7);
    EXPECT_NEAR(at("noise2026", 10).ece.value, expected.noise_10, 5e-7);
    // The table says that these agree with guo2017 to 1e-6 on these records.
    for (const char* name : {"netcal", "kumar2019-ew", "keras-stream", "sklearn", "exact"}) {
      EXPECT_NEAR(at(name, 15).ece.value, expected.ece_15, 1e-6) << name;
    }
    // torchmetrics' own float32 sums are up to 3e-5 away; the rule itself is not.
    EXPECT_NEAR(at("torchmetrics", 15).ece.value, expected.ece_15, 3e-5);
  }
}

TEST(ConventionsTest, noise2026_loses_a_quarter_of_a_real_record) {
  const auto record = fixtures::load_confidence_record("wideresnet-16-4-cifar-10");
  const auto error = measure("noise2026", 10, record.confidence, record.correct);
  EXPECT_EQ(error.n_unbinned, 2469);
  EXPECT_EQ(measure("guo2017", 15, record.confidence, record.correct).n_unbinned, 0);
}

TEST(ConventionsTest, are_sorted_and_explain_themselves) {
  const auto all = conventions();
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end(),
                             [](const auto& a, const auto& b) { return a.name < b.name; }));
  for (const auto& convention : all) {
    EXPECT_GT(convention.rule.size(), 40U) << convention.name;
    EXPECT_FALSE(convention.source.empty()) << convention.name;
    EXPECT_FALSE(edges_in_words(convention).empty()) << convention.name;
  }
  EXPECT_THROW(find_convention("guo"), UsageError);
}

}  // namespace
}  // namespace calsweep::analysis
