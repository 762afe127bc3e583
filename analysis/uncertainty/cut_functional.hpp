// Errors that depend on nothing but sums before some cuts of a sorted profile: how many rows, how
// many of them correct, and their confidences. Under resampling only these few sums change, so an
// error costs its cuts and not the rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "analysis/metrics/confidence_bins.hpp"
#include "analysis/metrics/confidence_profile.hpp"

namespace calsweep::analysis {

/// Sums over the groups before a cut.
struct CutSums {
  double rows = 0.0, correct = 0.0, confidence = 0.0;
};

struct CutFunctional {
  std::string name;
  std::vector<std::size_t> cuts;  ///< numbers of groups, ascending, each at most profile.size()
  /// sums: [cuts.size()], of at least one row in all.
  std::function<double(std::span<const CutSums> sums)> value;
};

/// Sums of the profile as it is.
std::vector<CutSums> cut_sums(const ConfidenceProfile& profile, std::span<const std::size_t> cuts);

/// The error of parts of the sorted rows that may cut through ties (rank_split_tallies(),
/// hendrycks_errors()): part p holds the rows [ranks[p], ranks[p + 1]); tied rows are shared out
/// evenly. ranks: ascending, in [0, n_rows].
CutFunctional rank_cuts(std::string name, const ConfidenceProfile& profile,
                        const std::vector<std::int64_t>& ranks,
                        std::function<double(std::span<const BinTally>, std::int64_t)> value);

/// ECE sweep as sweep_error(profile, largest) finds it; the cuts of its bins are those of the
/// profile. About 0.3 largest^2 cuts.
CutFunctional sweep_cuts(std::string name, const ConfidenceProfile& profile,
                         std::int64_t largest = 64);

/// SmoothECE on 1024 equal cells of [0, 1], each row at the middle of its cell; the width is found
/// to 0.1 % and is not below 1/1024. Within about 1 % of smooth_ece() where that exceeds 0.003.
CutFunctional smooth_cuts(std::string name, const ConfidenceProfile& profile);

/// MMCE on the same cells: within 0.3 % of kernel_calibration_error().
CutFunctional kernel_cuts(std::string name, const ConfidenceProfile& profile);

}  // namespace calsweep::analysis
