// Four doubles at once: exp, log and rounding to fixed point from IEEE-defined operations only
// (add, subtract, multiply, divide, integer and bit operations; no fused multiply-add). Whatever
// instructions the compiler picks, the bits are the same. Only row_kernel*.cpp and
// vector_exp.cpp include this file.
//
// Polynomials: interpolation at Chebyshev nodes, relative error below 2^-55 (exp) and 2^-57 (log)
// before rounding; together within 1 ulp of the true value for exp, 1 ulp for log.
#pragma once

#include <cstdint>

// A function with this in front is compiled twice: for the machine at hand and for every x86-64.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__)
#define CALSWEEP_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define CALSWEEP_CLONES
#endif

namespace calsweep::analysis::vec {

using Doubles = double __attribute__((vector_size(32)));
using Longs = std::int64_t __attribute__((vector_size(32)));
using Floats = float __attribute__((vector_size(16)));
using Ints = std::int32_t __attribute__((vector_size(16)));
inline constexpr int kLanes = 4;

#define CALSWEEP_INLINE static inline __attribute__((always_inline))

CALSWEEP_INLINE Longs bits(Doubles x) { return reinterpret_cast<Longs>(x); }
CALSWEEP_INLINE Doubles from_bits(Longs x) { return reinterpret_cast<Doubles>(x); }
CALSWEEP_INLINE Doubles all(double x) { return Doubles{x, x, x, x}; }
CALSWEEP_INLINE Longs all_bits(double x) { return bits(all(x)); }
CALSWEEP_INLINE Doubles select(Longs mask, Doubles yes, Doubles no) { return mask ? yes : no; }
CALSWEEP_INLINE Doubles widened(Floats x) { return __builtin_convertvector(x, Doubles); }
template <class Vector, class Element>
CALSWEEP_INLINE Vector load(const Element* from) {
  Vector x;
  __builtin_memcpy(&x, from, sizeof x);
  return x;
}
template <class Vector, class Element>
CALSWEEP_INLINE void store(Element* to, Vector x) {
  __builtin_memcpy(to, &x, sizeof x);
}

/// exp(x) for x <= 0; 0 below -708 (where the true value is under 3.4e-308); exp(0) = 1 exactly.
CALSWEEP_INLINE Doubles exp_nonpositive(Doubles x) {
  const Longs in_range = x > all(-708.0);  // whatever the rest makes of others is dropped
  const Doubles magic = all(0x1.8p52);
  const Doubles shifted = x * 0x1.71547652b82fep+0 + magic;
  const Doubles n = shifted - magic;
  const Doubles r = (x - n * 0x1.62e42fee00000p-1) - n * 0x1.a39ef35793c76p-33;
  const Doubles r2 = r * r;
  const Doubles r4 = r2 * r2;
  const Doubles q01 = 0x1.0000000000001p-1 + r * 0x1.5555555555556p-3;
  const Doubles q23 = 0x1.5555555553d68p-5 + r * 0x1.11111111109b5p-7;
  const Doubles q45 = 0x1.6c16c17889f3cp-10 + r * 0x1.a01a01a7c2f2cp-13;
  const Doubles q67 = 0x1.a019b914881bap-16 + r * 0x1.71de0db2eb873p-19;
  const Doubles q89 = 0x1.28917c9f3a495p-22 + r * 0x1.af389eea54156p-26;
  const Doubles q = (q01 + r2 * q23) + r4 * ((q45 + r2 * q67) + r4 * q89);
  const Doubles e = 1.0 + (r + r2 * q);
  const Longs scaled = bits(e) + (bits(shifted) << 52);
  return from_bits(scaled & in_range);
}

/// Natural logarithm of finite x > 0, subnormal numbers included.
CALSWEEP_INLINE Doubles log_positive(Doubles x) {
  const Longs tiny = x < all(0x1p-1022);
  x = select(tiny, x * 0x1p54, x);
  const Longs from_root_half = bits(x) - all_bits(0x1.6a09e667f3bcdp-1);
  // The exponent k with x / 2^k in [sqrt(1/2), sqrt(2)), plus 1024 to stay positive.
  const Longs biased = (from_root_half + (Longs{1024, 1024, 1024, 1024} << 52)) >> 52;
  const Longs kept = biased & 4095;
  const Doubles k =
      from_bits(kept | all_bits(0x1p52)) - (0x1p52 + 1024.0) - from_bits(tiny & all_bits(54.0));
  const Doubles m = from_bits(bits(x) - ((kept - 1024) << 52));
  const Doubles f = m - 1.0;
  const Doubles s = f / (2.0 + f);
  const Doubles z = s * s;
  const Doubles z2 = z * z;
  const Doubles p01 = 0x1.5555555555558p-1 + z * 0x1.99999999952e2p-2;
  const Doubles p23 = 0x1.2492492df14ecp-2 + z * 0x1.c71c62e5786e8p-3;
  const Doubles p45 = 0x1.7462b4ad593f7p-3 + z * 0x1.39fe601d4a8bep-3;
  const Doubles series = z * ((p01 + z2 * p23) + (z2 * z2) * (p45 + z2 * 0x1.2b584e280d258p-3));
  const Doubles half_square = 0.5 * f * f;
  const Doubles low = s * (half_square + series) + k * 0x1.a39ef35793c76p-33;
  return k * 0x1.62e42fee00000p-1 - ((half_square - low) - f);
}

/// x as a number of units of 2^-50, rounded to nearest even. 0 <= x <= 2.
CALSWEEP_INLINE Longs units_up_to_2(Doubles x) { return bits(x + 6.0) - all_bits(6.0); }

/// The same for 0 <= x <= 64: first the multiple of 2^-44, then the rest.
CALSWEEP_INLINE Longs units_up_to_64(Doubles x) {
  const Doubles shifted = x + 384.0;
  const Doubles rest = x - (shifted - 384.0);
  return ((bits(shifted) - all_bits(384.0)) << 6) + (bits(rest + 6.0) - all_bits(6.0));
}

}  // namespace calsweep::analysis::vec
