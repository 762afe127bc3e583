// Westfall & Young's maxT over a grid of cells: family-wise error control from the data themselves,
// by flipping the signs of whole seeds (in every cell at once), so that the dependence between
// cells is kept. Definition, validity and limits: docs/statistics.md.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "analysis/measured.hpp"
#include "analysis/statistics/cell_differences.hpp"

namespace calsweep::analysis {

struct MaxTOptions {
  std::int64_t enumeration_limit = 14;  ///< at most so many seeds: every flip; at most 24
  std::int64_t random_flips = 10'000;   ///< above that; at least 1
  std::uint64_t key = 0;                ///< of the random flips
};

struct MaxTCell {
  /// Signed-rank sum over its exact standard deviation under sign flips: (W+ - W-) / sqrt(sum of
  /// squared ranks), signed. All differences zero, or none: no value, with the reason.
  Measured t;
  Measured p_single_step;  ///< two-sided, adjusted for all cells
  Measured p_step_down;    ///< the same by the step-down procedure: never larger
};

struct MaxTResult {
  std::vector<MaxTCell> cells;  ///< in the order given
  std::int64_t n_cells = 0;     ///< the family: cells that have a t
  std::int64_t n_seeds = 0;     ///< with a non-zero difference in some cell
  std::int64_t n_flips = 0;  ///< distinct flips if enumerated, the identity among them; else drawn
  bool enumerated = false;
};

/// A seed that a cell lacks counts as a zero difference there. Independent of the order of cells
/// and of seeds. Cost: cells * flips (enumerated), cells * flips * seeds (random). Throws
/// FormatError on a repeated seed or a value that is not finite, UsageError on bad options.
MaxTResult max_t(std::span<const CellDifferences> cells, const MaxTOptions& options = {});

}  // namespace calsweep::analysis
