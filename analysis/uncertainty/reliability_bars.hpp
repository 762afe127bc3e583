// Error bars of a reliability diagram, two kinds for each bin. Consistency bars (Broecker & Smith
// 2007): where the accuracy of a perfectly calibrated model with these confidences falls; they
// belong to the diagonal. Intervals: for the accuracy that the bin's rows estimate; they belong to
// the point.
#pragma once

#include <cstdint>
#include <vector>

#include "analysis/measured.hpp"
#include "analysis/metrics/confidence_bins.hpp"
#include "analysis/uncertainty/null_resamples.hpp"

namespace calsweep::analysis {

struct Interval {
  Measured lower, upper;
};

/// Exact interval for a binomial proportion (Clopper & Pearson 1934): 0 below no success and 1
/// above no failure. 0 <= successes <= n, level in (0, 1). n = 0: no value.
Interval clopper_pearson(std::int64_t successes, std::int64_t n, double level = 0.95);
/// Score interval (Wilson 1927).
Interval wilson(std::int64_t successes, std::int64_t n, double level = 0.95);

struct ReliabilityBars {
  std::int64_t count = 0, correct = 0;
  Measured accuracy, mean_confidence;
  Interval consistency;  ///< of the accuracy under calibration: quantiles (1 -+ level) / 2
  Interval clopper_pearson, wilson;
};

/// One per bin, empty bins included (without values).
std::vector<ReliabilityBars> reliability_bars(const ConfidenceProfile& profile,
                                              const GroupBins& bins, const NullOptions& options,
                                              double level = 0.95);

}  // namespace calsweep::analysis
