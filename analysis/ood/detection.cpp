#include "analysis/ood/detection.hpp"

#include <fmt/format.h>

#include <limits>

#include "analysis/metrics/auroc.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

constexpr const char* kOneSided = "one of the two sets is empty";
__extension__ using Wide = unsigned __int128;

double ratio(std::uint64_t part, std::uint64_t whole) {
  return static_cast<double>(part) / static_cast<double>(whole);
}

/// Rows found so far, walking from the most positive score to the least.
struct Found {
  std::uint64_t true_positives = 0;
  std::uint64_t false_positives = 0;
  double score = 0.0;
};

std::uint64_t n_positive(const ScoreGroups& groups, PositiveSide side) {
  return side == PositiveSide::InDistribution ? groups.n_positive : groups.n_negative;
}

std::uint64_t n_negative(const ScoreGroups& groups, PositiveSide side) {
  return side == PositiveSide::InDistribution ? groups.n_negative : groups.n_positive;
}

/// Calls `visit(found)` after each distinct score until it returns false.
template <class Visit>
void walk(const ScoreGroups& groups, PositiveSide side, Visit visit) {
  Found found;
  const std::size_t n = groups.groups.size();
  for (std::size_t i = 0; i < n; ++i) {
    const bool in = side == PositiveSide::InDistribution;
    const auto& group = groups.groups[in ? n - 1 - i : i];
    found.true_positives += in ? group.n_positive : group.n_negative;
    found.false_positives += in ? group.n_negative : group.n_positive;
    found.score = group.score;
    if (!visit(found)) return;
  }
}

/// `height(precision before, precision)` times each step of recall, summed.
template <class Height>
Measured area_under_precision(const ScoreGroups& groups, PositiveSide side, Height height) {
  if (groups.one_sided()) return Measured::none(kOneSided);
  double area = 0.0;
  double precision_before = 1.0;
  std::uint64_t found_before = 0;
  walk(groups, side, [&](const Found& found) {
    const double precision =
        ratio(found.true_positives, found.true_positives + found.false_positives);
    const std::uint64_t step = found.true_positives - found_before;
    area += static_cast<double>(step) * height(precision_before, precision);
    precision_before = precision;
    found_before = found.true_positives;
    return true;
  });
  return Measured::of(area / static_cast<double>(n_positive(groups, side)));
}

}  // namespace

Measured average_precision(const ScoreGroups& groups, PositiveSide side) {
  return area_under_precision(groups, side, [](double, double precision) { return precision; });
}

Measured trapezoid_aupr(const ScoreGroups& groups, PositiveSide side) {
  return area_under_precision(
      groups, side, [](double before, double precision) { return (before + precision) / 2.0; });
}

OperatingPoint fpr_at_tpr(const ScoreGroups& groups, PositiveSide side, int tpr_percent) {
  if (tpr_percent < 1 || tpr_percent > 100) {
    throw UsageError(
        fmt::format("FPR at a true positive rate of {} %: give 1 to 100", tpr_percent));
  }
  if (groups.one_sided()) {
    return {Measured::none(kOneSided), Measured::none(kOneSided), Measured::none(kOneSided)};
  }
  const std::uint64_t positives = n_positive(groups, side);
  const Wide wanted = static_cast<Wide>(positives) * static_cast<unsigned>(tpr_percent);
  OperatingPoint point;
  walk(groups, side, [&](const Found& found) {
    if (static_cast<Wide>(found.true_positives) * 100U < wanted) return true;
    point = {Measured::of(ratio(found.false_positives, n_negative(groups, side))),
             Measured::of(ratio(found.true_positives, positives)), Measured::of(found.score)};
    return false;
  });
  return point;
}

DetectionError detection_error(const ScoreGroups& groups) {
  if (groups.one_sided()) return {Measured::none(kOneSided), Measured::none(kOneSided)};
  // FNR + FPR = (misses * n_out + false alarms * n_in) / (n_in * n_out), compared in integers.
  std::uint64_t best = std::numeric_limits<std::uint64_t>::max();
  double threshold = 0.0;
  walk(groups, PositiveSide::InDistribution, [&](const Found& found) {
    const std::uint64_t misses = groups.n_positive - found.true_positives;
    const std::uint64_t cost =
        misses * groups.n_negative + found.false_positives * groups.n_positive;
    if (cost < best) {
      best = cost;
      threshold = found.score;
    }
    return true;
  });
  return {Measured::of(ratio(best, groups.n_positive * groups.n_negative) / 2.0),
          Measured::of(threshold)};
}

Detection detection(std::span<const double> in_scores, std::span<const double> out_scores,
                    std::string_view what) {
  const auto groups = group_scores(in_scores, out_scores, what);
  Detection made;
  made.n_in = static_cast<std::int64_t>(in_scores.size());
  made.n_out = static_cast<std::int64_t>(out_scores.size());
  made.auroc = auroc(groups);
  made.auroc_standard_error = auroc_standard_error(groups);
  made.aupr_in = average_precision(groups, PositiveSide::InDistribution);
  made.aupr_out = average_precision(groups, PositiveSide::OutOfDistribution);
  made.aupr_in_trapezoid = trapezoid_aupr(groups, PositiveSide::InDistribution);
  made.aupr_out_trapezoid = trapezoid_aupr(groups, PositiveSide::OutOfDistribution);
  made.fpr95_in = fpr_at_tpr(groups, PositiveSide::InDistribution, 95);
  made.fpr95_out = fpr_at_tpr(groups, PositiveSide::OutOfDistribution, 95);
  made.detection_error = detection_error(groups);
  return made;
}

}  // namespace calsweep::analysis
