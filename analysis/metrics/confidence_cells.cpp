#include "analysis/metrics/confidence_cells.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "analysis/metrics/bin_finder.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

struct CellTable {
  std::vector<std::uint32_t> starts;  // keys; starts[0] is 0
  std::vector<ConfidenceCell> cells;
  std::map<std::pair<std::string, std::int64_t>, std::vector<std::int16_t>> bins;
};

std::vector<std::uint32_t> all_starts() {
  std::vector<std::uint32_t> starts = {0};
  for (const auto& convention : conventions()) {
    for (const auto n_bins : registered_bins(convention)) {
      const auto keys = first_keys(BinFinder(convention, n_bins));
      starts.insert(starts.end(), keys.begin(), keys.end());
    }
  }
  std::sort(starts.begin(), starts.end());
  starts.erase(std::unique(starts.begin(), starts.end()), starts.end());
  while (starts.back() > kKeyOfOne) starts.pop_back();
  return starts;
}

CellTable make_table() {
  CellTable table;
  table.starts = all_starts();
  for (std::size_t i = 0; i < table.starts.size(); ++i) {
    const auto next = i + 1 < table.starts.size() ? table.starts[i + 1] : kKeyOfOne + 1;
    table.cells.push_back({float_of(table.starts[i]), float_of(next - 1)});
  }
  for (const auto& convention : conventions()) {
    for (const auto n_bins : registered_bins(convention)) {
      const BinFinder finder(convention, n_bins);
      auto& bins = table.bins[{std::string(convention.name), n_bins}];
      for (const auto& cell : table.cells) {
        bins.push_back(static_cast<std::int16_t>(finder.bin_of(cell.first)));
      }
    }
  }
  return table;
}

const CellTable& table() {
  static const CellTable made = make_table();
  return made;
}

}  // namespace

std::span<const ConfidenceCell> confidence_cells() { return table().cells; }

std::int64_t cell_of(float c) {
  return static_cast<std::int64_t>(CellLookup::instance()(c + 0.0F));
}

std::span<const std::int16_t> bins_of_cells(const Convention& convention, std::int64_t n_bins) {
  const auto& bins = table().bins;
  const auto at = bins.find({std::string(convention.name), n_bins});
  if (at != bins.end()) return at->second;
  const auto known = registered_bins(convention);
  throw UsageError(fmt::format(
      "{} with {} bins cannot be assembled from confidence cells: {}", convention.name, n_bins,
      known.empty()
          ? "its edges depend on the number of rows; bin the rows instead"
          : fmt::format("they serve {} bins; bin the rows instead", fmt::join(known, ", "))));
}

const CellLookup& CellLookup::instance() {
  static const CellLookup made;
  return made;
}

CellLookup::CellLookup() {
  const auto& starts = table().starts;
  for (std::size_t i = 1; i < starts.size(); ++i) start_of_next_.push_back(float_of(starts[i]));
  start_of_next_.push_back(2.0F);
  for (std::size_t slot = 0; slot < first_of_slot_.size(); ++slot) {
    const float from = static_cast<float>(slot) / 4096.0F;
    std::size_t cell = 0;
    while (from >= start_of_next_[cell]) ++cell;
    first_of_slot_[slot] = static_cast<std::uint16_t>(cell);
  }
}

}  // namespace calsweep::analysis
