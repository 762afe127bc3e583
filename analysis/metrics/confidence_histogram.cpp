#include "analysis/metrics/confidence_histogram.hpp"

#include <algorithm>

#include "analysis/metrics/bin_finder.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

constexpr std::size_t kMostRecent = std::size_t{1} << 31;

std::int64_t rows_of(std::uint64_t counted) {
  return static_cast<std::int64_t>(counted & 0xFFFFFFFF);
}
std::int64_t correct_of(std::uint64_t counted) { return static_cast<std::int64_t>(counted >> 32); }

void add_cells(std::vector<CellSums>& to, const std::vector<CellSums>& from) {
  for (std::size_t i = 0; i < to.size(); ++i) {
    to[i].count += from[i].count;
    to[i].correct += from[i].correct;
    to[i].confidence.merge(from[i].confidence);
  }
}

}  // namespace

void ConfidenceHistogram::add(const float* c, const std::uint64_t* counted, std::size_t n) {
  make_room(n);
  for (std::size_t first = 0; first < n; first += kMostWaiting) {
    count_waiting();
    wait_for(c + first, counted + first, std::min(n - first, kMostWaiting));
  }
}

/// Room for n more rows in 32-bit counts.
void ConfidenceHistogram::make_room(std::size_t n) {
  CALSWEEP_CHECK(n < kMostRecent, "fewer than 2^31 rows at once");
  if (n_recent_ + n > kMostRecent) {
    older_ = cells();
    std::fill(words_.begin(), words_.end(), 0);
    waiting_.n = 0;
    n_recent_ = 0;
  }
  n_recent_ += n;
}

/// Without a branch: whether a confidence lies above 1 - 2^-8 cannot be predicted.
void ConfidenceHistogram::wait_for(const float* c, const std::uint64_t* counted, std::size_t n) {
  constexpr auto kNarrowFromKey = static_cast<std::uint32_t>(2 * kWide) - kFirstNarrow;
  for (std::size_t r = 0; r < n; ++r) {
    const auto key = std::bit_cast<std::int32_t>(c[r]);
    const float scaled = c[r] * 65536.0F;
    const auto index = static_cast<std::int32_t>(scaled);
    const auto offset = static_cast<std::int32_t>((scaled - static_cast<float>(index)) * 0x1p24F);
    const bool narrow = key >= static_cast<std::int32_t>(kFirstNarrow);
    waiting_.word[r] = narrow ? static_cast<std::uint32_t>(key) + kNarrowFromKey
                              : 2 * static_cast<std::uint32_t>(index);
    waiting_.offset[r] = narrow ? 0 : static_cast<std::uint32_t>(offset);
  }
  std::copy(counted, counted + n, waiting_.counted.begin());
  for (std::size_t r = 0; r < n; ++r) __builtin_prefetch(words_.data() + waiting_.word[r], 1);
  waiting_.n = n;
}

void ConfidenceHistogram::count_waiting() {
  std::uint64_t* words = words_.data();
  for (std::size_t r = 0; r < waiting_.n; ++r) {
    words[waiting_.word[r]] += waiting_.counted[r];
    words[waiting_.word[r] + 1] += waiting_.offset[r];  // nothing for narrow cells
  }
  waiting_.n = 0;
}

void ConfidenceHistogram::add_to(std::vector<CellSums>& cells) const {
  for (std::size_t i = 0; i < kWide; ++i) {
    const auto count = rows_of(words_[2 * i]);
    const auto lower = static_cast<Int128>(i) << 34;
    cells[i].count += count;
    cells[i].correct += correct_of(words_[2 * i]);
    cells[i].confidence.units += lower * count + (static_cast<Int128>(words_[2 * i + 1]) << 10);
  }
  for (std::size_t i = 0; i < kNarrow; ++i) {
    auto& cell = cells[kWide + i];
    const auto counted = words_[2 * kWide + i];
    const float value = float_of(kFirstNarrow + static_cast<std::uint32_t>(i));
    cell.count += rows_of(counted);
    cell.correct += correct_of(counted);
    cell.confidence.units += units_of(static_cast<double>(value)) * rows_of(counted);
  }
}

std::vector<CellSums> ConfidenceHistogram::cells() const {
  auto all = older_.empty() ? std::vector<CellSums>(kWide + kNarrow) : older_;
  auto counted = *this;
  counted.count_waiting();
  counted.add_to(all);
  return all;
}

void ConfidenceHistogram::merge(const ConfidenceHistogram& other) {
  if (older_.empty()) older_.resize(kWide + kNarrow);
  add_cells(older_, other.cells());
}

}  // namespace calsweep::analysis
