// Expected and maximum calibration error over equal-width bins, and the reliability bins
// themselves, under any convention of the registry. Counts are integers, sums of confidences
// double.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "analysis/measured.hpp"
#include "analysis/metrics/conventions.hpp"

namespace calsweep::analysis {

struct ReliabilityBin {
  double lower = 0.0, upper = 0.0;  ///< edges, as float32 values
  std::int64_t count = 0, correct = 0;
  double sum_confidence = 0.0;  ///< of the float32 confidences
};

/// Sorts rows into the convention's bins. confidence: [n] float32 in [0, 1]; correct: [n] 0 or 1.
/// O(n). Throws FormatError on a size mismatch or a confidence outside [0, 1].
std::vector<ReliabilityBin> reliability_bins(const Convention& convention, std::int64_t n_bins,
                                             std::span<const float> confidence,
                                             std::span<const std::uint8_t> correct);

struct CalibrationError {
  Measured ece, mce;
};

/// From bins made under the same convention. `n_rows` counts all rows, binned or not.
/// No row at all, or no row in any bin where the convention needs one: no value, with the reason.
CalibrationError calibration_error(const Convention& convention,
                                   std::span<const ReliabilityBin> bins, std::int64_t n_rows);

}  // namespace calsweep::analysis
