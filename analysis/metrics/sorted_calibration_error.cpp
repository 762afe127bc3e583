#include "analysis/metrics/sorted_calibration_error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

const char* const kEmptySet = "the set is empty";

MeasuredBinnedErrors none(const std::string& reason) {
  const auto n = Measured::none(reason);
  return {n, n, n, n, n};
}

/// Whether accuracies of the bins that have rows do not fall, compared without rounding.
bool is_monotone(const ConfidenceProfile& profile, std::int64_t n_bins) {
  std::int64_t last_count = 1;
  std::int64_t last_correct = 0;
  for (const auto [begin, end] : equal_mass_bins(profile, n_bins)) {
    if (begin == end) continue;
    const auto count = profile.rows_before(end) - profile.rows_before(begin);
    const auto correct = profile.correct_before(end) - profile.correct_before(begin);
    __extension__ using Wide = __int128;
    if (static_cast<Wide>(correct) * last_count < static_cast<Wide>(last_correct) * count) {
      return false;
    }
    last_count = count;
    last_correct = correct;
  }
  return true;
}

bool groups_are_monotone(const ConfidenceProfile& profile) {
  const auto groups = profile.groups();
  for (std::size_t g = 1; g < groups.size(); ++g) {
    if (static_cast<double>(groups[g].correct) / static_cast<double>(groups[g].count) <
        static_cast<double>(groups[g - 1].correct) / static_cast<double>(groups[g - 1].count)) {
      return false;
    }
  }
  return true;
}

std::int64_t sweep_bins(const ConfidenceProfile& profile, std::int64_t largest) {
  largest = std::min(largest, profile.n_rows());
  if (groups_are_monotone(profile)) return largest;
  std::int64_t n_bins = 1;
  while (n_bins < largest && is_monotone(profile, n_bins + 1)) ++n_bins;
  return n_bins;
}

}  // namespace

BinnedErrors binned_errors(std::span<const BinTally> bins, std::int64_t n_rows) {
  CALSWEEP_CHECK(n_rows > 0, "an empty set has no calibration error");
  BinnedErrors errors;
  double squared = 0.0;
  double debiased = 0.0;
  const auto n = static_cast<double>(n_rows);
  for (const auto& bin : bins) {
    if (bin.count <= 0.0) continue;
    const double weight = bin.count / n;
    const double accuracy = bin.correct / bin.count;
    const double confidence = bin.sum_confidence / bin.count;
    const double gap = std::abs(accuracy - confidence);
    errors.l1 += weight * gap;
    squared += weight * gap * gap;
    errors.max = std::max(errors.max, gap);
    errors.overconfidence += weight * confidence * std::max(confidence - accuracy, 0.0);
    if (bin.count >= 2.0) {
      debiased += weight * (gap * gap - accuracy * (1.0 - accuracy) / (bin.count - 1.0));
    }
  }
  errors.l2 = std::sqrt(squared);
  errors.debiased_l2 = std::sqrt(std::max(debiased, 0.0));
  return errors;
}

MeasuredBinnedErrors measured_binned_errors(std::span<const BinTally> bins, std::int64_t n_rows) {
  if (n_rows == 0) return none(kEmptySet);
  const auto errors = binned_errors(bins, n_rows);
  return {Measured::of(errors.l1), Measured::of(errors.l2), Measured::of(errors.max),
          Measured::of(errors.overconfidence), Measured::of(errors.debiased_l2)};
}

MeasuredBinnedErrors equal_mass_errors(const ConfidenceProfile& profile, std::int64_t n_bins) {
  return measured_binned_errors(bin_tallies(profile, equal_mass_bins(profile, n_bins)),
                                profile.n_rows());
}

MeasuredBinnedErrors kumar_equal_mass_errors(const ConfidenceProfile& profile,
                                             std::int64_t n_bins) {
  return measured_binned_errors(bin_tallies(profile, kumar_equal_mass_bins(profile, n_bins)),
                                profile.n_rows());
}

MeasuredBinnedErrors rank_split_errors(const ConfidenceProfile& profile, std::int64_t n_bins) {
  return measured_binned_errors(rank_split_tallies(profile, n_bins), profile.n_rows());
}

MeasuredBinnedErrors equal_width_errors(const ConfidenceProfile& profile, std::int64_t n_bins) {
  return measured_binned_errors(bin_tallies(profile, equal_width_bins(profile, n_bins)),
                                profile.n_rows());
}

MeasuredBinnedErrors hendrycks_errors(const ConfidenceProfile& profile, std::int64_t rows_per_bin) {
  if (rows_per_bin < 1) {
    throw UsageError(fmt::format("{} rows per bin asked for; there must be 1", rows_per_bin));
  }
  if (profile.empty()) return none(kEmptySet);
  const auto n_parts = profile.n_rows() / rows_per_bin;
  if (n_parts == 0) {
    return none(fmt::format("{} rows do not fill a bin of {}", profile.n_rows(), rows_per_bin));
  }
  std::vector<BinTally> visited;
  for (std::int64_t part = 0; part + 1 < n_parts; ++part) {
    visited.push_back(rank_range_tally(profile, part * rows_per_bin, (part + 1) * rows_per_bin));
  }
  return measured_binned_errors(visited, profile.n_rows());
}

SweepError sweep_error(const ConfidenceProfile& profile, std::int64_t largest) {
  if (profile.empty()) return {Measured::none(kEmptySet), 0};
  const auto n_bins = sweep_bins(profile, largest);
  return {equal_mass_errors(profile, n_bins).l1, n_bins};
}

Measured ks_error(const ConfidenceProfile& profile) {
  if (profile.empty()) return Measured::none(kEmptySet);
  double largest = 0.0;
  for (std::size_t g = 1; g <= profile.size(); ++g) {
    largest = std::max(largest, std::abs(profile.confidence_before(g) -
                                         static_cast<double>(profile.correct_before(g))));
  }
  return Measured::of(largest / static_cast<double>(profile.n_rows()));
}

}  // namespace calsweep::analysis
