// One metric over the whole grid, as `show` needs it: read from results.db into plain values.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace calsweep::analysis {

struct GridAxis {
  std::string name;
  std::vector<std::string> values;  ///< distinct, as displayed, in order of first use
};

/// One method in one cell.
struct GridEntry {
  std::int64_t n = 0;
  std::optional<double> mean, sd;
  std::string verdict;  ///< "better", "worse", "not significant", or empty
  std::string null_reason;
  std::int64_t n_pairs = 0, family_size = 0;
};

struct GridMethod {
  std::string name;
  bool is_reference = false, is_ensemble = false;
  std::vector<std::optional<GridEntry>> entries;  ///< by cell; absent where excluded
};

struct GridResults {
  std::string sweep, metric, title;  ///< title: "ECE (guo2017, 15 bins)"
  std::string better;                ///< "lower", "higher", "none"
  std::string reference;
  double alpha = 0.05;
  bool compared = false;
  std::int64_t n_seeds = 0, n_missing = 0;
  std::vector<GridAxis> axes;
  std::vector<std::vector<std::size_t>> cells;  ///< [cell][axis]: index into GridAxis::values
  std::vector<GridMethod> methods;              ///< the reference first
};

/// Cells of a method by verdict.
struct VerdictTally {
  int better = 0, worse = 0, not_significant = 0, untested = 0;
  std::int64_t n_pairs = 0, family_size = 0;  ///< the most of any cell
  /// Fewest pairs that could pass Holm's correction at all: family_size * 2^(1 - n) <= alpha.
  std::int64_t pairs_needed = 0;
  std::string null_reason;  ///< of an untested cell
};
VerdictTally tally(const GridMethod& method, double alpha);
/// "better in 3, worse in 0 of 4 cells", and what the number of pairs rules out.
std::string sentence(const VerdictTally& tally);

/// The most replicates that any cell of the method has.
std::int64_t largest_n(const GridMethod& method);

/// Throws UsageError for an unknown metric, naming the nearest and all others.
GridResults read_grid(const std::filesystem::path& results_db, const std::string& metric);

}  // namespace calsweep::analysis
