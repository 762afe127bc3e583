#include "analysis/statistics/studentized_range.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/math/constants/constants.hpp>
#include <boost/math/quadrature/gauss_kronrod.hpp>
#include <boost/math/tools/roots.hpp>
#include <cmath>
#include <cstdint>
#include <limits>

#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

/// The normal density is below 1e-320 beyond: nothing a double can hold is left out.
constexpr double kEdge = 38.0;

double normal_cdf(double z) {
  return std::erfc(-z * boost::math::constants::one_div_root_two<double>()) / 2.0;
}

double density(double z) {
  return std::exp(-z * z / 2.0) * boost::math::constants::one_div_root_two_pi<double>();
}

}  // namespace

double normal_range_tail(double q, int k) {
  if (!(q > 0.0)) return 1.0;
  const double others = k - 1.0;
  // As Phi(z)^(k-1) * (1 - (1 - Phi(z-q) / Phi(z))^(k-1)): no difference of nearly equal numbers.
  const auto integrand = [&](double z) {
    const double below = normal_cdf(z);
    if (below <= 0.0) return 0.0;
    const double share = normal_cdf(z - q) / below;
    const double out = share >= 1.0 ? 1.0 : -std::expm1(others * std::log1p(-share));
    return k * density(z) * std::pow(below, others) * out;
  };
  using Rule = boost::math::quadrature::gauss_kronrod<double, 61>;
  double tail = 0.0;
  for (double from = -kEdge; from < kEdge; from += 4.0) {
    tail += Rule::integrate(integrand, from, from + 4.0, 8, 1e-12);
  }
  return std::min(tail, 1.0);
}

double normal_range_quantile(double alpha, int k) {
  if (k < 2 || !(alpha > 0.0 && alpha < 1.0)) {
    throw UsageError(
        fmt::format("no critical difference for {} methods at level {}: it takes two "
                    "methods or more and a level between 0 and 1",
                    k, alpha));
  }
  const auto excess = [&](double q) { return std::log(normal_range_tail(q, k) / alpha); };
  double high = 4.0;
  while (excess(high) > 0.0 && high < kEdge) high *= 2.0;
  std::uintmax_t iterations = 200;
  const auto bracket = boost::math::tools::toms748_solve(
      excess, 1e-9, high, boost::math::tools::eps_tolerance<double>(45), iterations);
  return (bracket.first + bracket.second) / 2.0;
}

double nemenyi_q(double alpha, int k) {
  return normal_range_quantile(alpha, k) * boost::math::constants::one_div_root_two<double>();
}

}  // namespace calsweep::analysis
