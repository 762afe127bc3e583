#include "analysis/metrics/classwise_edges.hpp"

#include "analysis/metrics/bin_finder.hpp"

namespace calsweep::analysis {

const ClasswiseEdges& ClasswiseEdges::instance() {
  static const ClasswiseEdges made;
  return made;
}

ClasswiseEdges::ClasswiseEdges() {
  const BinFinder finder(find_convention("guo2017"), kClasswiseBins);
  for (std::size_t i = 0; i < at_.size(); ++i) at_[i] = static_cast<float>(finder.edges()[i]);
  at_[0] = -1.0F;  // nothing lies below the first bin
}

}  // namespace calsweep::analysis
