#include "analysis/metrics/confidence_histogram.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace calsweep::analysis {
namespace {

TEST(ConfidenceHistogramTest, counts_every_row_of_many_alike_ones_in_any_split) {
  // 40,000 rows of each end, and of both sides of 1 - 2^-8 where the cells change.
  const std::vector<float> values = {0.0F, 0x1p-20F, 0.5F, 0x1.fdfffep-1F, 0x1.fep-1F, 1.0F};
  ConfidenceHistogram whole, merged;
  for (const float value : values) {
    const std::vector<float> rows(40000, value);
    std::vector<std::uint64_t> counted(40000, 1);
    std::fill(counted.begin(), counted.begin() + 12345, 1 + (std::uint64_t{1} << 32));
    whole.add(rows.data(), counted.data(), 40000);
    ConfidenceHistogram first, second;
    first.add(rows.data(), counted.data(), 17000);
    second.add(rows.data() + 17000, counted.data() + 17000, 23000);
    merged.merge(second);
    merged.merge(first);
  }
  EXPECT_TRUE(whole == merged);
  std::size_t i = 0;
  for (const auto& cell : whole.cells()) {
    if (cell.count == 0) continue;
    const bool both = i == 0;  // 0 and 2^-20 share the first cell
    EXPECT_EQ(cell.count, both ? 80000 : 40000);
    EXPECT_EQ(cell.correct, both ? 24690 : 12345);
    const double value = both ? 0x1p-21 : static_cast<double>(values[i + 1]);
    EXPECT_EQ(cell.confidence.mean(cell.count), value);
    ++i;
  }
  EXPECT_EQ(i, 5U);
}

}  // namespace
}  // namespace calsweep::analysis
