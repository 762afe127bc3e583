#include "analysis/metrics/confidence_bins.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

void require_bins(std::int64_t n_bins) {
  if (n_bins < 1) throw UsageError(fmt::format("{} bins asked for; there must be 1", n_bins));
}

/// The group that holds row `rank` of the sorted order.
std::size_t group_of_rank(const ConfidenceProfile& profile, std::int64_t rank) {
  std::size_t low = 0, high = profile.size();
  while (high - low > 1) {
    const auto middle = (low + high) / 2;
    (profile.rows_before(middle) <= rank ? low : high) = middle;
  }
  return low;
}

/// Where part k of np.array_split(n rows, n_parts) begins.
std::int64_t part_begin(std::int64_t n, std::int64_t n_parts, std::int64_t k) {
  return k * (n / n_parts) + std::min(k, n % n_parts);
}

/// First group that is not below `edge` (or not at it, if `beyond_equal`).
std::size_t first_group_after(const ConfidenceProfile& profile, double edge, bool beyond_equal) {
  const auto groups = profile.groups();
  const auto found = std::partition_point(groups.begin(), groups.end(), [&](const auto& group) {
    return group.confidence < edge || (beyond_equal && group.confidence == edge);
  });
  return static_cast<std::size_t>(found - groups.begin());
}

/// Sums over the first `rank` sorted rows, tied rows shared out evenly.
BinTally sums_below_rank(const ConfidenceProfile& profile, std::int64_t rank) {
  if (rank <= 0) return {};
  if (rank >= profile.n_rows()) {
    return {static_cast<double>(profile.n_rows()), static_cast<double>(profile.n_correct()),
            profile.sum_confidence()};
  }
  const auto g = group_of_rank(profile, rank);
  const auto& group = profile.groups()[g];
  const auto inside = static_cast<double>(rank - profile.rows_before(g));
  return {static_cast<double>(rank),
          static_cast<double>(profile.correct_before(g)) +
              inside * static_cast<double>(group.correct) / static_cast<double>(group.count),
          profile.confidence_before(g) + inside * group.confidence};
}

}  // namespace

std::vector<BinTally> bin_tallies(const ConfidenceProfile& profile, const GroupBins& bins) {
  std::vector<BinTally> tallies;
  tallies.reserve(bins.size());
  for (const auto [begin, end] : bins) {
    tallies.push_back(
        {static_cast<double>(profile.rows_before(end) - profile.rows_before(begin)),
         static_cast<double>(profile.correct_before(end) - profile.correct_before(begin)),
         profile.confidence_before(end) - profile.confidence_before(begin)});
  }
  return tallies;
}

GroupBins equal_mass_bins(const ConfidenceProfile& profile, std::int64_t n_bins) {
  require_bins(n_bins);
  GroupBins bins(index(n_bins));
  const auto n = profile.n_rows();
  std::size_t begin = 0;
  for (std::int64_t b = 0; b < n_bins; ++b) {
    // First group whose middle lies at or beyond (b + 1) n / n_bins.
    std::size_t low = begin, high = profile.size();
    while (low < high) {
      const auto g = (low + high) / 2;
      const auto twice_middle = 2 * profile.rows_before(g) + profile.groups()[g].count;
      if (n_bins * twice_middle < 2 * n * (b + 1)) {
        low = g + 1;
      } else {
        high = g;
      }
    }
    bins[index(b)] = {begin, low};
    begin = low;
  }
  return bins;
}

GroupBins kumar_equal_mass_bins(const ConfidenceProfile& profile, std::int64_t n_bins) {
  require_bins(n_bins);
  const auto n = profile.n_rows();
  if (n == 0) return {};
  n_bins = std::min(n_bins, n);
  std::vector<double> upper;
  for (std::int64_t part = 1; part < n_bins; ++part) {
    const auto rank = part_begin(n, n_bins, part);
    const auto& below = profile.groups()[group_of_rank(profile, rank - 1)];
    const auto& above = profile.groups()[group_of_rank(profile, rank)];
    upper.push_back((below.confidence + above.confidence) / 2.0);
  }
  upper.push_back(1.0);
  upper.erase(std::unique(upper.begin(), upper.end()), upper.end());
  GroupBins bins;
  std::size_t begin = 0;
  for (const double edge : upper) {
    const auto end = first_group_after(profile, edge, true);
    bins.push_back({begin, end});
    begin = end;
  }
  return bins;
}

GroupBins edge_bins(const ConfidenceProfile& profile, std::span<const double> edges,
                    ClosedSide closed) {
  CALSWEEP_CHECK(edges.size() >= 2 && std::is_sorted(edges.begin(), edges.end()),
                 "edges of bins must ascend");
  GroupBins bins;
  for (std::size_t b = 0; b + 1 < edges.size(); ++b) {
    const bool upper = closed == ClosedSide::Upper;
    bins.push_back({first_group_after(profile, edges[b], upper),
                    first_group_after(profile, edges[b + 1], upper)});
  }
  return bins;
}

GroupBins equal_width_bins(const ConfidenceProfile& profile, std::int64_t n_bins) {
  require_bins(n_bins);
  std::vector<double> edges;
  for (std::int64_t k = 0; k <= n_bins; ++k) {
    edges.push_back(static_cast<double>(k) / static_cast<double>(n_bins));
  }
  auto bins = edge_bins(profile, edges, ClosedSide::Upper);
  bins.front().begin = 0;
  return bins;
}

GroupBins assigned_bins(std::span<const std::int32_t> bin_of_group, std::int64_t n_bins) {
  require_bins(n_bins);
  GroupBins bins(index(n_bins));
  std::int32_t last = -1;
  for (std::size_t g = 0; g < bin_of_group.size(); ++g) {
    const auto b = bin_of_group[g];
    if (b == -1) continue;
    const bool continues = b == last && bins[index(b)].end == g;
    if (b < 0 || b >= n_bins || (b <= last && !continues)) {
      throw FormatError(fmt::format(
          "bin {} of group {} (from 0): bins must be -1 or below {} and ascend with the groups", b,
          g, n_bins));
    }
    if (!continues) bins[index(b)].begin = g;
    bins[index(b)].end = g + 1;
    last = b;
  }
  return bins;
}

BinTally rank_range_tally(const ConfidenceProfile& profile, std::int64_t first, std::int64_t last) {
  const auto low = sums_below_rank(profile, first);
  const auto high = sums_below_rank(profile, last);
  return {high.count - low.count, high.correct - low.correct,
          high.sum_confidence - low.sum_confidence};
}

std::vector<BinTally> rank_split_tallies(const ConfidenceProfile& profile, std::int64_t n_bins) {
  require_bins(n_bins);
  std::vector<BinTally> tallies;
  for (std::int64_t part = 0; part < n_bins; ++part) {
    tallies.push_back(rank_range_tally(profile, part_begin(profile.n_rows(), n_bins, part),
                                       part_begin(profile.n_rows(), n_bins, part + 1)));
  }
  return tallies;
}

}  // namespace calsweep::analysis
