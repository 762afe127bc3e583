#include "analysis/statistics/distribution_tails.hpp"

#include <boost/math/special_functions/beta.hpp>
#include <boost/math/special_functions/gamma.hpp>
#include <cmath>

#include "analysis/statistics/normal_tail.hpp"

namespace calsweep::analysis {
namespace {

/// Extended precision ends at 1e-4932, which chi-squared reaches a little above x = 22,000.
constexpr double kAsymptoticFrom = 20'000.0;

/// log10 Q(a, x) for x far above a: x^(a-1) e^-x / Gamma(a) * (1 + (a-1)/x + (a-1)(a-2)/x^2 ...)
/// (DLMF 8.11.2).
double log10_gamma_tail(double a, double x) {
  double term = 1.0;
  double sum = 1.0;
  for (int i = 1; i <= 20 && std::abs(term) > 1e-17; ++i) {
    term *= (a - i) / x;
    sum += term;
  }
  return ((a - 1.0) * std::log(x) - x - std::lgamma(a) + std::log(sum)) / std::log(10.0);
}

}  // namespace

TailProbability TailProbability::of(long double p) {
  if (!(p > 0.0L)) return none("the p value is smaller than 1e-4932");
  return {Measured::of(static_cast<double>(p)), Measured::of(static_cast<double>(std::log10(p)))};
}

TailProbability TailProbability::none(const std::string& reason) {
  return {Measured::none(reason), Measured::none(reason)};
}

TailProbability chi_squared_tail(double x, double df) {
  if (x > kAsymptoticFrom && x > 10.0 * df) {
    return {Measured::of(0.0), Measured::of(log10_gamma_tail(df / 2.0, x / 2.0))};
  }
  return TailProbability::of(boost::math::gamma_q(static_cast<long double>(df) / 2.0L,
                                                  static_cast<long double>(x) / 2.0L));
}

TailProbability f_tail(double x, double df1, double df2) {
  const auto a = static_cast<long double>(df1);
  const auto b = static_cast<long double>(df2);
  const long double share = b / (b + a * static_cast<long double>(x));
  return TailProbability::of(boost::math::ibeta(b / 2.0L, a / 2.0L, share));
}

TailProbability normal_upper_tail(double z) {
  if (z < 0.0) return TailProbability::of(1.0L - static_cast<long double>(two_sided_p(-z)) / 2.0L);
  return {Measured::of(two_sided_p(z) / 2.0), Measured::of(log10_two_sided_p(z) - std::log10(2.0))};
}

TailProbability normal_two_sided_tail(double z) {
  return {Measured::of(two_sided_p(std::abs(z))), Measured::of(log10_two_sided_p(std::abs(z)))};
}

}  // namespace calsweep::analysis
