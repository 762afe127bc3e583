// Exact null distributions of rank statistics as probabilities on 0, 1, 2, …: built only by adding
// and multiplying positive numbers in extended precision, so every tail keeps its relative accuracy
// (about 1e-16) down to 1e-4932.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace calsweep::analysis {

/// probabilities[s] = P(S = s); empty: no distribution.
using DiscreteDistribution = std::vector<long double>;

/// Of the sum of two independent variables.
DiscreteDistribution convolve(const DiscreteDistribution& a, const DiscreteDistribution& b);
/// P(S >= s) and P(S <= s); s may lie outside.
long double upper_tail(const DiscreteDistribution& distribution, std::int64_t s);
long double lower_tail(const DiscreteDistribution& distribution, std::int64_t s);

/// Of the sum of those `values` (>= 0) that independent fair coins pick: with doubled ranks, the
/// null distribution of twice W+. Cost: number of values times their sum.
DiscreteDistribution fair_subset_sums(std::span<const std::int64_t> values);

}  // namespace calsweep::analysis
