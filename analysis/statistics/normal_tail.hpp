// Tails of the standard normal distribution, also where the probability underflows a double.
#pragma once

namespace calsweep::analysis {

/// 2 * Phi(-z), z >= 0; 0 for z above about 38.5.
double two_sided_p(double z);
/// log10 of the same, finite for every finite z (asymptotic series beyond z = 30, error < 1e-12).
double log10_two_sided_p(double z);

/// Phi(-z) = P(N(0, 1) > z), any sign.
double upper_tail_p(double z);
/// log10 of the same, finite for every finite z.
double log10_upper_tail_p(double z);

}  // namespace calsweep::analysis
