// One pass over blocks of rows into a tally. Internal to metrics/.
//
// Counting a row touches a few numbers only, so it is their width that costs: here a cell has two
// words of 64 bits, enough for 8,192 rows, which are then spilled into the tally's wider sums.
#pragma once

#include <cstdint>
#include <vector>

#include "analysis/metrics/tally.hpp"

namespace calsweep::analysis {

class RowBlock;

class TallyPass {
 public:
  /// `tally` outlives the pass; it has the rows once the pass is over.
  explicit TallyPass(Tally& tally);
  ~TallyPass() { spill(); }
  TallyPass(const TallyPass&) = delete;
  TallyPass& operator=(const TallyPass&) = delete;
  /// A block of the tally's classes.
  void add(const RowBlock& block);

 private:
  /// Of up to 2^13 rows.
  struct Cell {
    std::uint64_t counted = 0;  ///< rows, plus 2^32 times the right ones
    std::uint64_t units = 0;    ///< of their confidences or probabilities, each at most 1
    void add(std::uint64_t rows, std::int64_t row_units) {
      counted += rows;
      units += static_cast<std::uint64_t>(row_units);
    }
  };
  static void spill(std::vector<Cell>& cells, std::vector<CellSums>& to);
  void spill();
  void add_top_labels(const RowBlock& block);
  void add_sums(const RowBlock& block);
  void add_classwise(const RowBlock& block);

  Tally& tally_;
  std::vector<Cell> cells_, classwise_;
  std::int64_t n_unspilled_ = 0;
};

}  // namespace calsweep::analysis
