#include "analysis/metrics/confidence_profile.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

template <class Real>
void check_rows(std::span<const Real> confidence, std::span<const std::uint8_t> correct) {
  if (confidence.size() != correct.size()) {
    throw FormatError(
        fmt::format("{} confidences, but {} correctness flags", confidence.size(), correct.size()));
  }
  for (std::size_t i = 0; i < confidence.size(); ++i) {
    if (!(confidence[i] >= Real{0} && confidence[i] <= Real{1})) {
      throw FormatError(
          fmt::format("the confidence of row {} (from 0) is {}, not in [0, 1]", i, confidence[i]));
    }
    if (correct[i] > 1) {
      throw FormatError(
          fmt::format("the correctness flag of row {} (from 0) is {}, not 0 or 1", i, correct[i]));
    }
  }
}

/// Ascending by three passes over 11 + 10 + 10 bits. keys: 31 bits each.
void radix_sort(std::vector<std::uint32_t>& keys) {
  struct Digit {
    unsigned shift, bits;
  };
  std::vector<std::uint32_t> other(keys.size());
  for (const auto [shift, bits] : {Digit{0, 11}, Digit{11, 10}, Digit{21, 10}}) {
    const std::uint32_t mask = (1U << bits) - 1U;
    std::array<std::size_t, 2048> start{};
    for (const auto key : keys) ++start[(key >> shift) & mask];
    std::size_t sum = 0;
    for (auto& s : start) sum += std::exchange(s, sum);
    for (const auto key : keys) other[start[(key >> shift) & mask]++] = key;
    keys.swap(other);
  }
}

/// Groups of equal keys but for the flag in the lowest bit; keys ascend. Exactly as much memory as
/// they need: a vector that grows would take twice as much for a while.
template <class Key>
std::size_t count_groups(const std::vector<Key>& keys) {
  std::size_t n = keys.empty() ? 0 : 1;
  for (std::size_t i = 1; i < keys.size(); ++i) n += (keys[i] >> 1U) != (keys[i - 1] >> 1U) ? 1 : 0;
  return n;
}

void add_row(std::vector<ConfidenceGroup>& groups, double confidence, bool correct) {
  if (groups.empty() || groups.back().confidence != confidence)
    groups.push_back({confidence, 0, 0});
  ++groups.back().count;
  groups.back().correct += correct ? 1 : 0;
}

void check_group(const ConfidenceGroup& group, std::size_t g) {
  if (!(group.confidence >= 0.0 && group.confidence <= 1.0)) {
    throw FormatError(fmt::format("the confidence of group {} (from 0) is {}, not in [0, 1]", g,
                                  group.confidence));
  }
  if (group.count < 0 || group.correct < 0 || group.correct > group.count) {
    throw FormatError(
        fmt::format("group {} (from 0) counts {} correct of {}", g, group.correct, group.count));
  }
}

}  // namespace

ConfidenceProfile ConfidenceProfile::from_rows(std::span<const float> confidence,
                                               std::span<const std::uint8_t> correct) {
  check_rows(confidence, correct);
  // Bits of non-negative floats ascend with their value and 1.0F needs 30 of them; the flag rides
  // below. -0.0F becomes 0.
  std::vector<std::uint32_t> keys(confidence.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    keys[i] = (std::bit_cast<std::uint32_t>(confidence[i] + 0.0F) << 1U) | correct[i];
  }
  radix_sort(keys);
  ConfidenceProfile profile;
  profile.groups_.reserve(count_groups(keys));
  for (const auto key : keys) {
    add_row(profile.groups_, static_cast<double>(std::bit_cast<float>(key >> 1U)), (key & 1U) != 0);
  }
  keys = {};
  profile.accumulate();
  return profile;
}

ConfidenceProfile ConfidenceProfile::from_rows(std::span<const double> confidence,
                                               std::span<const std::uint8_t> correct) {
  check_rows(confidence, correct);
  std::vector<std::uint64_t> keys(confidence.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {  // 1.0 needs 62 bits
    keys[i] = (std::bit_cast<std::uint64_t>(confidence[i] + 0.0) << 1U) | correct[i];
  }
  std::sort(keys.begin(), keys.end());
  ConfidenceProfile profile;
  profile.groups_.reserve(count_groups(keys));
  for (const auto key : keys) {
    add_row(profile.groups_, std::bit_cast<double>(key >> 1U), (key & 1U) != 0);
  }
  keys = {};
  profile.accumulate();
  return profile;
}

ConfidenceProfile ConfidenceProfile::from_groups(std::vector<ConfidenceGroup> groups) {
  for (std::size_t g = 0; g < groups.size(); ++g) check_group(groups[g], g);
  std::erase_if(groups, [](const auto& group) { return group.count == 0; });
  for (std::size_t g = 1; g < groups.size(); ++g) {
    if (groups[g].confidence <= groups[g - 1].confidence) {
      throw FormatError(
          fmt::format("group {} of those with rows (from 0) has confidence {}, not "
                      "above {} of the group before it",
                      g, groups[g].confidence, groups[g - 1].confidence));
    }
  }
  ConfidenceProfile profile;
  profile.groups_ = std::move(groups);
  profile.accumulate();
  return profile;
}

ConfidenceProfile ConfidenceProfile::with_correct(std::span<const std::int64_t> correct) const {
  CALSWEEP_CHECK(correct.size() == size(), "one count of correct rows per group");
  ConfidenceProfile other = *this;
  for (std::size_t g = 0; g < correct.size(); ++g) {
    other.groups_[g].correct = correct[g];
    other.correct_before_[g + 1] = other.correct_before_[g] + correct[g];
  }
  return other;
}

void ConfidenceProfile::assign_resampled(const ConfidenceProfile& base,
                                         std::span<const std::int32_t> count,
                                         std::span<const std::int32_t> correct) {
  CALSWEEP_CHECK(count.size() == base.size() && correct.size() == base.size(),
                 "one count per group");
  const auto room = base.size() + 1;  // every group is written, those without rows are overwritten
  groups_.resize(room);
  rows_before_.resize(room);
  correct_before_.resize(room);
  confidence_before_.resize(room);
  std::size_t kept = 0;
  std::int64_t rows = 0, n_correct = 0;
  double confidence = 0.0;
  for (std::size_t g = 0; g < base.size(); ++g) {
    groups_[kept] = {base.groups_[g].confidence, count[g], correct[g]};
    kept += count[g] > 0 ? 1 : 0;
    rows += count[g];
    n_correct += correct[g];
    confidence += base.groups_[g].confidence * count[g];
    rows_before_[kept] = rows;
    correct_before_[kept] = n_correct;
    confidence_before_[kept] = confidence;
  }
  rows_before_[0] = 0;
  correct_before_[0] = 0;
  confidence_before_[0] = 0.0;
  groups_.resize(kept);
  rows_before_.resize(kept + 1);
  correct_before_.resize(kept + 1);
  confidence_before_.resize(kept + 1);
}

void ConfidenceProfile::accumulate() {
  rows_before_.resize(groups_.size() + 1);
  correct_before_.resize(groups_.size() + 1);
  confidence_before_.resize(groups_.size() + 1);
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const auto& group = groups_[g];
    rows_before_[g + 1] = rows_before_[g] + group.count;
    correct_before_[g + 1] = correct_before_[g] + group.correct;
    confidence_before_[g + 1] =
        confidence_before_[g] + group.confidence * static_cast<double>(group.count);
  }
}

ConfidenceProfile coarsened(const ConfidenceProfile& profile, std::int64_t n_groups) {
  CALSWEEP_CHECK(n_groups >= 1, "at least one group must remain");
  if (static_cast<std::int64_t>(profile.size()) <= n_groups) return profile;
  const double step = static_cast<double>(profile.n_rows()) / static_cast<double>(n_groups);
  std::vector<ConfidenceGroup> merged;
  std::int64_t current = -1;
  double sum = 0.0;
  double lowest = 0.0;
  for (std::size_t g = 0; g < profile.size(); ++g) {
    const auto& group = profile.groups()[g];
    const double middle =
        static_cast<double>(profile.rows_before(g)) + static_cast<double>(group.count) / 2.0;
    const auto cell = std::min(static_cast<std::int64_t>(middle / step), n_groups - 1);
    if (cell != current) {
      merged.push_back({});
      current = cell;
      sum = 0.0;
      lowest = group.confidence;
    }
    sum += group.confidence * static_cast<double>(group.count);
    merged.back().count += group.count;
    merged.back().correct += group.correct;
    merged.back().confidence =  // within its range whatever the rounding, so that cells ascend
        std::clamp(sum / static_cast<double>(merged.back().count), lowest, group.confidence);
  }
  return ConfidenceProfile::from_groups(std::move(merged));
}

}  // namespace calsweep::analysis
