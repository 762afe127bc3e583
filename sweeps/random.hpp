// Random numbers that belong to a trial and to nothing else.
//
// Every random number a trial uses comes from a generator of its own, keyed by what it is for, so a
// result does not depend on the worker count, on scheduling, on fusion or on being resumed, and
// paired trials share exactly the draws that pairing needs. Keys are SHA-256 of a text such as
// "calsweep/1|seed=3|member=0|order"; the generator is xoshiro256** (Blackman & Vigna 2021) seeded
// by splitmix64. Nothing here depends on a library's version.
//
// Purposes in use: "subset" (keyed by data.subset_seed and, for per-seed subsets, the seed),
// "init", "order", "noise", "mixup" (keyed by seed and member). Methods share all keys: that is the
// pairing.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace calsweep {

/// 64-bit key for (seed, member, purpose).
std::uint64_t random_key(std::uint64_t seed, std::int64_t member, std::string_view purpose);

class Random {
 public:
  /// All that the coming numbers depend on, for checkpoints.
  using State = std::array<std::uint64_t, 6>;

  explicit Random(std::uint64_t key);
  State state() const;
  void set_state(const State& state);
  std::uint64_t next();                      ///< 64 uniform bits
  double uniform();                          ///< in [0, 1), 53 bits
  std::uint64_t below(std::uint64_t bound);  ///< uniform in [0, bound), exact (Lemire 2019)
  double normal();                           ///< N(0, 1) (polar Box-Muller)
  double gamma(double shape);                ///< Gamma(shape, 1) (Marsaglia & Tsang 2000)
  double beta(double a, double b);           ///< Beta(a, b) as a ratio of gammas
  /// 0 … n-1 in random order (Fisher-Yates).
  std::vector<std::int64_t> permutation(std::int64_t n);

 private:
  std::uint64_t state_[4];
  double spare_normal_ = 0.0;
  bool has_spare_ = false;
};

}  // namespace calsweep
