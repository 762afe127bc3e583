// Student's t test for paired samples, for contrast with the signed-rank test: it assumes normal
// differences, which a calibration error of few seeds rarely has.
#pragma once

#include <cstdint>
#include <span>

#include "analysis/measured.hpp"
#include "analysis/statistics/alternative.hpp"

namespace calsweep::analysis {

struct PairedTTest {
  std::int64_t n_pairs = 0;
  Measured mean_difference;
  Measured sd;        ///< sample sd of the differences, n - 1
  Measured t;         ///< mean / (sd / sqrt(n)), signed
  Measured df;        ///< n - 1
  Measured p;         ///< Student t
  Measured log10_p;   ///< down to -4931 (long double)
  Measured cohen_dz;  ///< mean / sd
};

/// Fewer than two pairs, or differences that are equal within `tolerance`: no t, with the reason.
/// Throws FormatError on a difference that is not finite.
PairedTTest paired_t_test(std::span<const double> differences, double tolerance = 0.0,
                          Alternative alternative = Alternative::TwoSided);

}  // namespace calsweep::analysis
