// The edges of the classwise bins: guo2017's 15 equal bins, closed above, on float32 probabilities;
// 0 belongs to the first bin. Internal to metrics/.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace calsweep::analysis {

inline constexpr std::int64_t kClasswiseBins = 15;

class ClasswiseEdges {
 public:
  static const ClasswiseEdges& instance();
  /// Upper end of the first bin. A probability in double up to it is in that bin as float32 too.
  double first_upper() const { return static_cast<double>(at_[1]); }
  /// p: float32 in [0, 1].
  std::size_t bin_of(float p) const {
    auto bin =
        static_cast<std::size_t>(static_cast<std::int32_t>(p * static_cast<float>(kClasswiseBins)));
    bin -= p <= at_[bin] ? 1 : 0;
    bin += p > at_[bin + 1] ? 1 : 0;
    return bin;
  }

 private:
  ClasswiseEdges();
  std::array<float, kClasswiseBins + 1> at_{};
};

}  // namespace calsweep::analysis
