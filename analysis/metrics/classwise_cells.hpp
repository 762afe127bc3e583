// Errors of every class's probability against "the label is this class", over cells (class, bin):
// equal-width bins (classwise ECE), bins of equal mass (ACE), and of equal mass among the
// probabilities above a threshold (TACE; Nixon et al. 2019).
//
// Probabilities enter rounded to float32, as the equal-width bins of the tally have them, and tied
// ones share a bin: nothing depends on the order of the rows. The bin of every probability is kept,
// for whoever draws other labels (uncertainty/label_resamples.hpp).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "analysis/measured.hpp"
#include "analysis/metrics/confidence_bins.hpp"

namespace calsweep::analysis {

/// Which rows share a bin, and what the bins add up to.
struct ClasswiseCells {
  static constexpr std::uint8_t kNoBin = 255;  ///< of a probability that is left out

  std::int64_t n_classes = 0, n_bins = 0;
  std::vector<std::uint8_t> bin_of;  ///< [n, n_classes] row-major; kNoBin or below n_bins
  std::vector<BinTally> cells;       ///< [n_classes, n_bins]; `correct` counts labels
  std::vector<std::int64_t> n_kept;  ///< [n_classes] rows that are in a bin

  /// (1 / K) sum_k sum_b (n_kb / n_k) |labels_kb / n_kb - mean p_kb|, n_k = n_kept; a class without
  /// rows adds 0. No value for the empty set.
  Measured error() const;
};

/// Bins of guo2017's 15 equal-width edges, the first closed at 0, as Tally::classwise_ece() has
/// them. probabilities: [n, n_classes] row-major in [0, 1]; labels: [n]. O(n K).
ClasswiseCells equal_width_cells(std::span<const double> probabilities, std::int64_t n_classes,
                                 std::span<const std::int32_t> labels);

struct AdaptiveCells {
  ClasswiseCells all;          ///< every row of every class: ACE
  ClasswiseCells thresholded;  ///< rows with p > threshold: TACE
};
inline constexpr double kTaceThreshold = 1e-3;

/// Bins of equal mass, class by class, by the rule of equal_mass_bins(): a group of equal
/// probabilities with `before` of the class's kept rows below it and `count` of its own is in bin
/// floor(n_bins (before + count / 2) / kept). 1 <= n_bins < 255. O(n K), by radix sort.
AdaptiveCells adaptive_cells(std::span<const double> probabilities, std::int64_t n_classes,
                             std::span<const std::int32_t> labels, std::int64_t n_bins = 15,
                             double threshold = kTaceThreshold);

}  // namespace calsweep::analysis
