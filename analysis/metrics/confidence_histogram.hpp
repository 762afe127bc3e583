// A histogram of confidences fine enough to stand for the rows where only their order and values
// matter (equal-mass bins, SmoothECE, risk-coverage), in 4 MB whatever the number of rows.
//
// Below 1 - 2^-8 the cells are 2^-16 wide; from there to 1 every float32 number has a cell of its
// own, since most confidences of trained networks lie there.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "analysis/metrics/confidence_cells.hpp"

namespace calsweep::analysis {

class ConfidenceHistogram {
 public:
  ConfidenceHistogram() : cells_(kWide + kNarrow) {}

  /// c in [0, 1]; units: c in units of 2^-50; correct: 0 or 1.
  void add(float c, std::int64_t units, std::int64_t correct) {
    auto& cell = cells_[index_of(c)];
    ++cell.count;
    cell.correct += correct;
    cell.confidence.add_units(units);
  }
  void merge(const ConfidenceHistogram& other);

  /// All cells, empty ones included, ascending in confidence.
  const std::vector<CellSums>& cells() const { return cells_; }
  bool operator==(const ConfidenceHistogram&) const = default;

 private:
  static constexpr std::size_t kWide = 65536 - 256;  // cells below 1 - 2^-8
  static constexpr std::uint32_t kFirstNarrow = 0x3F7F0000;
  static constexpr std::size_t kNarrow = 0x3F800000 - kFirstNarrow + 1;

  static std::size_t index_of(float c) {
    const auto key = std::bit_cast<std::uint32_t>(c);
    if (key >= kFirstNarrow) return kWide + (key - kFirstNarrow);
    return static_cast<std::size_t>(c * 65536.0F);
  }

  std::vector<CellSums> cells_;
};

}  // namespace calsweep::analysis
