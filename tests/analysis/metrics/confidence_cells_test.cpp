#include "analysis/metrics/confidence_cells.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "analysis/metrics/bin_finder.hpp"
#include "analysis/metrics/calibration_error.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

/// Every edge of every convention with its neighbours, the ends, subnormal numbers, and uniform and
/// saturated random numbers.
std::vector<float> hard_confidences() {
  std::vector<float> values = {0.0F, 1.0F, 1e-45F, 1e-38F, 1e-10F, 0x1p-25F};
  for (const auto& cell : confidence_cells()) {
    for (const float edge : {cell.first, cell.last}) {
      values.push_back(edge);
      values.push_back(std::min(1.0F, std::nextafter(edge, 2.0F)));
      values.push_back(std::max(0.0F, std::nextafter(edge, -1.0F)));
    }
  }
  std::mt19937 random(7);
  for (int i = 0; i < 3000; ++i) {
    const auto u = static_cast<float>(random() >> 8) * 0x1p-24F;
    values.push_back(u);
    values.push_back(1.0F - u * u * u * u);
  }
  return values;
}

TEST(ConfidenceCellsTest, cover_zero_to_one_without_gaps) {
  const auto cells = confidence_cells();
  EXPECT_EQ(cells.front().first, 0.0F);
  EXPECT_EQ(cells.back().first, 1.0F);
  EXPECT_EQ(cells.back().last, 1.0F);
  for (std::size_t i = 0; i + 1 < cells.size(); ++i) {
    EXPECT_LE(cells[i].first, cells[i].last);
    EXPECT_EQ(std::nextafter(cells[i].last, 2.0F), cells[i + 1].first);
  }
  EXPECT_GT(cells.size(), 60U);
  EXPECT_LT(cells.size(), 1000U);
}

TEST(ConfidenceCellsTest, hold_the_confidences_they_say) {
  const auto cells = confidence_cells();
  for (const float c : hard_confidences()) {
    const auto& cell = cells[static_cast<std::size_t>(cell_of(c))];
    ASSERT_LE(cell.first, c);
    ASSERT_GE(cell.last, c);
  }
}

TEST(ConfidenceCellsTest, lie_in_one_bin_of_every_convention) {
  const auto values = hard_confidences();
  for (const auto& convention : conventions()) {
    for (const auto n_bins : registered_bins(convention)) {
      const BinFinder finder(convention, n_bins);
      for (const float c : values) {
        ASSERT_EQ(bin_of_cell(convention, n_bins, cell_of(c)), finder.bin_of(c))
            << convention.name << ", " << n_bins << " bins, " << c;
      }
    }
  }
}

TEST(ConfidenceCellsTest, bins_never_fall_when_confidence_rises) {
  auto values = hard_confidences();
  std::sort(values.begin(), values.end());
  for (const auto& convention : conventions()) {
    for (const std::int64_t n_bins : {1, 2, 7, 10, 15, 20, 49, 100}) {
      const BinFinder finder(convention, n_bins, 1000);
      for (std::size_t i = 1; i < values.size(); ++i) {
        ASSERT_LE(finder.position_of(values[i - 1]), finder.position_of(values[i]))
            << convention.name << ", " << n_bins << " bins, " << values[i];
      }
    }
  }
}

TEST(ConfidenceCellsTest, assemble_what_direct_binning_gives_to_the_bit) {
  const auto confidence = hard_confidences();
  std::vector<std::uint8_t> correct;
  std::mt19937 random(11);
  for (const float c : confidence) {
    correct.push_back(static_cast<float>(random() >> 8) * 0x1p-24F < c ? 1 : 0);
  }
  std::vector<CellSums> cells(confidence_cells().size());
  for (std::size_t i = 0; i < confidence.size(); ++i) {
    auto& cell = cells[static_cast<std::size_t>(cell_of(confidence[i]))];
    ++cell.count;
    cell.correct += correct[i];
    cell.confidence.units += units_of(static_cast<double>(confidence[i]));
  }
  const auto n = static_cast<std::int64_t>(confidence.size());
  for (const auto& convention : conventions()) {
    for (const auto n_bins : registered_bins(convention)) {
      SCOPED_TRACE(std::string(convention.name) + ", bins " + std::to_string(n_bins));
      const auto direct = calibration_error(
          convention, reliability_bins(convention, n_bins, confidence, correct), n);
      const auto made = assemble(convention, n_bins, cells);
      EXPECT_EQ(made.ece.value, direct.ece.value);
      EXPECT_EQ(made.mce.value, direct.mce.value);
      EXPECT_EQ(made.rmsce.value, direct.rmsce.value);
      EXPECT_EQ(made.oe.value, direct.oe.value);
      EXPECT_EQ(made.n_unbinned, direct.n_unbinned);
      for (const auto& value : {made.ece, made.mce, made.rmsce, made.oe}) {
        EXPECT_GE(value.value, 0.0);
        EXPECT_LE(value.value, 1.0);
      }
      EXPECT_LE(made.ece.value, made.rmsce.value + 1e-15);  // Jensen
      EXPECT_LE(made.rmsce.value, made.mce.value + 1e-15);
      EXPECT_LE(made.oe.value, made.ece.value + 1e-15);
    }
  }
}

TEST(ConfidenceCellsTest, refuse_numbers_of_bins_they_do_not_serve) {
  EXPECT_THROW(bins_of_cells(find_convention("guo2017"), 12), UsageError);
  EXPECT_THROW(bins_of_cells(find_convention("fortuna"), 10), UsageError);
}

TEST(FixedSumTest, rounds_each_term_once_to_nearest) {
  EXPECT_EQ(units_of(1.0), Int128{1} << 50);
  EXPECT_EQ(units_of(0x1p-50), 1);
  EXPECT_EQ(units_of(0x1p-51), 0);  // half way: to even
  EXPECT_EQ(units_of(0x3p-51), 2);
  EXPECT_EQ(units_of(-0.25), -(Int128{1} << 48));
  EXPECT_EQ(FixedSum{units_of(0x1p31)}.value(), 0x1p31);
}

}  // namespace
}  // namespace calsweep::analysis
