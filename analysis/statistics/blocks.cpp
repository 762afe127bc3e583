#include "analysis/statistics/blocks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "analysis/statistics/wilcoxon.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {

void check_blocks(const Blocks& blocks, std::string_view test) {
  const std::size_t k = blocks.n_treatments;
  if (k == 0 || blocks.values.size() % k != 0) {
    throw FormatError(
        fmt::format("{}: {} values are not whole blocks of {}; give every block a "
                    "value for every treatment",
                    test, blocks.values.size(), k));
  }
  for (std::size_t i = 0; i < blocks.values.size(); ++i) {
    if (std::isfinite(blocks.values[i])) continue;
    throw FormatError(
        fmt::format("{}: block {}, treatment {} (both from 0) is {}, not a finite "
                    "number; leave that block out",
                    test, i / k, i % k, blocks.values[i]));
  }
}

BlockRanks mean_ranks(std::span<const double> values, double tolerance) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  BlockRanks ranked;
  ranked.ranks.resize(values.size());
  std::size_t first = 0;
  while (first < order.size()) {
    std::size_t end = first + 1;
    while (end < order.size() && values[order[end]] - values[order[end - 1]] <= tolerance) ++end;
    const auto size = static_cast<double>(end - first);
    ranked.tie_term += size * size * size - size;
    for (std::size_t i = first; i < end; ++i) {
      ranked.ranks[order[i]] = static_cast<double>(first + 1 + end) / 2.0;
    }
    first = end;
  }
  return ranked;
}

double rounding_tolerance(std::span<const double> values) {
  double largest = 0.0;
  for (const double v : values) largest = std::max(largest, std::abs(v));
  return kRelativeTieTolerance * largest;
}

}  // namespace calsweep::analysis
