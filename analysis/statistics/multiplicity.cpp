#include "analysis/statistics/multiplicity.hpp"

#include <algorithm>

namespace calsweep::analysis {

std::vector<Measured> holm(std::span<const Measured> p_values) {
  std::vector<Measured> adjusted(p_values.begin(), p_values.end());
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < p_values.size(); ++i) {
    if (p_values[i].has_value()) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return p_values[a].value < p_values[b].value;
  });
  double running = 0.0;
  for (std::size_t k = 0; k < order.size(); ++k) {
    const auto remaining = static_cast<double>(order.size() - k);
    running = std::max(running, std::min(1.0, remaining * p_values[order[k]].value));
    adjusted[order[k]].value = running;
  }
  return adjusted;
}

}  // namespace calsweep::analysis
