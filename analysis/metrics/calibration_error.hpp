// Calibration errors over equal-width bins (ECE, MCE, RMSCE, overconfidence error) and the
// reliability bins themselves, under any convention of the registry, from rows or from the
// confidence cells. Counts are integers and sums order-free: both ways give the same bits.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "analysis/measured.hpp"
#include "analysis/metrics/confidence_cells.hpp"
#include "analysis/metrics/conventions.hpp"

namespace calsweep::analysis {

struct ReliabilityBin {
  double lower = 0.0, upper = 0.0;  ///< edges, as the convention's source compares them
  std::int64_t count = 0, correct = 0;
  double sum_confidence = 0.0;  ///< of the float32 confidences
};

/// Sorts rows into the convention's bins, of which there may be one more than n_bins (AtOne).
/// confidence: [n] float32 in [0, 1]; correct: [n] 0 or 1. O(n). Throws FormatError on a size
/// mismatch or a confidence outside [0, 1].
std::vector<ReliabilityBin> reliability_bins(const Convention& convention, std::int64_t n_bins,
                                             std::span<const float> confidence,
                                             std::span<const std::uint8_t> correct);

/// The same from the sums of confidence_cells(). Throws UsageError where the cells do not serve
/// (bins_of_cells()).
std::vector<ReliabilityBin> reliability_bins(const Convention& convention, std::int64_t n_bins,
                                             std::span<const CellSums> cells);

/// With w_b = count / denominator, gap_b = |accuracy - confidence| and conf_b of bin b as the
/// convention says. ECE = sum w_b gap_b (Naeini et al. 2015); MCE = max gap_b; RMSCE =
/// sqrt(sum w_b gap_b^2) (Hendrycks et al. 2019; Kumar et al. 2019's l2); OE =
/// sum w_b conf_b max(conf_b - accuracy_b, 0) (Thulasidasan et al. 2019).
struct CalibrationError {
  Measured ece, mce, rmsce, oe;
  std::int64_t n_unbinned = 0;  ///< rows in no bin
};

/// From bins made under the same convention. `n_rows` counts all rows, binned or not.
/// No row at all, or no row in any bin where the convention needs one: no value, with the reason.
CalibrationError calibration_error(const Convention& convention,
                                   std::span<const ReliabilityBin> bins, std::int64_t n_rows);

/// Bins and errors in one step.
CalibrationError assemble(const Convention& convention, std::int64_t n_bins,
                          std::span<const CellSums> cells);

}  // namespace calsweep::analysis
