// Hodges & Lehmann's estimate of the paired difference and its confidence interval, the inversion
// of the signed-rank test (Hollander & Wolfe 1999, sections 3.2 and 3.3).
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "analysis/measured.hpp"

namespace calsweep::analysis {

/// Above this many differences (12.5 million means of pairs) neither is computed.
inline constexpr std::int64_t kHodgesLehmannLimit = 5000;

struct HodgesLehmannInterval {
  Measured estimate;   ///< median of the means of all pairs i <= j (Walsh averages)
  Measured low, high;  ///< closed interval, both ends Walsh averages
  Measured
      achieved_level;  ///< coverage for continuous symmetric differences, >= the level asked for
  std::string method;  ///< "exact" up to kExactSignedRankLimit differences, else "asymptotic"
};

/// `differences`: finite, zeros included. Empty or above the limit: no value, with the reason.
Measured hodges_lehmann_estimate(std::span<const double> differences);

/// The [k, M + 1 - k]-th of the M = n(n+1)/2 sorted Walsh averages, k the largest with
/// 2 P(W <= k - 1) <= 1 - level. With ties or zeros the coverage is at least the achieved level.
/// Too few differences for the level: no interval; the reason and achieved_level say what the
/// widest one would cover. Throws UsageError unless 0 < level < 1.
HodgesLehmannInterval hodges_lehmann_interval(std::span<const double> differences, double level);

}  // namespace calsweep::analysis
