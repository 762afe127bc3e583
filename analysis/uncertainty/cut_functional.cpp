#include "analysis/uncertainty/cut_functional.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "analysis/metrics/sorted_calibration_error.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

std::size_t position(const std::vector<std::size_t>& cuts, std::size_t cut) {
  const auto at = std::lower_bound(cuts.begin(), cuts.end(), cut);
  return static_cast<std::size_t>(at - cuts.begin());
}

void sort_unique(std::vector<std::size_t>& cuts) {
  std::sort(cuts.begin(), cuts.end());
  cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
}

BinTally between(const CutSums& begin, const CutSums& end) {
  return {end.rows - begin.rows, end.correct - begin.correct, end.confidence - begin.confidence};
}

/// Where a rank lies: the sums before cut `group`, and a share of the next group.
struct RankPlace {
  std::size_t low = 0, high = 0;  // positions among the cuts
  double share = 0.0;
};

CutSums sums_at(std::span<const CutSums> sums, const RankPlace& place) {
  const auto& low = sums[place.low];
  const auto& high = sums[place.high];
  return {low.rows + place.share * (high.rows - low.rows),
          low.correct + place.share * (high.correct - low.correct),
          low.confidence + place.share * (high.confidence - low.confidence)};
}

/// The last cut with at most `rank` rows before it.
std::size_t cut_of_rank(const ConfidenceProfile& profile, std::int64_t rank) {
  std::size_t low = 0, high = profile.size();
  while (low < high) {
    const auto middle = (low + high + 1) / 2;
    if (profile.rows_before(middle) <= rank) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

/// Positions of the edges of the bins of each partition of a sweep.
using SweepBins = std::vector<std::vector<std::size_t>>;

double l1_of(std::span<const CutSums> sums, const std::vector<std::size_t>& edges) {
  double gaps = 0.0;
  for (std::size_t b = 0; b + 1 < edges.size(); ++b) {
    const auto bin = between(sums[edges[b]], sums[edges[b + 1]]);
    gaps += std::abs(bin.correct - bin.sum_confidence);
  }
  return gaps / sums.back().rows;
}

/// Counts are whole numbers below 2^53 over products below it for profiles of up to 9e7 rows.
bool rises(std::span<const CutSums> sums, const std::vector<std::size_t>& edges) {
  double count_before = 1.0, correct_before = 0.0;
  for (std::size_t b = 0; b + 1 < edges.size(); ++b) {
    const auto bin = between(sums[edges[b]], sums[edges[b + 1]]);
    if (bin.count <= 0.0) continue;
    if (bin.correct * count_before < correct_before * bin.count) return false;
    count_before = bin.count;
    correct_before = bin.correct;
  }
  return true;
}

}  // namespace

std::vector<CutSums> cut_sums(const ConfidenceProfile& profile, std::span<const std::size_t> cuts) {
  std::vector<CutSums> sums;
  sums.reserve(cuts.size());
  for (const auto cut : cuts) {
    sums.push_back({static_cast<double>(profile.rows_before(cut)),
                    static_cast<double>(profile.correct_before(cut)),
                    profile.confidence_before(cut)});
  }
  return sums;
}

CutFunctional rank_cuts(std::string name, const ConfidenceProfile& profile,
                        const std::vector<std::int64_t>& ranks,
                        std::function<double(std::span<const BinTally>, std::int64_t)> value) {
  CutFunctional made{std::move(name), {}, {}};
  for (const auto rank : ranks) {
    const auto cut = cut_of_rank(profile, rank);
    made.cuts.push_back(cut);
    made.cuts.push_back(std::min(cut + 1, profile.size()));
  }
  sort_unique(made.cuts);
  std::vector<RankPlace> places;
  for (const auto rank : ranks) {
    const auto cut = cut_of_rank(profile, rank);
    const auto next = std::min(cut + 1, profile.size());
    const auto inside = static_cast<double>(rank - profile.rows_before(cut));
    const auto rows = static_cast<double>(profile.rows_before(next) - profile.rows_before(cut));
    places.push_back(
        {position(made.cuts, cut), position(made.cuts, next), inside > 0.0 ? inside / rows : 0.0});
  }
  made.value = [places = std::move(places), value = std::move(value),
                n_rows = profile.n_rows()](std::span<const CutSums> sums) {
    std::vector<BinTally> tallies;
    for (std::size_t p = 0; p + 1 < places.size(); ++p) {
      tallies.push_back(between(sums_at(sums, places[p]), sums_at(sums, places[p + 1])));
    }
    return value(tallies, n_rows);
  };
  return made;
}

CutFunctional sweep_cuts(std::string name, const ConfidenceProfile& profile, std::int64_t largest) {
  CutFunctional made{std::move(name), {0, profile.size()}, {}};
  largest = std::min(largest, profile.n_rows());
  std::vector<GroupBins> partitions;
  for (std::int64_t n_bins = 1; n_bins <= largest; ++n_bins) {
    partitions.push_back(equal_mass_bins(profile, n_bins));
    for (const auto [begin, end] : partitions.back()) made.cuts.push_back(end);
  }
  sort_unique(made.cuts);
  SweepBins edges;
  for (const auto& partition : partitions) {
    auto& at = edges.emplace_back(1, 0);
    for (const auto [begin, end] : partition) at.push_back(position(made.cuts, end));
  }
  made.value = [edges = std::move(edges)](std::span<const CutSums> sums) {
    std::size_t last = 0;
    while (last + 1 < edges.size() && rises(sums, edges[last + 1])) ++last;
    return l1_of(sums, edges[last]);
  };
  return made;
}

}  // namespace calsweep::analysis
