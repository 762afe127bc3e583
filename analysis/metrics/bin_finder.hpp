// Where a float32 confidence falls under a convention, computed exactly as the convention's source
// computes it.
#pragma once

#include <cstdint>
#include <vector>

#include "analysis/metrics/conventions.hpp"

namespace calsweep::analysis {

/// One convention with a number of bins: the bin of every float32 confidence in [0, 1].
class BinFinder {
 public:
  /// n_bins in [1, 2^20]. `n_rows` matters only to conventions whose edges depend on it.
  BinFinder(const Convention& convention, std::int64_t n_bins, std::int64_t n_rows = 0);

  /// Number of bins, the one of confidence 1 included where it has its own.
  std::int64_t n_bins() const { return n_found_; }
  /// Bin from 0, or -1: in no bin. c in [0, 1].
  std::int64_t bin_of(float c) const;
  /// The same with dropped confidences on their side of the bins: -1 below, n_bins() above; never
  /// falls when c rises.
  std::int64_t position_of(float c) const;
  /// Edges as the source compares them: bin b lies between edge b and b + 1. [n_bins() + 1]
  const std::vector<double>& edges() const { return edges_; }

 private:
  std::int64_t computed(float c) const;
  std::int64_t searched(double c) const;

  const Convention* convention_;
  std::int64_t n_equal_;  // equal-width bins
  std::int64_t n_found_;
  std::vector<double> edges_;
};

/// First float32 confidence of each bin of `finder`, as the integer of its bits, and behind them
/// the first integer above the last bin: [n_bins() + 1]. A bin without floats repeats the next.
std::vector<std::uint32_t> first_keys(const BinFinder& finder);

/// The bits of a float32 in [0, 1] as an integer that rises with it, and back.
std::uint32_t key_of(float c);
float float_of(std::uint32_t key);
inline constexpr std::uint32_t kKeyOfOne = 0x3F800000;

}  // namespace calsweep::analysis
