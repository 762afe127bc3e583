// Partitions of a confidence profile into bins, and what a bin adds up to.
//
// A partition is a list of ranges of whole groups: rows of equal confidence share a bin, whatever
// their order in the file. `rank_split`, the rule of some libraries, cuts through ties; there a
// bin gets the expected number of correct rows over all orders of the tied rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "analysis/metrics/confidence_profile.hpp"

namespace calsweep::analysis {

/// Groups [begin, end) of a profile; empty if equal.
struct GroupRange {
  std::size_t begin = 0, end = 0;
};
/// Ascending, disjoint; groups in no range are in no bin.
using GroupBins = std::vector<GroupRange>;

/// Sums over the rows of a bin. Whole numbers unless the bin cuts through tied rows.
struct BinTally {
  double count = 0.0, correct = 0.0, sum_confidence = 0.0;
};

/// Of each bin. O(bins).
std::vector<BinTally> bin_tallies(const ConfidenceProfile& profile, const GroupBins& bins);

/// `equal_mass`, ours: a group with `before` rows below it and `count` rows of its own belongs to
/// bin floor(n_bins (before + count / 2) / n): to where the middle of its rows lies. Ties stay
/// together; without ties bin sizes differ by at most one. Integer arithmetic.
GroupBins equal_mass_bins(const ConfidenceProfile& profile, std::int64_t n_bins);

/// `kumar2019-em` (verified_calibration, get_equal_bins): edges are the midpoints between the
/// neighbouring parts of np.array_split(sorted, n_bins), duplicates removed, bins (a, b]; midpoints
/// in double. Has fewer bins than asked for where rows tie.
GroupBins kumar_equal_mass_bins(const ConfidenceProfile& profile, std::int64_t n_bins);

enum class ClosedSide { Lower, Upper };  ///< [a, b) or (a, b]

/// Equal-width or any other fixed edges, n_bins + 1 of them, ascending. A confidence below the
/// first or above the last edge, or on the open side of one of them, is in no bin.
GroupBins edge_bins(const ConfidenceProfile& profile, std::span<const double> edges,
                    ClosedSide closed);

/// n_bins equal-width bins of [0, 1] as we define them (`exact`): (a, b] with edges k / n_bins in
/// double, the first bin closed on both sides, so that no row is lost.
GroupBins equal_width_bins(const ConfidenceProfile& profile, std::int64_t n_bins);

/// From the bin of each group, as any other convention assigns it; -1 is in no bin. Throws
/// FormatError if a number is out of range or bins do not ascend with the groups.
GroupBins assigned_bins(std::span<const std::int32_t> bin_of_group, std::int64_t n_bins);

/// Rows [first, last) of the sorted order, tied rows shared out evenly.
BinTally rank_range_tally(const ConfidenceProfile& profile, std::int64_t first, std::int64_t last);

/// `tu-ace` and np.array_split: n_bins parts of the sorted rows, the first n % n_bins of them one
/// row longer. Parts without rows (n_bins > n) are empty tallies.
std::vector<BinTally> rank_split_tallies(const ConfidenceProfile& profile, std::int64_t n_bins);

}  // namespace calsweep::analysis
