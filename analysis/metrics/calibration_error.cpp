#include "analysis/metrics/calibration_error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

/// Index of the bin of `c`, or -1: a guess from the width, corrected against the true edges.
std::int64_t find_bin(float c, std::span<const float> edges, BinInterval interval) {
  const auto n_bins = static_cast<std::int64_t>(edges.size()) - 1;
  const auto edge = [&](std::int64_t i) { return edges[static_cast<std::size_t>(i)]; };
  auto bin = std::clamp(static_cast<std::int64_t>(c * static_cast<float>(n_bins)), std::int64_t{0},
                        n_bins - 1);
  if (interval == BinInterval::LeftOpen) {
    while (bin > 0 && c <= edge(bin)) --bin;
    while (bin < n_bins - 1 && c > edge(bin + 1)) ++bin;
    return c > edge(bin) && c <= edge(bin + 1) ? bin : -1;
  }
  while (bin > 0 && c < edge(bin)) --bin;
  while (bin < n_bins - 1 && c >= edge(bin + 1)) ++bin;
  return c >= edge(bin) && c < edge(bin + 1) ? bin : -1;
}

double bin_gap(const Convention& convention, std::size_t index, std::size_t n_bins,
               const ReliabilityBin& bin) {
  const double n = static_cast<double>(bin.count);
  const double accuracy = bin.count > 0 ? static_cast<double>(bin.correct) / n : 0.0;
  if (convention.confidence == BinConfidence::Mean)
    return std::abs(accuracy - bin.sum_confidence / n);
  const double width = 1.0 / static_cast<double>(n_bins);
  return std::abs(accuracy - (static_cast<double>(index) * width + width / 2.0));
}

}  // namespace

std::vector<ReliabilityBin> reliability_bins(const Convention& convention, std::int64_t n_bins,
                                             std::span<const float> confidence,
                                             std::span<const std::uint8_t> correct) {
  if (confidence.size() != correct.size()) {
    throw FormatError(
        fmt::format("{} confidences, but {} correctness flags", confidence.size(), correct.size()));
  }
  const auto edges = bin_edges(convention, n_bins);
  std::vector<ReliabilityBin> bins(static_cast<std::size_t>(n_bins));
  for (std::size_t b = 0; b < bins.size(); ++b) {
    bins[b].lower = static_cast<double>(edges[b]);
    bins[b].upper = static_cast<double>(edges[b + 1]);
  }
  for (std::size_t i = 0; i < confidence.size(); ++i) {
    if (!(confidence[i] >= 0.0F && confidence[i] <= 1.0F)) {
      throw FormatError(
          fmt::format("the confidence of row {} (from 0) is {}, not in [0, 1]", i, confidence[i]));
    }
    const auto b = find_bin(confidence[i], edges, convention.interval);
    if (b < 0) continue;
    auto& bin = bins[static_cast<std::size_t>(b)];
    ++bin.count;
    bin.correct += correct[i];
    bin.sum_confidence += static_cast<double>(confidence[i]);
  }
  return bins;
}

CalibrationError calibration_error(const Convention& convention,
                                   std::span<const ReliabilityBin> bins, std::int64_t n_rows) {
  if (n_rows == 0) {
    return {Measured::none("the set is empty"), Measured::none("the set is empty")};
  }
  std::int64_t n_binned = 0;
  double weighted = 0.0;
  double largest = 0.0;
  for (std::size_t b = 0; b < bins.size(); ++b) {
    n_binned += bins[b].count;
    if (bins[b].count == 0 && convention.empty_bins == EmptyBins::Skipped) continue;
    const double gap = bin_gap(convention, b, bins.size(), bins[b]);
    weighted += static_cast<double>(bins[b].count) * gap;
    largest = std::max(largest, gap);
  }
  const bool binned_only = convention.denominator == Denominator::BinnedRows;
  if (n_binned == 0) {
    const auto none =
        Measured::none(convention.interval == BinInterval::RightOpen
                           ? "every confidence is exactly 1, which this convention drops"
                           : "every confidence is 0, which falls into no bin");
    return {binned_only ? none : Measured::of(0.0), none};
  }
  const auto denominator = static_cast<double>(binned_only ? n_binned : n_rows);
  return {Measured::of(weighted / denominator), Measured::of(largest)};
}

}  // namespace calsweep::analysis
