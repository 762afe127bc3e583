// A histogram of confidences fine enough to stand for the rows where only their order and values
// matter (equal-mass bins, SmoothECE, risk-coverage), in 1.5 MB whatever the number of rows.
//
// Below 1 - 2^-8 the cells are 2^-16 wide and keep the sum of their confidences; from there to 1
// every float32 number has a cell of its own, since most confidences of trained networks lie there.
//
// The cells do not fit the caches near a core, and rows fall anywhere. So a block of rows first
// asks for its cells (prefetch) and is counted when the next block comes.
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
  ConfidenceHistogram() : words_(2 * kWide + kNarrow + 1) {}

  /// c: [n] in [0, 1]; counted: [n] 1, plus 2^32 if the row is right; n < 2^31. Order-free.
  void add(const float* c, const std::uint64_t* counted, std::size_t n);
  void merge(const ConfidenceHistogram& other);

  /// All cells, empty ones included, ascending in confidence. Below 2^-17 confidences are truncated
  /// to multiples of 2^-40; above they enter exactly.
  std::vector<CellSums> cells() const;
  bool operator==(const ConfidenceHistogram& other) const { return cells() == other.cells(); }

 private:
  static constexpr std::size_t kWide = 65536 - 256;  // cells below 1 - 2^-8
  static constexpr std::uint32_t kFirstNarrow = 0x3F7F0000;
  static constexpr std::size_t kNarrow = 0x3F800000 - kFirstNarrow + 1;
  static constexpr std::size_t kMostWaiting = 64;

  /// Rows whose cells are on their way: for each the word of its cell and what is added to the two
  /// words from there on.
  struct Waiting {
    std::size_t n = 0;
    std::array<std::uint32_t, kMostWaiting> word, offset;
    std::array<std::uint64_t, kMostWaiting> counted;
  };
  void wait_for(const float* c, const std::uint64_t* counted, std::size_t n);
  void count_waiting();
  void make_room(std::size_t n);
  void add_to(std::vector<CellSums>& cells) const;

  /// A wide cell has two words: rows plus 2^32 times the right ones, and the sum of their offsets
  /// above the cell's lower end in 2^-40. A narrow cell has the first only. One word of padding.
  std::vector<std::uint64_t> words_;
  Waiting waiting_;
  std::size_t n_recent_ = 0;     // rows in the two above: their counts have 32 bits
  std::vector<CellSums> older_;  // all before; empty: none
};

}  // namespace calsweep::analysis
