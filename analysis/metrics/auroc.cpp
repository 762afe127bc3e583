#include "analysis/metrics/auroc.hpp"

#include <cmath>
#include <cstdint>

namespace calsweep::analysis {
namespace {

__extension__ using Wide = unsigned __int128;

/// Sums over the rows of one side of x = 2 * (rows of the other side that it beats) + ties.
struct PlacementSums {
  std::uint64_t n = 0;
  Wide sum = 0;
  Wide sum_of_squares = 0;

  void add(std::uint64_t count, std::uint64_t doubled_placement) {
    n += count;
    sum += static_cast<Wide>(count) * doubled_placement;
    sum_of_squares += static_cast<Wide>(doubled_placement) * doubled_placement * count;
  }
  /// Sample variance of x / (2 n_other), divided by n.
  double variance_of_mean(std::uint64_t n_other) const {
    const Wide numerator = sum_of_squares * n - sum * sum;  // never negative (Cauchy-Schwarz)
    const double rows = static_cast<double>(n);
    const double scale = 2.0 * static_cast<double>(n_other);
    return static_cast<double>(numerator) / (rows * (rows - 1.0)) / (scale * scale) / rows;
  }
};

}  // namespace

Measured auroc(std::span<const double> positive, std::span<const double> negative) {
  return auroc(group_scores(positive, negative, "AUROC"));
}

Measured auroc(const ScoreGroups& groups) {
  if (groups.one_sided()) return Measured::none("one of the two sets is empty");
  const double pairs =
      static_cast<double>(groups.n_positive) * static_cast<double>(groups.n_negative);
  return Measured::of(static_cast<double>(doubled_mann_whitney_u(groups)) / 2.0 / pairs);
}

Measured auroc_standard_error(const ScoreGroups& groups) {
  if (groups.one_sided()) return Measured::none("one of the two sets is empty");
  if (groups.n_positive < 2 || groups.n_negative < 2) {
    return Measured::none("a standard error needs two rows on each side");
  }
  PlacementSums of_positive;
  PlacementSums of_negative;
  std::uint64_t positives_below = 0;
  std::uint64_t negatives_below = 0;
  for (const auto& group : groups.groups) {
    const std::uint64_t positives_above = groups.n_positive - positives_below - group.n_positive;
    of_positive.add(group.n_positive, 2 * negatives_below + group.n_negative);
    of_negative.add(group.n_negative, 2 * positives_above + group.n_positive);
    positives_below += group.n_positive;
    negatives_below += group.n_negative;
  }
  return Measured::of(std::sqrt(of_positive.variance_of_mean(groups.n_negative) +
                                of_negative.variance_of_mean(groups.n_positive)));
}

}  // namespace calsweep::analysis
