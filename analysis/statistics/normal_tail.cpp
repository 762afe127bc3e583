#include "analysis/statistics/normal_tail.hpp"

#include <cmath>
#include <numbers>

namespace calsweep::analysis {

double two_sided_p(double z) { return std::erfc(z / std::numbers::sqrt2); }

double log10_two_sided_p(double z) {
  if (z < 30.0) return std::log10(two_sided_p(z));
  // Abramowitz & Stegun 26.2.12: Q(z) = phi(z)/z * (1 - 1/z^2 + 1*3/z^4 - ...), natural logs below.
  const double u = 1.0 / (z * z);
  const double series = 1.0 + u * (-1.0 + u * (3.0 + u * (-15.0 + u * (105.0 - u * 945.0))));
  const double log_q =
      -0.5 * z * z - std::log(z) - 0.5 * std::log(2.0 * std::numbers::pi) + std::log(series);
  return (log_q + std::numbers::ln2) / std::numbers::ln10;
}

double upper_tail_p(double z) { return 0.5 * two_sided_p(z); }

double log10_upper_tail_p(double z) { return log10_two_sided_p(z) - std::log10(2.0); }

}  // namespace calsweep::analysis
