#include "analysis/statistics/sign_test.hpp"

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <cmath>

#include "analysis/statistics/paired_differences.hpp"

namespace calsweep::analysis {
namespace {

/// P(X <= k) for X ~ Binomial(n, 1/2).
long double lower_tail(std::int64_t k, std::int64_t n) {
  if (k >= n) return 1.0L;
  if (k < 0) return 0.0L;
  return boost::math::cdf(
      boost::math::binomial_distribution<long double>(static_cast<long double>(n), 0.5L),
      static_cast<long double>(k));
}

}  // namespace

SignTest sign_test(std::span<const double> differences, double tolerance, Alternative alternative) {
  check_finite(differences, "sign test");
  SignTest test;
  test.n_pairs = static_cast<std::int64_t>(differences.size());
  for (const double d : differences) {
    if (std::abs(d) <= tolerance) {
      ++test.n_zero;
    } else {
      ++(d > 0.0 ? test.n_positive : test.n_negative);
    }
  }
  const auto n = test.n_positive + test.n_negative;
  if (n == 0) {
    test.p = test.log10_p =
        Measured::none(test.n_pairs == 0 ? "no pairs" : "all differences are zero");
    return test;
  }
  long double p = 0.0L;
  switch (alternative) {
    case Alternative::TwoSided:
      p = std::min(1.0L, 2.0L * lower_tail(std::min(test.n_positive, test.n_negative), n));
      break;
    case Alternative::Greater:
      p = lower_tail(test.n_negative, n);
      break;
    case Alternative::Less:
      p = lower_tail(test.n_positive, n);
      break;
  }
  test.p = Measured::of(static_cast<double>(p));
  test.log10_p = p > 0.0L ? Measured::of(static_cast<double>(std::log10(p)))
                          : Measured::none("p is below 1e-4932");
  return test;
}

}  // namespace calsweep::analysis
