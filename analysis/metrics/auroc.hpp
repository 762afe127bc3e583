// Area under the ROC curve by ranks, with ties counted as one half (Mann-Whitney U / (n1 n2)).
#pragma once

#include <span>

#include "analysis/measured.hpp"

namespace calsweep::analysis {

/// P(positive > negative) + P(equal) / 2. For out-of-distribution detection the in-distribution set
/// is positive and the score is the max-softmax confidence in double. Exact counts; O(n log n).
/// An empty side: no value. NaN scores: FormatError.
Measured auroc(std::span<const double> positive, std::span<const double> negative);

}  // namespace calsweep::analysis
