// The paired differences of one cell, as tests over many cells take them.
#pragma once

#include <cstdint>
#include <vector>

namespace calsweep::analysis {

/// Method minus reference per pairing seed. Seeds are distinct and need not be those of other
/// cells; values are finite.
struct CellDifferences {
  std::vector<std::int64_t> seeds;
  std::vector<double> values;
  double tolerance = 0.0;  ///< differences within it of zero, or of each other, are equal
};

}  // namespace calsweep::analysis
