#include "analysis/conformal/coverage.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

constexpr const char* kEmpty = "the set is empty";

/// Upper ends of the size strata of Angelopoulos et al. 2021: 0-1, 2-3, 4-10, 11-100, 101-.
constexpr std::array<std::int64_t, 4> kStratumEnds = {1, 3, 10, 100};

std::vector<CoverageStratum> size_strata(std::int64_t n_classes) {
  std::vector<CoverageStratum> strata;
  std::int64_t low = 0;
  for (const auto end : kStratumEnds) {
    if (low > n_classes) break;
    strata.push_back({low, std::min(end, n_classes), 0, 0});
    low = end + 1;
  }
  if (low <= n_classes) strata.push_back({low, n_classes, 0, 0});
  return strata;
}

Measured mean_of(std::int64_t sum, std::int64_t n) {
  if (n == 0) return Measured::none(kEmpty);
  return Measured::of(static_cast<double>(sum) / static_cast<double>(n));
}

/// Median of the sizes from their histogram.
Measured median_of(const std::vector<std::int64_t>& histogram, std::int64_t n) {
  if (n == 0) return Measured::none(kEmpty);
  const auto value_at = [&](std::int64_t position) {
    std::int64_t before = 0;
    std::size_t size = 0;
    while (before + histogram[size] <= position) before += histogram[size++];
    return static_cast<double>(size);
  };
  return Measured::of((value_at((n - 1) / 2) + value_at(n / 2)) / 2.0);
}

void check_fit(const PredictionSets& sets, std::span<const std::int32_t> labels) {
  if (sets.covered.size() == sets.size.size() && labels.size() == sets.size.size()) return;
  throw FormatError(fmt::format(
      "coverage of {} prediction sets: {} of them were made with labels, and {} labels are given",
      sets.size.size(), sets.covered.size(), labels.size()));
}

}  // namespace

Measured CoverageStratum::coverage() const {
  if (n == 0) return Measured::none("no rows");
  return mean_of(n_covered, n);
}

CoverageReport coverage_report(const PredictionSets& sets, std::span<const std::int32_t> labels,
                               double alpha) {
  check_fit(sets, labels);
  CoverageReport report;
  report.n = static_cast<std::int64_t>(sets.size.size());
  report.size_histogram.assign(static_cast<std::size_t>(sets.n_classes) + 1, 0);
  for (std::int64_t c = 0; c < sets.n_classes; ++c) report.by_class.push_back({c, c, 0, 0});
  report.by_size = size_strata(sets.n_classes);
  std::int64_t sum_of_sizes = 0;
  for (std::size_t i = 0; i < sets.size.size(); ++i) {
    const auto size = sets.size[i];
    const std::int64_t covered = sets.covered[i];
    sum_of_sizes += size;
    report.n_covered += covered;
    ++report.size_histogram.at(static_cast<std::size_t>(size));
    const auto in_size = std::find_if(report.by_size.begin(), report.by_size.end(),
                                      [size](const auto& s) { return size <= s.high; });
    for (auto* stratum : {&report.by_class.at(static_cast<std::size_t>(labels[i])), &*in_size}) {
      ++stratum->n;
      stratum->n_covered += covered;
    }
  }
  report.coverage = mean_of(report.n_covered, report.n);
  report.mean_size = mean_of(sum_of_sizes, report.n);
  report.median_size = median_of(report.size_histogram, report.n);
  report.empty_fraction = mean_of(report.size_histogram[0], report.n);
  report.size_stratified_violation = Measured::none(kEmpty);
  report.worst_class_coverage = Measured::none(kEmpty);
  if (report.n == 0) return report;
  double violation = 0.0;
  for (const auto& stratum : report.by_size) {
    if (stratum.n == 0) continue;
    violation = std::max(violation, std::abs(stratum.coverage().value - (1.0 - alpha)));
  }
  double worst = 1.0;
  for (const auto& stratum : report.by_class) {
    if (stratum.n > 0) worst = std::min(worst, stratum.coverage().value);
  }
  report.size_stratified_violation = Measured::of(violation);
  report.worst_class_coverage = Measured::of(worst);
  return report;
}

EmptySet meaning_of_empty(ConformalScore score) {
  return score == ConformalScore::Threshold ? EmptySet::Outlier : EmptySet::Smallest;
}

std::vector<double> set_size_scores(const PredictionSets& sets, EmptySet empty) {
  std::vector<double> scores(sets.size.size());
  std::transform(sets.size.begin(), sets.size.end(), scores.begin(), [&](std::int64_t size) {
    const bool outlier = size == 0 && empty == EmptySet::Outlier;
    return -static_cast<double>(outlier ? sets.n_classes + 1 : size);
  });
  return scores;
}

}  // namespace calsweep::analysis
