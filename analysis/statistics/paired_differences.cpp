#include "analysis/statistics/paired_differences.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sweeps/errors.hpp"

namespace calsweep::analysis {

PairedDifferences paired_differences(std::span<const double> first, std::span<const double> second,
                                     double relative_tolerance) {
  if (first.size() != second.size()) {
    throw FormatError(fmt::format("paired test: {} values against {}; leave out what has no pair",
                                  first.size(), second.size()));
  }
  PairedDifferences differences;
  double largest = 0.0;
  for (std::size_t i = 0; i < first.size(); ++i) {
    differences.values.push_back(first[i] - second[i]);
    largest = std::max({largest, std::abs(first[i]), std::abs(second[i])});
  }
  differences.tolerance = relative_tolerance * largest;
  return differences;
}

void check_finite(std::span<const double> differences, const char* test) {
  for (std::size_t i = 0; i < differences.size(); ++i) {
    if (std::isfinite(differences[i])) continue;
    throw FormatError(
        fmt::format("{}: difference {} (from 0) is {}, not a finite number; leave that pair out",
                    test, i, differences[i]));
  }
}

Measured median(std::span<const double> values) {
  if (values.empty()) return Measured::none("no values");
  std::vector<double> copy(values.begin(), values.end());
  const auto middle = copy.begin() + static_cast<std::ptrdiff_t>(copy.size() / 2);
  std::nth_element(copy.begin(), middle, copy.end());
  if (copy.size() % 2 == 1) return Measured::of(*middle);
  const double below = *std::max_element(copy.begin(), middle);
  return Measured::of(below + (*middle - below) / 2.0);
}

}  // namespace calsweep::analysis
