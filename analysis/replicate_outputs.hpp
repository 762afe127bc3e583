// One replicate's outputs of one set, found and read from the unit files of a run directory: for
// questions that results.db cannot answer.
#pragma once

#include <optional>
#include <string>

#include "analysis/predictor_outputs.hpp"
#include "sweeps/run_directory.hpp"
#include "sweeps/sweep.hpp"

namespace calsweep::analysis {

/// Which replicate: of `method` (or the first), `seed` (or the first) and the cell with this label,
/// "depth=2 size=500" (or the only one).
struct ReplicateChoice {
  std::string method, cell;
  std::optional<std::int64_t> seed;
};

/// Throws UsageError, saying what there is, if no or no single replicate matches; FormatError for
/// damaged files or a set that is not there.
/// Predictions without `confidence`, `predicted` and `nll_rows`.
Predictions read_predictions(const Sweep& sweep, const RunDirectory& run,
                             const ReplicateChoice& choice, const std::string& set);

/// "depth=2 size=500", or "all" for a sweep without axes: as in the table `cell`.
std::string cell_label(const Sweep& sweep, std::int64_t cell);

}  // namespace calsweep::analysis
