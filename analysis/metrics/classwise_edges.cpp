#include "analysis/metrics/classwise_edges.hpp"

#include <algorithm>
#include <cmath>

#include "analysis/metrics/bin_finder.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

/// The first double that float32 rounds above `edge`.
double start_above(float edge) {
  const double middle =
      (static_cast<double>(edge) + static_cast<double>(std::nextafter(edge, 2.0F))) / 2.0;
  return static_cast<float>(middle) > edge ? middle : std::nextafter(middle, 2.0);
}

}  // namespace

const ClasswiseEdges& ClasswiseEdges::instance() {
  static const ClasswiseEdges made;
  return made;
}

ClasswiseEdges::ClasswiseEdges() {
  const BinFinder finder(find_convention("guo2017"), kClasswiseBins);
  std::array<double, kClasswiseBins> starts{};  // the first bin has no start
  for (std::size_t i = 1; i < starts.size(); ++i) {
    starts[i] = start_above(static_cast<float>(finder.edges()[i]));
  }
  first_last_ = std::nextafter(starts[1], 0.0);
  for (std::size_t s = 0; s < slots_.size(); ++s) {
    const double first = static_cast<double>(s) / 16.0 - 0x1p-51;
    const auto next = std::upper_bound(starts.begin() + 1, starts.end(), first);
    slots_[s].bin = static_cast<std::size_t>(next - starts.begin()) - 1;
    if (next == starts.end()) continue;
    slots_[s].next_start = *next;
    CALSWEEP_CHECK(next + 1 == starts.end() || *(next + 1) > first + 1.0 / 16.0,
                   "one start in a sixteenth");
  }
}

}  // namespace calsweep::analysis
