// The sign test for paired samples: is a difference as likely to be positive as negative? Exact,
// from the binomial distribution; it uses neither ranks nor magnitudes.
#pragma once

#include <cstdint>
#include <span>

#include "analysis/measured.hpp"
#include "analysis/statistics/alternative.hpp"

namespace calsweep::analysis {

struct SignTest {
  std::int64_t n_pairs = 0;  ///< zeros included
  std::int64_t n_zero = 0, n_positive = 0, n_negative = 0;
  Measured p;        ///< two-sided: 2 * the smaller tail of Binomial(n_positive + n_negative, 1/2)
  Measured log10_p;  ///< down to -4931 (long double)
};

/// Differences within `tolerance` of zero are dropped. No pairs, or all zero: no p, with the
/// reason. Throws FormatError on a difference that is not finite.
SignTest sign_test(std::span<const double> differences, double tolerance = 0.0,
                   Alternative alternative = Alternative::TwoSided);

}  // namespace calsweep::analysis
