// Area under the ROC curve by ranks, with ties counted as one half (Mann-Whitney U / (n1 n2)), and
// its standard error.
#pragma once

#include <span>

#include "analysis/measured.hpp"
#include "analysis/metrics/score_groups.hpp"

namespace calsweep::analysis {

/// P(positive > negative) + P(equal) / 2. For out-of-distribution detection the in-distribution set
/// is positive and the score is the max-softmax confidence in double. Exact counts; O(n log n).
/// An empty side: no value. NaN scores: FormatError.
Measured auroc(std::span<const double> positive, std::span<const double> negative);
Measured auroc(const ScoreGroups& groups);

/// Standard error of the AUROC by its two-sample U-statistic (DeLong, DeLong & Clarke-Pearson 1988,
/// eq. 5): sqrt(S10 / n_positive + S01 / n_negative), S the sample variances of the placement
/// values, ties one half. Sums of squares are exact integers: no cancellation. The rows of each
/// side are taken as independent; 0 when the samples do not overlap, which is no proof of AUROC 1.
/// No value when a side has fewer than two rows.
Measured auroc_standard_error(const ScoreGroups& groups);

}  // namespace calsweep::analysis
