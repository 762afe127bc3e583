// Sums that do not depend on the order of their terms: 128-bit integers in units of 2^-50.
//
// Each term is rounded once to a multiple of 2^-50 (8.9e-16); the integers then add up exactly, so
// shuffled rows, split sets and any number of ranks give the same bits. float32 confidences of at
// least 2^-27 are not rounded at all. Room: 2^77, that is 2^45 rows of 2^32.
#pragma once

#include <cmath>
#include <cstdint>

namespace calsweep::analysis {

__extension__ typedef __int128 Int128;

inline constexpr double kUnitsPerOne = 0x1p50;

struct FixedSum {
  Int128 units = 0;

  double value() const { return static_cast<double>(units) / kUnitsPerOne; }
  /// Sum over n; n > 0.
  double mean(std::int64_t n) const { return value() / static_cast<double>(n); }
  void add_units(std::int64_t term) { units += term; }
  void merge(const FixedSum& other) { units += other.units; }
  bool operator==(const FixedSum&) const = default;
};

/// x as a number of units, rounded to nearest. |x| < 2^36.
inline Int128 units_of(double x) {
  const double whole = std::floor(x);
  const double rest = std::nearbyint((x - whole) * kUnitsPerOne);
  return (static_cast<Int128>(whole) << 50) + static_cast<Int128>(rest);
}

}  // namespace calsweep::analysis
