#include "analysis/uncertainty/null_resamples.hpp"

#include <fmt/format.h>

#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <utility>

#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

constexpr std::int64_t kLanes = 64;
constexpr std::size_t kGroup = 8;  // lanes that are added at once
using Lanes = Eigen::Array<double, kGroup, 1>;

/// Bits of a byte as eight numbers.
const std::array<Lanes, 256>& bits_of_bytes() {
  static const auto table = [] {
    std::array<Lanes, 256> made;
    for (unsigned byte = 0; byte < 256; ++byte) {
      for (unsigned lane = 0; lane < kGroup; ++lane) {
        made[byte][lane] = static_cast<double>((byte >> lane) & 1U);
      }
    }
    return made;
  }();
  return table;
}

/// Binomial(n, 1/2).
std::int64_t fair_coins(Random& random, std::int64_t n) {
  std::int64_t heads = 0;
  for (; n >= 64; n -= 64) heads += std::popcount(random.next());
  if (n > 0) heads += std::popcount(random.next() >> (64 - n));
  return heads;
}

void store(const Lanes& lanes, double* at) { Eigen::Map<Lanes>{at} = lanes; }

std::int64_t whole_blocks(std::int64_t n) { return (n + kLanes - 1) / kLanes * kLanes; }

void sort_unique(std::vector<std::size_t>& cuts) {
  std::sort(cuts.begin(), cuts.end());
  cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
}

std::uint64_t fraction_bits(double p) {  // p in (0, 1)
  return static_cast<std::uint64_t>(std::ldexp(p, 64));
}

/// Cuts of a coarser profile: those asked for, and every n-th of the mass.
std::vector<std::size_t> with_mass_cuts(const ConfidenceProfile& profile,
                                        const std::vector<std::size_t>& cuts,
                                        std::int64_t n_cells) {
  std::vector<std::size_t> all = cuts;
  std::int64_t next = 1;
  for (std::size_t g = 0; g <= profile.size(); ++g) {
    const double share = static_cast<double>(profile.rows_before(g)) *
                         static_cast<double>(n_cells) / static_cast<double>(profile.n_rows());
    if (share < static_cast<double>(next) && g > 0 && g < profile.size()) continue;
    all.push_back(g);
    next = static_cast<std::int64_t>(share) + 1;
  }
  sort_unique(all);
  return all;
}

ConfidenceProfile merged_between(const ConfidenceProfile& profile,
                                 const std::vector<std::size_t>& cuts) {
  std::vector<ConfidenceGroup> cells;
  for (std::size_t k = 0; k + 1 < cuts.size(); ++k) {
    const auto begin = cuts[k];
    const auto end = cuts[k + 1];
    const auto count = profile.rows_before(end) - profile.rows_before(begin);
    const double mean = (profile.confidence_before(end) - profile.confidence_before(begin)) /
                        static_cast<double>(count);
    cells.push_back(
        {std::clamp(mean, profile.groups()[begin].confidence, profile.groups()[end - 1].confidence),
         count, profile.correct_before(end) - profile.correct_before(begin)});
  }
  return ConfidenceProfile::from_groups(std::move(cells));
}

}  // namespace

std::uint64_t bernoulli_mask(Random& random, double p) {
  if (p <= 0.0) return 0;
  if (p >= 1.0) return ~std::uint64_t{0};
  auto bits = fraction_bits(p);
  std::uint64_t open = ~std::uint64_t{0};
  std::uint64_t below = 0;
  while (open != 0 && bits != 0) {
    const std::uint64_t random_bits = random.next();
    const std::uint64_t bit = 0 - (bits >> 63U);  // all ones or none
    below |= open & ~random_bits & bit;
    open &= ~(random_bits ^ bit);
    bits <<= 1U;
  }
  return below;  // undecided at the last bit of p: equal, hence not below
}

std::int64_t binomial_draw(Random& random, std::int64_t n, double p) {
  std::int64_t successes = 0;
  while (n > 2048 && p > 0.0 && p < 1.0) {
    const std::int64_t middle = n / 2 + 1;  // the rank of the order statistic that is drawn
    const double x = random.beta(static_cast<double>(middle), static_cast<double>(n + 1 - middle));
    if (x >= p) {
      n = middle - 1;
      p /= x;
    } else {
      successes += middle;
      n -= middle;
      p = (p - x) / (1.0 - x);
    }
  }
  if (p <= 0.0) return successes;
  if (p >= 1.0) return successes + n;
  for (auto bits = fraction_bits(p); n > 0 && bits != 0; bits <<= 1U) {
    const auto ones = fair_coins(random, n);  // trials whose next bit is 1
    if ((bits >> 63U) != 0) {
      successes += n - ones;
      n = ones;
    } else {
      n -= ones;
    }
  }
  return successes;
}

/// Outcomes of 64 resamples: a mask per row, in the order of the groups, or counts per cell.
struct NullResamples::Block {
  std::vector<std::uint64_t> masks;  // [rows] if exact
  std::vector<double> counts;        // [cells, 64] if not
};

NullResamples::NullResamples(const ConfidenceProfile& profile, std::vector<std::size_t> cuts,
                             const NullOptions& options, std::vector<std::size_t> sparse_cuts,
                             std::int64_t n_sparse)
    : exact_(profile.n_rows() <= options.exact_rows),
      n_resamples_(options.n_resamples),
      n_sparse_(std::min(n_sparse, options.n_resamples)),
      n_lanes_(whole_blocks(options.n_resamples)),
      key_(options.key) {
  if (options.n_resamples < 1) {
    throw UsageError(fmt::format("{} resamples asked for; there must be 1", options.n_resamples));
  }
  plan_tracks(std::move(cuts), std::move(sparse_cuts));
  CALSWEEP_CHECK(tracks_.empty() || tracks_.back().cut <= profile.size(),
                 "cuts lie between groups");
  make_cells(profile, options.n_cells);
  const auto lanes = static_cast<std::size_t>(n_lanes_);
  largest_gap_.assign(lanes, 0.0);
  sum_of_squares_.assign(lanes, 0.0);
  for (std::int64_t b = 0; b < n_lanes_ / kLanes; ++b) walk(b, draw(b));
  largest_gap_.resize(static_cast<std::size_t>(n_resamples_));
  sum_of_squares_.resize(static_cast<std::size_t>(n_resamples_));
}

void NullResamples::plan_tracks(std::vector<std::size_t> cuts,
                                std::vector<std::size_t> sparse_cuts) {
  const auto add = [&](std::size_t cut, std::int64_t n) {
    const auto n_lanes = static_cast<std::size_t>(whole_blocks(n));
    tracks_.push_back({cut, cut, correct_before_.size(), n_lanes, static_cast<std::size_t>(n)});
    correct_before_.resize(correct_before_.size() + n_lanes);
  };
  sort_unique(cuts);
  sort_unique(sparse_cuts);
  auto sparse = sparse_cuts.begin();
  for (const auto cut : cuts) {
    for (; sparse != sparse_cuts.end() && *sparse < cut; ++sparse) add(*sparse, n_sparse_);
    if (sparse != sparse_cuts.end() && *sparse == cut) ++sparse;
    add(cut, n_resamples_);
  }
  for (; sparse != sparse_cuts.end(); ++sparse) add(*sparse, n_sparse_);
}

void NullResamples::make_cells(const ConfidenceProfile& profile, std::int64_t n_cells) {
  if (exact_) {
    cells_ = profile;
    return;
  }
  std::vector<std::size_t> cuts;
  for (const auto& track : tracks_) cuts.push_back(track.cut);
  const auto all = with_mass_cuts(profile, cuts, n_cells);
  cells_ = merged_between(profile, all);
  for (auto& track : tracks_) {
    track.cell_cut =
        static_cast<std::size_t>(std::lower_bound(all.begin(), all.end(), track.cut) - all.begin());
  }
}

NullResamples::Block NullResamples::draw(std::int64_t b) const {
  Random random(random_key(static_cast<std::uint64_t>(b), 0, "null|" + key_));
  Block block;
  if (exact_) block.masks.reserve(static_cast<std::size_t>(cells_.n_rows()));
  for (const auto& cell : cells_.groups()) {
    if (exact_) {
      for (std::int64_t i = 0; i < cell.count; ++i) {
        block.masks.push_back(bernoulli_mask(random, cell.confidence));
      }
    } else {
      for (std::int64_t lane = 0; lane < kLanes; ++lane) {
        block.counts.push_back(
            static_cast<double>(binomial_draw(random, cell.count, cell.confidence)));
      }
    }
  }
  return block;
}

void NullResamples::walk(std::int64_t b, const Block& block) {
  const auto& bits = bits_of_bytes();
  double squares = 0.0;
  for (const auto& cell : cells_.groups()) {
    squares += static_cast<double>(cell.count) * cell.confidence * cell.confidence;
  }
  for (std::size_t group = 0; group < static_cast<std::size_t>(kLanes) / kGroup; ++group) {
    const auto first_lane = static_cast<std::size_t>(b * kLanes) + group * kGroup;
    Lanes correct = Lanes::Zero(), above = Lanes::Zero(), below = Lanes::Zero();
    Lanes weighted = Lanes::Constant(squares);
    std::size_t row = 0;
    auto track = tracks_.begin();
    for (std::size_t c = 0; c <= cells_.size(); ++c) {
      for (; track != tracks_.end() && track->cell_cut == c; ++track) {
        if (first_lane < track->n_lanes) {
          store(correct, &correct_before_[track->first + first_lane]);
        }
      }
      if (c == cells_.size()) break;
      const auto& cell = cells_.groups()[c];
      Lanes drawn;
      if (exact_) {
        drawn = bits[(block.masks[row++] >> (8 * group)) & 255U];
        for (std::int64_t i = 1; i < cell.count; ++i) {
          drawn += bits[(block.masks[row++] >> (8 * group)) & 255U];
        }
      } else {
        drawn = Eigen::Map<const Lanes>(&block.counts[c * kLanes + group * kGroup]);
      }
      correct += drawn;
      weighted += (1.0 - 2.0 * cell.confidence) * drawn;
      const Lanes gap = cells_.confidence_before(c + 1) - correct;
      above = above.max(gap);
      below = below.min(gap);
    }
    store(above.max(-below), &largest_gap_[first_lane]);
    store(weighted, &sum_of_squares_[first_lane]);
  }
}

std::span<const double> NullResamples::correct_before(std::size_t cut) const {
  const auto at = std::lower_bound(tracks_.begin(), tracks_.end(), cut,
                                   [](const Track& track, std::size_t c) { return track.cut < c; });
  CALSWEEP_CHECK(at != tracks_.end() && at->cut == cut, "a cut that was asked for");
  return std::span(correct_before_).subspan(at->first, at->n_resamples);
}

void NullResamples::visit_profiles(
    std::int64_t n,
    const std::function<void(std::int64_t, const ConfidenceProfile&)>& visit) const {
  n = std::min(n, n_resamples_);
  std::vector<std::int64_t> correct(cells_.size());
  for (std::int64_t b = 0; b * kLanes < n; ++b) {
    const auto block = draw(b);
    for (std::int64_t lane = 0; lane < kLanes && b * kLanes + lane < n; ++lane) {
      std::size_t row = 0;
      for (std::size_t c = 0; c < cells_.size(); ++c) {
        correct[c] = exact_ ? 0
                            : static_cast<std::int64_t>(
                                  block.counts[c * kLanes + static_cast<std::size_t>(lane)]);
        for (std::int64_t i = 0; exact_ && i < cells_.groups()[c].count; ++i) {
          correct[c] += static_cast<std::int64_t>((block.masks[row++] >> lane) & 1U);
        }
      }
      visit(b * kLanes + lane, cells_.with_correct(correct));
    }
  }
}

}  // namespace calsweep::analysis
