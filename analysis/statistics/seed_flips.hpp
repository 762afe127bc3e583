// The sign-flip test over seeds: is the sum of one contribution per seed far from zero, if each
// contribution could as well have had the other sign?
//
// Contributions are integers (fixed point), so sums are exact, whatever the order of seeds. Up to
// 40 seeds all 2^n sign patterns are counted, by sorting the sums of both halves; above, patterns
// are drawn from a keyed generator.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "analysis/statistics/distribution_tails.hpp"

namespace calsweep::analysis {

inline constexpr std::size_t kExactFlipLimit = 40;
inline constexpr std::int64_t kSampledFlips = 99'999;

struct SeedFlipTest {
  TailProbability two_sided;  ///< P(|sum of flipped contributions| >= |their sum|)
  bool is_exact = true;
  std::int64_t n_flips = 0;    ///< patterns drawn; 0 if all were counted
  Measured monte_carlo_error;  ///< standard error of p; no value for an exact one
};

/// Patterns within `slack` of the observed sum count as at least as extreme (rounding). Zero
/// contributions do not matter. A sampled p is (1 + extreme) / (1 + drawn). `key`: names the draws.
SeedFlipTest seed_flip_test(std::span<const std::int64_t> contributions, std::int64_t slack,
                            std::string_view key);

}  // namespace calsweep::analysis
