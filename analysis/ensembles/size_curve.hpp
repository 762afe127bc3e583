// What an ensemble of m members is worth, for every m: a metric of the pooled probabilities,
// averaged over the subsets of m of the M logged members. The mean over all subsets is a
// U-statistic: unbiased for the metric of an ensemble of m such networks.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "analysis/ensembles/members.hpp"
#include "analysis/measured.hpp"

namespace calsweep::analysis {

/// Any number of metrics of one pooled prediction [n, n_classes]; always the same number of them.
using PooledMetrics = std::function<std::vector<Measured>(std::span<const double> pooled)>;

struct SizeCurveOptions {
  /// All C(M, m) subsets if there are no more than this; otherwise this many different ones, drawn
  /// without replacement from (seed, m, key). At least 1.
  std::int64_t max_subsets = 1000;
  std::uint64_t seed = 0;
  std::string key = "";  ///< names the ensemble
  /// Largest memory for partial sums; less only costs time.
  std::size_t max_partial_sum_bytes = std::size_t{1} << 28;
};

/// One metric at one ensemble size. If it is missing for a subset, nothing has a value.
struct SizeCurveStatistic {
  Measured mean;
  Measured deviation;  ///< sample sd over subsets; they overlap, so it is not a standard error
  Measured minimum;
  Measured maximum;
  /// Jackknife over members of the mean (Efron & Tibshirani 1993, ch. 11): how the curve would move
  /// with other networks. All subsets, 1 <= m < M only; at m = 1 it is sd / sqrt(M).
  Measured standard_error;
};

struct SizeCurvePoint {
  std::int64_t n_members = 0;          ///< m
  std::int64_t n_subsets = 0;          ///< evaluated
  bool all_subsets = false;            ///< n_subsets = C(M, m)
  std::vector<SizeCurveStatistic> of;  ///< one per metric
};

/// Points for m = 1 ... M. Each subset's probabilities are summed in ascending order of member id,
/// so it has the bits of pooled_probabilities of those members. Subsets in lexicographic order
/// share the sums of their first members. Throws UsageError for max_subsets < 1.
std::vector<SizeCurvePoint> ensemble_size_curve(const EnsembleView& ensemble,
                                                const PooledMetrics& metrics,
                                                const SizeCurveOptions& options);

/// C(n, m), or `limit` + 1 if it is larger than `limit`.
std::int64_t bounded_binomial(std::int64_t n, std::int64_t m, std::int64_t limit);

/// The subsets of {0 ... n - 1} of size m that a curve uses: sorted within and among themselves.
std::vector<std::vector<std::size_t>> member_subsets(std::size_t n, std::size_t m,
                                                     const SizeCurveOptions& options);

}  // namespace calsweep::analysis
