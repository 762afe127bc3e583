#include "analysis/statistics/minimum_seeds.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/statistics/normal_tail.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

void check(std::int64_t n_cells, std::int64_t n_effective, double alpha) {
  if (n_effective < 1 || n_cells < n_effective) {
    throw UsageError(fmt::format(
        "{} cells with an effect among {}: it takes one or more, and no more than there are",
        n_effective, n_cells));
  }
  if (!(alpha > 0.0 && alpha < 1.0)) {
    throw UsageError(fmt::format("the level alpha is {}; it lies between 0 and 1", alpha));
  }
}

template <typename SmallestP>
std::int64_t fewest(GridCorrection correction, std::int64_t n_cells, std::int64_t n_effective,
                    double alpha, SmallestP smallest_p) {
  check(n_cells, n_effective, alpha);
  std::int64_t n = 1;
  while (best_corrected_p(correction, n_cells, n_effective, smallest_p(n)) > alpha) ++n;
  return n;
}

}  // namespace

std::string_view to_string(GridCorrection correction) {
  constexpr std::array<std::string_view, kCorrections.size()> kNames = {"none", "bh", "maxt",
                                                                        "holm", "bonferroni"};
  return kNames[static_cast<std::size_t>(correction)];
}

double smallest_exact_p(std::int64_t n_pairs) {
  return std::min(1.0, std::ldexp(1.0, static_cast<int>(1 - n_pairs)));
}

double smallest_asymptotic_p(std::int64_t n_pairs) {
  const auto n = static_cast<double>(n_pairs);
  return two_sided_p(n * (n + 1.0) / 4.0 / std::sqrt(n * (n + 1.0) * (2.0 * n + 1.0) / 24.0));
}

double best_corrected_p(GridCorrection correction, std::int64_t n_cells, std::int64_t n_effective,
                        double smallest_p) {
  const auto m = static_cast<double>(n_cells);
  const auto effective = static_cast<double>(n_effective);
  switch (correction) {
    case GridCorrection::None:
      return smallest_p;
    case GridCorrection::BenjaminiHochberg:
      return std::min(1.0, smallest_p * m / effective);
    case GridCorrection::MaxT:
      return std::min(1.0, smallest_p * (1.0 + m - effective));
    case GridCorrection::Holm:
    case GridCorrection::Bonferroni:
      break;
  }
  return std::min(1.0, smallest_p * m);
}

std::int64_t minimum_seeds(GridCorrection correction, std::int64_t n_cells,
                           std::int64_t n_effective, double alpha) {
  return fewest(correction, n_cells, n_effective, alpha, smallest_exact_p);
}

Measured minimum_seeds_asymptotic(GridCorrection correction, std::int64_t n_cells,
                                  std::int64_t n_effective, double alpha) {
  if (correction == GridCorrection::MaxT) {
    return Measured::none("maxT counts sign flips: it has no normal approximation");
  }
  return Measured::of(
      static_cast<double>(fewest(correction, n_cells, n_effective, alpha, smallest_asymptotic_p)));
}

}  // namespace calsweep::analysis
