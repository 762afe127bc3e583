// Four doubles at once: exp, log and rounding to fixed point from IEEE-defined operations only
// (add, subtract, multiply, divide, fused multiply-add where it is written, integer and bit
// operations). Whatever instructions the compiler picks, the bits are the same. Only
// row_kernel_body.hpp includes this file; nothing here may need a function that other units share
// (row_kernel_avx2.cpp).
//
// Polynomials: interpolation at Chebyshev nodes, relative error below 2^-55 (exp) and 2^-57 (log)
// before rounding. With it exp is within 1.1 ulp of the true value: half an ulp for the last sum,
// and below 1 a quarter each for the reduced argument and the term beside 1. log is within 1 ulp.
#pragma once

#include <cstdint>

#if defined(__AVX2__) && defined(__FMA__)
#define CALSWEEP_AVX2 1
#include <immintrin.h>
#else
#define CALSWEEP_AVX2 0
#endif

namespace calsweep::analysis::vec {

using Doubles = double __attribute__((vector_size(32)));
using Longs = std::int64_t __attribute__((vector_size(32)));
using Floats = float __attribute__((vector_size(16)));
using Ints = std::int32_t __attribute__((vector_size(16)));
inline constexpr int kLanes = 4;
// Twice as many rows where float32 will do.
using WideFloats = float __attribute__((vector_size(32)));
using WideInts = std::int32_t __attribute__((vector_size(32)));
inline constexpr int kWideLanes = 8;

#define CALSWEEP_INLINE static inline __attribute__((always_inline))

CALSWEEP_INLINE Longs bits(Doubles x) { return reinterpret_cast<Longs>(x); }
CALSWEEP_INLINE Doubles from_bits(Longs x) { return reinterpret_cast<Doubles>(x); }
CALSWEEP_INLINE Doubles all(double x) { return Doubles{x, x, x, x}; }
CALSWEEP_INLINE Longs all_bits(double x) { return bits(all(x)); }
CALSWEEP_INLINE Doubles select(Longs mask, Doubles yes, Doubles no) { return mask ? yes : no; }
CALSWEEP_INLINE Doubles widened(Floats x) {
#if CALSWEEP_AVX2
  return _mm256_cvtps_pd(x);  // one instruction; GCC 12 makes four of the line below
#else
  return __builtin_convertvector(x, Doubles);
#endif
}
CALSWEEP_INLINE Floats rounded(Doubles x) {
#if CALSWEEP_AVX2
  return _mm256_cvtpd_ps(x);
#else
  return __builtin_convertvector(x, Floats);
#endif
}
/// Bit i is the sign of lane i.
CALSWEEP_INLINE std::uint64_t signs(Longs x) {
#if CALSWEEP_AVX2
  return static_cast<std::uint64_t>(_mm256_movemask_pd(from_bits(x)));
#else
  const Longs sign = x < 0;
  return static_cast<std::uint64_t>((sign[0] & 1) | (sign[1] & 2) | (sign[2] & 4) | (sign[3] & 8));
#endif
}
/// a * b + c, rounded once. Machines without the instruction compute it in the C library.
CALSWEEP_INLINE Doubles fused(Doubles a, Doubles b, Doubles c) {
#if CALSWEEP_AVX2
  return _mm256_fmadd_pd(a, b, c);
#else
  return Doubles{__builtin_fma(a[0], b[0], c[0]), __builtin_fma(a[1], b[1], c[1]),
                 __builtin_fma(a[2], b[2], c[2]), __builtin_fma(a[3], b[3], c[3])};
#endif
}
CALSWEEP_INLINE Doubles fused(Doubles a, double b, Doubles c) { return fused(a, all(b), c); }
CALSWEEP_INLINE Doubles fused(Doubles a, double b, double c) { return fused(a, all(b), all(c)); }
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
  const Doubles shifted = fused(x, 0x1.71547652b82fep+0, magic);
  const Doubles n = shifted - magic;
  const Doubles r = fused(n, -0x1.a39ef35793c76p-33, fused(n, -0x1.62e42fee00000p-1, x));
  const Doubles r2 = r * r;
  const Doubles q01 = fused(r, 0x1.5555555555556p-3, 0x1.0000000000001p-1);
  const Doubles q23 = fused(r, 0x1.11111111109b5p-7, 0x1.5555555553d68p-5);
  const Doubles q45 = fused(r, 0x1.a01a01a7c2f2cp-13, 0x1.6c16c17889f3cp-10);
  const Doubles q67 = fused(r, 0x1.71de0db2eb873p-19, 0x1.a019b914881bap-16);
  const Doubles q89 = fused(r, 0x1.af389eea54156p-26, 0x1.28917c9f3a495p-22);
  const Doubles q = fused(r2, fused(r2, fused(r2, fused(r2, q89, q67), q45), q23), q01);
  const Doubles e = 1.0 + fused(r2, q, r);
  const Longs scaled = bits(e) + (bits(shifted) << 52);
  return from_bits(scaled & in_range);
}

/// Natural logarithm of finite x >= 2^-1022, plus `shift` log 2.
CALSWEEP_INLINE Doubles log_normal(Doubles x, Doubles shift) {
  const Longs from_root_half = bits(x) - all_bits(0x1.6a09e667f3bcdp-1);
  // The exponent k with x / 2^k in [sqrt(1/2), sqrt(2)), plus 1024 to stay positive.
  const Longs biased = (from_root_half + (Longs{1024, 1024, 1024, 1024} << 52)) >> 52;
  const Longs kept = biased & 4095;
  const Doubles k = from_bits(kept | all_bits(0x1p52)) - (0x1p52 + 1024.0) + shift;
  const Doubles m = from_bits(bits(x) - ((kept - 1024) << 52));
  const Doubles f = m - 1.0;
  const Doubles s = f / (2.0 + f);
  const Doubles z = s * s;
  const Doubles z2 = z * z;
  const Doubles p01 = fused(z, 0x1.99999999952e2p-2, 0x1.5555555555558p-1);
  const Doubles p23 = fused(z, 0x1.c71c62e5786e8p-3, 0x1.2492492df14ecp-2);
  const Doubles p45 = fused(z, 0x1.39fe601d4a8bep-3, 0x1.7462b4ad593f7p-3);
  const Doubles p = fused(z2, fused(z2, fused(z2, 0x1.2b584e280d258p-3, p45), p23), p01);
  const Doubles half_square = 0.5 * f * f;
  const Doubles low = fused(s, fused(z, p, half_square), k * 0x1.a39ef35793c76p-33);
  return fused(k, 0x1.62e42fee00000p-1, f - (half_square - low));
}

/// Natural logarithm of finite x > 0, subnormal numbers included.
CALSWEEP_INLINE Doubles log_positive(Doubles x) {
  const Longs tiny = x < all(0x1p-1022);
  return log_normal(select(tiny, x * 0x1p54, x), from_bits(tiny & all_bits(-54.0)));
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
