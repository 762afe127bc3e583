// One fine table of confidence cells from which the bins of every registered convention are
// assembled exactly.
//
// Each convention's bins are intervals of float32 numbers. The cells are the common refinement of
// all of them, for every convention of the registry and each of its registered numbers of bins: a
// cell lies wholly inside one bin (or outside all bins) of each. Counts and sums per cell therefore
// give every equal-width calibration error after one pass, in memory or as SQL sums through a table
// (convention, n_bins, cell) -> bin.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "analysis/metrics/conventions.hpp"
#include "analysis/metrics/fixed_sum.hpp"

namespace calsweep::analysis {

struct ConfidenceCell {
  float first = 0.0F, last = 0.0F;  ///< both inside the cell; the cells cover [0, 1] without gaps
};

/// Ascending; the last one holds confidence 1 alone. The same in every process of one version.
std::span<const ConfidenceCell> confidence_cells();
/// The cell of c in [0, 1].
std::int64_t cell_of(float c);

/// Bin of every cell, -1 where its rows are in no bin: [number of cells]. Throws UsageError, naming
/// the numbers there are, unless n_bins is one of registered_bins(convention).
std::span<const std::int16_t> bins_of_cells(const Convention& convention, std::int64_t n_bins);
inline std::int64_t bin_of_cell(const Convention& convention, std::int64_t n_bins,
                                std::int64_t cell) {
  return bins_of_cells(convention, n_bins)[static_cast<std::size_t>(cell)];
}

/// What is counted per cell. Confidences enter as float32.
struct CellSums {
  std::int64_t count = 0, correct = 0;
  FixedSum confidence;
  bool operator==(const CellSums&) const = default;
};

/// Finds cells by a table of 4,096 equal slots, most of which lie inside one cell.
class CellLookup {
 public:
  static const CellLookup& instance();
  std::size_t operator()(float c) const {
    std::size_t cell = first_of_slot_[static_cast<std::size_t>(c * 4096.0F)];
    while (c >= start_of_next_[cell]) ++cell;
    return cell;
  }

 private:
  CellLookup();
  std::array<std::uint16_t, 4097> first_of_slot_{};
  std::vector<float> start_of_next_;  // of the last cell: above 1
};

}  // namespace calsweep::analysis
