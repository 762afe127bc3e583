// The binned decomposition of the multi-class Brier score, with the within-bin terms that make it
// add up. The usual three parts alone do not, unless forecasts are constant inside every bin.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "analysis/measured.hpp"

namespace calsweep::analysis {

/// Murphy 1973 for several classes with the two within-bin terms of Stephenson, Coelho & Jolliffe
/// 2008: brier = reliability - resolution + uncertainty + within_variance - within_covariance.
/// With mean forecast f_b and mean outcome o_b (vectors over classes) of the n_b rows of bin b:
/// reliability = sum w |f_b - o_b|^2, resolution = sum w |o_b - o|^2, uncertainty =
/// sum o_k (1 - o_k), within_variance = mean |p - f_b|^2, within_covariance =
/// 2 mean (p - f_b).(y - o_b).
struct BinnedBrier {
  Measured brier, reliability, resolution, uncertainty, within_variance, within_covariance;
};

/// What the binned decomposition needs, gathered row by row in any order and on any number of
/// ranks: sums in units of 2^-60 in 128-bit integers, each row rounded once, so that the result has
/// the same bits whatever the order.
class BinnedBrierSums {
 public:
  BinnedBrierSums(std::int64_t n_bins, std::int64_t n_classes);
  /// probabilities: [n_classes] in [0, 1]. Throws FormatError if bin, label or a probability is out
  /// of range.
  void add_row(std::int64_t bin, std::span<const float> probabilities, std::int32_t label);
  void add_row(std::int64_t bin, std::span<const double> probabilities, std::int32_t label);
  /// Sums over other rows with the same bins and classes.
  void merge(const BinnedBrierSums& other);
  BinnedBrier decomposition() const;

 private:
  __extension__ using Wide = __int128;
  template <class Real>
  void add(std::int64_t bin, std::span<const Real> probabilities, std::int32_t label);

  std::int64_t n_bins_, n_classes_;
  std::vector<std::int64_t> rows_;  // [n_bins, n_classes] by label
  std::vector<Wide> sum_;           // [n_bins, n_classes] of the probability of the class
  std::vector<Wide> sum_of_label_;  // [n_bins] of the probability of the row's label
  Wide sum_of_squares_ = 0;         // of |p|^2
};

/// All rows at once; bin_of_row: [n].
BinnedBrier binned_brier(std::span<const float> probabilities, std::int64_t n_classes,
                         std::span<const std::int32_t> labels,
                         std::span<const std::int64_t> bin_of_row, std::int64_t n_bins);

}  // namespace calsweep::analysis
