#include "analysis/metrics/confidence_histogram.hpp"

#include <algorithm>

#include "analysis/metrics/bin_finder.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

constexpr std::size_t kMostRecent = std::size_t{1} << 31;

void add_cells(std::vector<CellSums>& to, const std::vector<CellSums>& from) {
  for (std::size_t i = 0; i < to.size(); ++i) {
    to[i].count += from[i].count;
    to[i].correct += from[i].correct;
    to[i].confidence.merge(from[i].confidence);
  }
}

}  // namespace

void ConfidenceHistogram::add(const float* c, const std::uint8_t* correct, std::size_t n) {
  CALSWEEP_CHECK(n < kMostRecent, "fewer than 2^31 rows at once");
  if (n_recent_ + n > kMostRecent) {
    older_ = cells();
    std::fill(wide_.begin(), wide_.end(), Wide{});
    std::fill(narrow_.begin(), narrow_.end(), Narrow{});
    for (auto& queue : queues_) queue.clear();
    n_recent_ = 0;
  }
  n_recent_ += n;
  for (std::size_t r = 0; r < n; ++r) {
    const auto range = range_of(c[r]);
    auto& queue = queues_[range];
    queue.push_back((std::bit_cast<std::uint32_t>(c[r]) << 1) | correct[r]);
    if (queue.size() == kLongestQueue) count_queue(range);
  }
}

/// Without a branch: whether a confidence lies above 1 - 2^-8 cannot be predicted.
std::size_t ConfidenceHistogram::range_of(float c) {
  const auto key = std::bit_cast<std::uint32_t>(c);
  const auto wide = static_cast<std::uint32_t>(static_cast<std::int32_t>(c * 65536.0F));
  const std::uint32_t narrow = std::min((key - kFirstNarrow) >> kRangeBits, 7U) + kWideRanges;
  return key < kFirstNarrow ? wide >> kRangeBits : narrow;
}

void ConfidenceHistogram::count_queue(std::size_t range) {
  for (const auto row : queues_[range]) {
    const auto key = row >> 1;
    const auto correct = row & 1;
    if (range >= kWideRanges) {
      auto& cell = narrow_[key - kFirstNarrow];
      ++cell.count;
      cell.correct += correct;
    } else {
      const float scaled = std::bit_cast<float>(key) * 65536.0F;
      const auto index = static_cast<std::int32_t>(scaled);
      auto& cell = wide_[static_cast<std::size_t>(index)];
      ++cell.count;
      cell.correct += correct;
      const float offset = (scaled - static_cast<float>(index)) * 0x1p24F;
      cell.offsets += static_cast<std::uint64_t>(static_cast<std::int64_t>(offset));
    }
  }
  queues_[range].clear();
}

void ConfidenceHistogram::add_to(std::vector<CellSums>& cells) const {
  for (std::size_t i = 0; i < kWide; ++i) {
    const auto lower = static_cast<Int128>(i) << 34;
    cells[i].count += wide_[i].count;
    cells[i].correct += wide_[i].correct;
    cells[i].confidence.units +=
        lower * wide_[i].count + (static_cast<Int128>(wide_[i].offsets) << 10);
  }
  for (std::size_t i = 0; i < kNarrow; ++i) {
    auto& cell = cells[kWide + i];
    const float value = float_of(kFirstNarrow + static_cast<std::uint32_t>(i));
    cell.count += narrow_[i].count;
    cell.correct += narrow_[i].correct;
    cell.confidence.units += units_of(static_cast<double>(value)) * narrow_[i].count;
  }
}

std::vector<CellSums> ConfidenceHistogram::cells() const {
  auto all = older_.empty() ? std::vector<CellSums>(kWide + kNarrow) : older_;
  auto counted = *this;
  for (std::size_t range = 0; range < kRanges; ++range) counted.count_queue(range);
  counted.add_to(all);
  return all;
}

void ConfidenceHistogram::merge(const ConfidenceHistogram& other) {
  if (older_.empty()) older_.resize(kWide + kNarrow);
  add_cells(older_, other.cells());
}

}  // namespace calsweep::analysis
