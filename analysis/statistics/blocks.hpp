// Measurements in complete blocks (every treatment measured once in every block) and their ranks:
// what Friedman's test, critical differences and Page's trend test start from.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace calsweep::analysis {

/// values[b * n_treatments + t]: treatment t in block b. Rank 1 is the smallest value: negate a
/// metric where higher is better to give the best method rank 1.
struct Blocks {
  std::size_t n_treatments = 0;
  std::vector<double> values;

  std::size_t n_blocks() const { return n_treatments == 0 ? 0 : values.size() / n_treatments; }
  std::span<const double> block(std::size_t b) const {
    return std::span(values).subspan(b * n_treatments, n_treatments);
  }
  double value(std::size_t b, std::size_t t) const { return values[b * n_treatments + t]; }
};

/// Throws FormatError naming `test` if a row is incomplete or a value is not finite.
void check_blocks(const Blocks& blocks, std::string_view test);

struct BlockRanks {
  std::vector<double> ranks;  ///< 1 … k, tied values share their mean rank
  double tie_term = 0.0;      ///< sum of t^3 - t over tied groups
};

/// Neighbours in value within `tolerance` of each other are tied.
BlockRanks mean_ranks(std::span<const double> values, double tolerance = 0.0);

/// kRelativeTieTolerance (wilcoxon.hpp) times the largest |value|: differences within it are noise.
double rounding_tolerance(std::span<const double> values);

}  // namespace calsweep::analysis
