#include "analysis/statistics/paired_t.hpp"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>

#include "analysis/statistics/paired_differences.hpp"

namespace calsweep::analysis {
namespace {

void set_p(double t, double df, Alternative alternative, PairedTTest& test) {
  const boost::math::students_t_distribution<long double> student(df);
  long double p = 0.0L;
  switch (alternative) {
    case Alternative::TwoSided:
      p = std::min(1.0L, 2.0L * boost::math::cdf(student, -std::abs(static_cast<long double>(t))));
      break;
    case Alternative::Greater:
      p = boost::math::cdf(student, -static_cast<long double>(t));
      break;
    case Alternative::Less:
      p = boost::math::cdf(student, static_cast<long double>(t));
      break;
  }
  test.p = Measured::of(static_cast<double>(p));
  test.log10_p = p > 0.0L ? Measured::of(static_cast<double>(std::log10(p)))
                          : Measured::none("p is below 1e-4932");
}

void set_no_test(const std::string& reason, PairedTTest& test) {
  for (auto* field : {&test.t, &test.df, &test.p, &test.log10_p, &test.cohen_dz}) {
    *field = Measured::none(reason);
  }
}

}  // namespace

PairedTTest paired_t_test(std::span<const double> differences, double tolerance,
                          Alternative alternative) {
  check_finite(differences, "paired t test");
  PairedTTest test;
  test.n_pairs = static_cast<std::int64_t>(differences.size());
  test.mean_difference = test.sd = Measured::none("no pairs");
  if (differences.empty()) {
    set_no_test("no pairs", test);
    return test;
  }
  const auto n = static_cast<double>(differences.size());
  double sum = 0.0;
  for (const double d : differences) sum += d;
  const double mean = sum / n;
  test.mean_difference = Measured::of(mean);
  if (differences.size() < 2) {
    test.sd = Measured::none("one pair has no spread");
    set_no_test("one pair has no spread", test);
    return test;
  }
  double squares = 0.0;
  for (const double d : differences) squares += (d - mean) * (d - mean);
  const double sd = std::sqrt(squares / (n - 1.0));
  test.sd = Measured::of(sd);
  const auto [low, high] = std::minmax_element(differences.begin(), differences.end());
  if (*high - *low <= tolerance) {
    set_no_test("all differences are equal", test);
    return test;
  }
  test.cohen_dz = Measured::of(mean / sd);
  test.t = Measured::of(mean / (sd / std::sqrt(n)));
  test.df = Measured::of(n - 1.0);
  set_p(test.t.value, n - 1.0, alternative, test);
  return test;
}

}  // namespace calsweep::analysis
