#include "analysis/metrics/calibration_error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/metrics/bin_finder.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

std::vector<ReliabilityBin> finished(const BinFinder& finder, std::span<const CellSums> sums) {
  std::vector<ReliabilityBin> bins(sums.size());
  for (std::size_t b = 0; b < bins.size(); ++b) {
    bins[b] = {finder.edges()[b], finder.edges()[b + 1], sums[b].count, sums[b].correct,
               sums[b].confidence.value()};
  }
  return bins;
}

/// What stands for the confidence and the accuracy of a bin.
struct BinPoint {
  double confidence, accuracy;
  double gap() const { return std::abs(accuracy - confidence); }
};

BinPoint point_of(const Convention& convention, std::size_t index, std::size_t n_bins,
                  const ReliabilityBin& bin) {
  const double n = static_cast<double>(bin.count);
  const double accuracy = bin.count > 0 ? static_cast<double>(bin.correct) / n : 0.0;
  if (convention.confidence == BinConfidence::Mean) return {bin.sum_confidence / n, accuracy};
  const double width = 1.0 / static_cast<double>(n_bins);
  return {static_cast<double>(index) * width + width / 2.0, accuracy};
}

CalibrationError no_value(const std::string& reason) {
  const auto none = Measured::none(reason);
  return {none, none, none, none};
}

}  // namespace

std::vector<ReliabilityBin> reliability_bins(const Convention& convention, std::int64_t n_bins,
                                             std::span<const float> confidence,
                                             std::span<const std::uint8_t> correct) {
  if (confidence.size() != correct.size()) {
    throw FormatError(
        fmt::format("{} confidences, but {} correctness flags", confidence.size(), correct.size()));
  }
  const BinFinder finder(convention, n_bins, static_cast<std::int64_t>(confidence.size()));
  std::vector<CellSums> sums(static_cast<std::size_t>(finder.n_bins()));
  for (std::size_t i = 0; i < confidence.size(); ++i) {
    const float c = confidence[i] + 0.0F;
    if (!(c >= 0.0F && c <= 1.0F)) {
      throw FormatError(
          fmt::format("the confidence of row {} (from 0) is {}, not in [0, 1]", i, c));
    }
    const auto b = finder.bin_of(c);
    if (b < 0) continue;
    auto& bin = sums[static_cast<std::size_t>(b)];
    ++bin.count;
    bin.correct += correct[i];
    bin.confidence.units += units_of(static_cast<double>(c));
  }
  return finished(finder, sums);
}

std::vector<ReliabilityBin> reliability_bins(const Convention& convention, std::int64_t n_bins,
                                             std::span<const CellSums> cells) {
  const auto bin_of = bins_of_cells(convention, n_bins);
  CALSWEEP_CHECK(cells.size() == bin_of.size(), "one sum per confidence cell");
  const BinFinder finder(convention, n_bins);
  std::vector<CellSums> sums(static_cast<std::size_t>(finder.n_bins()));
  for (std::size_t cell = 0; cell < cells.size(); ++cell) {
    if (bin_of[cell] < 0) continue;
    auto& bin = sums[static_cast<std::size_t>(bin_of[cell])];
    bin.count += cells[cell].count;
    bin.correct += cells[cell].correct;
    bin.confidence.merge(cells[cell].confidence);
  }
  return finished(finder, sums);
}

CalibrationError calibration_error(const Convention& convention,
                                   std::span<const ReliabilityBin> bins, std::int64_t n_rows) {
  if (n_rows == 0) return no_value("the set is empty");
  std::int64_t n_binned = 0;
  double gaps = 0.0, squares = 0.0, over = 0.0, largest = 0.0;
  for (std::size_t b = 0; b < bins.size(); ++b) {
    n_binned += bins[b].count;
    if (bins[b].count == 0 && convention.empty_bins == EmptyBins::Skipped) continue;
    const auto point = point_of(convention, b, bins.size(), bins[b]);
    const double count = static_cast<double>(bins[b].count);
    gaps += count * point.gap();
    squares += count * point.gap() * point.gap();
    over += count * point.confidence * std::max(point.confidence - point.accuracy, 0.0);
    const bool scaled = convention.maximum == Maximum::CountTimesGap;
    largest = std::max(largest, scaled ? count * point.gap() : point.gap());
  }
  const bool binned_only = convention.denominator == Denominator::BinnedRows;
  if (n_binned == 0) {
    auto error = no_value(convention.at_one == AtOne::Dropped
                              ? "every confidence is exactly 1, which this convention drops"
                              : "every confidence is 0, which falls into no bin");
    if (!binned_only) error.ece = error.rmsce = error.oe = Measured::of(0.0);
    error.n_unbinned = n_rows;
    return error;
  }
  const auto denominator = static_cast<double>(binned_only ? n_binned : n_rows);
  return {Measured::of(gaps / denominator), Measured::of(largest),
          Measured::of(std::sqrt(squares / denominator)), Measured::of(over / denominator),
          n_rows - n_binned};
}

CalibrationError assemble(const Convention& convention, std::int64_t n_bins,
                          std::span<const CellSums> cells) {
  std::int64_t n_rows = 0;
  for (const auto& cell : cells) n_rows += cell.count;
  return calibration_error(convention, reliability_bins(convention, n_bins, cells), n_rows);
}

}  // namespace calsweep::analysis
