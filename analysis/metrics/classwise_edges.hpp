// The bins of class probabilities: guo2017's 15 equal bins, closed above, on float32 probabilities;
// 0 belongs to the first bin. Internal to metrics/.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace calsweep::analysis {

inline constexpr std::int64_t kClasswiseBins = 15;

/// Finds bins from probabilities in double without rounding them to float32: each bin starts at the
/// first double that float32 rounds above the edge.
class ClasswiseEdges {
 public:
  static const ClasswiseEdges& instance();
  /// The largest probability of the first bin.
  double first_last() const { return first_last_; }
  /// units: p in 2^-50, rounded. A sixteenth holds the start of one bin at most.
  std::size_t bin_of(double p, std::int64_t units) const {
    const auto& slot = slots_[static_cast<std::uint64_t>(units) >> 46];
    return slot.bin + (p >= slot.next_start ? 1 : 0);
  }
  std::size_t bin_of(double p) const { return bin_of(p, static_cast<std::int64_t>(p * 0x1p50)); }

 private:
  ClasswiseEdges();
  struct Slot {
    double next_start = 2.0;
    std::size_t bin = 0;
  };
  std::array<Slot, 17> slots_{};
  double first_last_ = 0.0;
};

}  // namespace calsweep::analysis
