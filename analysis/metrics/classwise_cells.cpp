#include "analysis/metrics/classwise_cells.hpp"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <cmath>
#include <utility>

#include "analysis/metrics/classwise_edges.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

/// One probability of a class: its float32 bits, which ascend with it, and its row.
struct Entry {
  std::uint32_t key = 0, row = 0;
  double probability() const { return static_cast<double>(std::bit_cast<float>(key)); }
};

/// Ascending by three passes over 10 bits each; 1.0F needs 30. Stable.
void radix_sort(std::vector<Entry>& entries, std::vector<Entry>& other) {
  other.resize(entries.size());
  for (const unsigned shift : {0U, 10U, 20U}) {
    std::array<std::size_t, 1024> start{};
    for (const auto& entry : entries) ++start[(entry.key >> shift) & 1023U];
    std::size_t sum = 0;
    for (auto& s : start) sum += std::exchange(s, sum);
    for (const auto& entry : entries) other[start[(entry.key >> shift) & 1023U]++] = entry;
    entries.swap(other);
  }
}

void check(std::span<const double> probabilities, std::int64_t n_classes,
           std::span<const std::int32_t> labels) {
  if (n_classes < 1 ||
      probabilities.size() != labels.size() * static_cast<std::size_t>(n_classes)) {
    throw FormatError(fmt::format("{} probabilities do not make {} rows of {} classes",
                                  probabilities.size(), labels.size(), n_classes));
  }
}

ClasswiseCells empty_cells(std::int64_t n_classes, std::int64_t n_bins, std::size_t n_rows) {
  const auto k = static_cast<std::size_t>(n_classes);
  ClasswiseCells made;
  made.n_classes = n_classes;
  made.n_bins = n_bins;
  made.bin_of.assign(n_rows * k, ClasswiseCells::kNoBin);
  made.cells.resize(k * static_cast<std::size_t>(n_bins));
  made.n_kept.assign(k, 0);
  return made;
}

std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

/// Puts the sorted entries of class k into bins of equal mass.
void assign_equal_mass(std::span<const Entry> entries, std::int64_t k,
                       std::span<const std::int32_t> labels, ClasswiseCells& cells) {
  const auto n_kept = static_cast<std::int64_t>(entries.size());
  cells.n_kept[index(k)] = n_kept;
  for (std::size_t begin = 0, end = 0; begin < entries.size(); begin = end) {
    while (end < entries.size() && entries[end].key == entries[begin].key) ++end;
    const auto count = static_cast<std::int64_t>(end - begin);
    const auto bin = cells.n_bins * (2 * static_cast<std::int64_t>(begin) + count) / (2 * n_kept);
    auto& cell = cells.cells[index(k * cells.n_bins + bin)];
    cell.count += static_cast<double>(count);
    cell.sum_confidence += static_cast<double>(count) * entries[begin].probability();
    for (std::size_t i = begin; i < end; ++i) {
      const auto row = static_cast<std::size_t>(entries[i].row);
      cells.bin_of[row * index(cells.n_classes) + index(k)] = static_cast<std::uint8_t>(bin);
      cell.correct += labels[row] == static_cast<std::int32_t>(k) ? 1.0 : 0.0;
    }
  }
}

}  // namespace

Measured ClasswiseCells::error() const {
  if (bin_of.empty()) return Measured::none("the set is empty");
  double sum = 0.0;
  for (std::int64_t k = 0; k < n_classes; ++k) {
    double gaps = 0.0;
    for (std::int64_t b = 0; b < n_bins; ++b) {
      const auto& cell = cells[index(k * n_bins + b)];
      gaps += std::abs(cell.correct - cell.sum_confidence);
    }
    if (n_kept[index(k)] > 0) sum += gaps / static_cast<double>(n_kept[index(k)]);
  }
  return Measured::of(sum / static_cast<double>(n_classes));
}

ClasswiseCells equal_width_cells(std::span<const double> probabilities, std::int64_t n_classes,
                                 std::span<const std::int32_t> labels) {
  check(probabilities, n_classes, labels);
  const auto& edges = ClasswiseEdges::instance();
  auto made = empty_cells(n_classes, kClasswiseBins, labels.size());
  const auto k = index(n_classes);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    for (std::size_t c = 0; c < k; ++c) {
      const double p = probabilities[i * k + c];
      const auto bin = edges.bin_of(p);
      made.bin_of[i * k + c] = static_cast<std::uint8_t>(bin);
      auto& cell = made.cells[c * index(kClasswiseBins) + bin];
      cell.count += 1.0;
      cell.sum_confidence += p;
      cell.correct += labels[i] == static_cast<std::int32_t>(c) ? 1.0 : 0.0;
    }
  }
  made.n_kept.assign(k, static_cast<std::int64_t>(labels.size()));
  return made;
}

AdaptiveCells adaptive_cells(std::span<const double> probabilities, std::int64_t n_classes,
                             std::span<const std::int32_t> labels, std::int64_t n_bins,
                             double threshold) {
  check(probabilities, n_classes, labels);
  if (n_bins < 1 || n_bins >= ClasswiseCells::kNoBin) {
    throw UsageError(fmt::format("{} bins asked for; there must be 1 to 254", n_bins));
  }
  AdaptiveCells made{empty_cells(n_classes, n_bins, labels.size()),
                     empty_cells(n_classes, n_bins, labels.size())};
  std::vector<Entry> entries(labels.size()), other;
  for (std::int64_t k = 0; k < n_classes; ++k) {
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const auto p = static_cast<float>(probabilities[i * index(n_classes) + index(k)]);
      entries[i] = {std::bit_cast<std::uint32_t>(p + 0.0F), static_cast<std::uint32_t>(i)};
    }
    radix_sort(entries, other);
    std::size_t first = 0;
    while (first < entries.size() && entries[first].probability() <= threshold) ++first;
    assign_equal_mass(entries, k, labels, made.all);
    assign_equal_mass(std::span(entries).subspan(first), k, labels, made.thresholded);
  }
  return made;
}

}  // namespace calsweep::analysis
