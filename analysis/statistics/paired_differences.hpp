// The differences of paired values and the width of their rounding noise. Every paired test and
// effect size starts from these, so all of them agree on what a zero and a tie is.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "analysis/measured.hpp"

namespace calsweep::analysis {

/// Differences closer than this, relative to the largest |value| of the pairs, are taken as equal:
/// 0.9123 - 0.9111 and 0.8012 - 0.8000 differ in the last bits only.
inline constexpr double kRelativeTieTolerance = 1e-12;

struct PairedDifferences {
  std::vector<double> values;  ///< first minus second, in the order given
  double tolerance = 0.0;  ///< absolute: within it of zero is zero, within it of another is tied
};

/// Throws FormatError if the sizes differ.
PairedDifferences paired_differences(std::span<const double> first, std::span<const double> second,
                                     double relative_tolerance = kRelativeTieTolerance);

/// Throws FormatError naming `test` and the first difference that is not finite.
void check_finite(std::span<const double> differences, const char* test);

/// Median, the mean of the middle two for even n. Empty: no value.
Measured median(std::span<const double> values);

}  // namespace calsweep::analysis
