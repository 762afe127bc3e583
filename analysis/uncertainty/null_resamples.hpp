// Outcomes that a perfectly calibrated model with the same confidences would have had: each row is
// correct with probability equal to its confidence (Broecker & Smith 2007, consistency resampling).
//
// 64 resamples are drawn at once: one bit per resample and row, comparing a uniform number with
// the confidence from the highest bit on until all 64 are decided (about 8 random words a row), so
// that each draw has exactly the row's probability. Above `exact_rows` rows, neighbouring groups
// are merged into cells, cut at every bin edge in use, and a cell's count is binomial at its mean
// confidence. The generator of block b of 64 is keyed by `key` and b alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "analysis/metrics/confidence_profile.hpp"
#include "sweeps/random.hpp"

namespace calsweep::analysis {

struct NullOptions {
  std::int64_t n_resamples = 1000;
  std::string key = "null";           ///< same key, same confidences: same draws
  std::int64_t exact_rows = 100'000;  ///< above it, binomial draws per cell
  std::int64_t n_cells = 1024;        ///< of equal mass; bin edges cut further
};

/// 64 Bernoulli(p) bits. p in [0, 1].
std::uint64_t bernoulli_mask(Random& random, double p);

/// Binomial(n, p), exact: beta splitting (Devroye 1986, X.4) down to 2048 trials, then bits.
std::int64_t binomial_draw(Random& random, std::int64_t n, double p);

class NullResamples {
 public:
  /// `cuts`: numbers of groups, each in [0, profile.size()]: where cumulative counts are wanted.
  /// `sparse_cuts`: where they are wanted of the first `n_sparse` resamples only; they may be many.
  NullResamples(const ConfidenceProfile& profile, std::vector<std::size_t> cuts,
                const NullOptions& options, std::vector<std::size_t> sparse_cuts = {},
                std::int64_t n_sparse = 0);

  std::int64_t size() const { return n_resamples_; }
  std::int64_t n_sparse() const { return n_sparse_; }  ///< at most size()
  /// Correct rows in the groups before `cut`: [size()] of one of `cuts`, [n_sparse()] of one of
  /// `sparse_cuts` that is not among them.
  std::span<const double> correct_before(std::size_t cut) const;
  /// Largest |sum of (confidence - correct)| over the cells up to some cell, as in ks_error, times
  /// the rows.
  std::span<const double> largest_gaps() const { return largest_gap_; }
  /// Sum of (confidence - correct)^2 over rows.
  std::span<const double> sums_of_squares() const { return sum_of_squares_; }
  /// The observed profile with its cells; the profile itself up to `exact_rows`.
  const ConfidenceProfile& cells() const { return cells_; }
  /// Calls `visit(r, profile)` for the first `n` resamples, with the profile of cells.
  void visit_profiles(
      std::int64_t n,
      const std::function<void(std::int64_t, const ConfidenceProfile&)>& visit) const;

 private:
  struct Block;
  Block draw(std::int64_t b) const;
  void walk(std::int64_t b, const Block& block);

  /// One cut: in groups of the profile, in cells, and where its counts are.
  struct Track {
    std::size_t cut = 0, cell_cut = 0, first = 0, n_lanes = 0, n_resamples = 0;
  };
  void plan_tracks(std::vector<std::size_t> cuts, std::vector<std::size_t> sparse_cuts);
  void make_cells(const ConfidenceProfile& profile, std::int64_t n_cells);

  ConfidenceProfile cells_;
  bool exact_;
  std::int64_t n_resamples_, n_sparse_, n_lanes_;
  std::string key_;
  std::vector<Track> tracks_;                         // cuts ascending
  std::vector<double> correct_before_;                // per track, [lanes]
  std::vector<double> largest_gap_, sum_of_squares_;  // [lanes]
};

}  // namespace calsweep::analysis
