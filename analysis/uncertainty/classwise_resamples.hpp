// Floors and intervals of the errors over class probabilities (classwise ECE, ACE, TACE).
//
// Floors: labels of a perfectly calibrated model, y ~ Categorical(p) row by row, so that the
// classes of a row exclude each other (drawing cells apart would count a binary problem's error
// twice). 64 resamples at once, a bit each, class by class from the most probable on. Intervals:
// bootstrap over blocks of rows, whose sums per cell are made once. Both go by the position of the
// rows.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "analysis/metrics/classwise_cells.hpp"
#include "analysis/uncertainty/bootstrap.hpp"
#include "analysis/uncertainty/null_distribution.hpp"

namespace calsweep::analysis {

/// An error over class probabilities; `cells` are of the same rows as all others.
struct ClasswiseError {
  std::string name;
  const ClasswiseCells* cells = nullptr;
};

/// Floor, 95 % quantile and consistency p of each. probabilities: [n, n_classes]; rows that do not
/// sum to one are drawn in proportion. Keyed by `key`. O(n (K + resamples)). Empty set: no values.
std::vector<NullSummary> classwise_null(std::span<const double> probabilities,
                                        std::int64_t n_classes,
                                        const std::vector<ClasswiseError>& errors,
                                        std::int64_t n_resamples, const std::string& key);

struct ClasswiseInterval {
  Replicates replicates;
  Interval interval;  ///< by inverted_interval()
};
/// Of each error: row i belongs to block i mod `n_blocks` (at most n), blocks are drawn with
/// replacement, keyed by `key` and n alone. Bins and their numbers of rows are kept.
/// O(n K + resamples * blocks * cells). Empty set: none drawn, no values.
std::vector<ClasswiseInterval> classwise_bootstrap(std::span<const double> probabilities,
                                                   std::int64_t n_classes,
                                                   std::span<const std::int32_t> labels,
                                                   const std::vector<ClasswiseError>& errors,
                                                   std::int64_t n_resamples, const std::string& key,
                                                   double level = 0.95,
                                                   std::int64_t n_blocks = 128);

}  // namespace calsweep::analysis
