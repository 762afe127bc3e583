// Upper tails of the distributions the rank tests are referred to, with log10 of each, which stays
// finite where the probability underflows a double.
#pragma once

#include "analysis/measured.hpp"

namespace calsweep::analysis {

/// A probability and its decimal logarithm. Either both have a value or both carry the reason.
struct TailProbability {
  Measured p, log10_p;

  /// From a probability in extended precision (down to 1e-4932). 0: no value, with that reason.
  static TailProbability of(long double p);
  static TailProbability none(const std::string& reason);
};

/// P(chi-squared with `df` > 0 degrees of freedom >= x), x >= 0.
TailProbability chi_squared_tail(double x, double df);
/// P(F with (df1, df2) degrees of freedom >= x), x >= 0.
TailProbability f_tail(double x, double df1, double df2);
/// P(standard normal >= z), any sign.
TailProbability normal_upper_tail(double z);
/// 2 P(standard normal >= |z|).
TailProbability normal_two_sided_tail(double z);

}  // namespace calsweep::analysis
