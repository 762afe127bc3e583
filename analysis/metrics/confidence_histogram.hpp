// A histogram of confidences fine enough to stand for the rows where only their order and values
// matter (equal-mass bins, SmoothECE, risk-coverage), in 2.5 MB whatever the number of rows.
//
// Below 1 - 2^-8 the cells are 2^-16 wide and keep the sum of their confidences; from there to 1
// every float32 number has a cell of its own, since most confidences of trained networks lie there.
//
// The cells do not fit the caches near a core, and rows fall anywhere. So rows wait in 16 queues,
// one per range of cells, and a full queue is counted at once: its range then stays in the cache.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "analysis/metrics/confidence_cells.hpp"

namespace calsweep::analysis {

class ConfidenceHistogram {
 public:
  ConfidenceHistogram() : wide_(kWide), narrow_(kNarrow) {}

  /// c: [n] in [0, 1]; correct: [n] 0 or 1; n < 2^31. Order-free.
  void add(const float* c, const std::uint8_t* correct, std::size_t n);
  void merge(const ConfidenceHistogram& other);

  /// All cells, empty ones included, ascending in confidence. Below 2^-17 confidences are truncated
  /// to multiples of 2^-40; above they enter exactly.
  std::vector<CellSums> cells() const;
  bool operator==(const ConfidenceHistogram& other) const { return cells() == other.cells(); }

 private:
  static constexpr std::size_t kWide = 65536 - 256;  // cells below 1 - 2^-8
  static constexpr std::uint32_t kFirstNarrow = 0x3F7F0000;
  static constexpr std::size_t kNarrow = 0x3F800000 - kFirstNarrow + 1;

  struct Narrow {
    std::uint32_t count = 0, correct = 0;
  };
  struct Wide {
    std::uint32_t count = 0, correct = 0;
    std::uint64_t offsets = 0;  // of confidences above the cell's lower end, in 2^-40
  };
  static constexpr std::size_t kRangeBits = 13;  // cells per range: 2^13
  static constexpr std::size_t kWideRanges = 8;
  static constexpr std::size_t kRanges = 16;
  static constexpr std::size_t kLongestQueue = 16384;

  static std::size_t range_of(float c);
  void count_queue(std::size_t range);
  void add_to(std::vector<CellSums>& cells) const;

  std::vector<Wide> wide_;
  std::vector<Narrow> narrow_;
  /// Rows not yet in wide_ or narrow_: the bits of the confidence, shifted by one, and correct.
  std::array<std::vector<std::uint32_t>, kRanges> queues_;
  std::size_t n_recent_ = 0;     // rows in the three above: their counts have 32 bits
  std::vector<CellSums> older_;  // all before; empty: none
};

}  // namespace calsweep::analysis
