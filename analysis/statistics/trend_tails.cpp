#include "analysis/statistics/trend_tails.hpp"

#include <algorithm>
#include <cmath>

namespace calsweep::analysis {

TrendTail no_trend_tail(const std::string& reason) {
  const auto none = TailProbability::none(reason);
  return {none, none, none};
}

TrendTest no_trend_test(const std::string& reason) {
  TrendTest test;
  for (auto* field :
       {&test.statistic, &test.mean, &test.standard_deviation, &test.z, &test.effect}) {
    *field = Measured::none(reason);
  }
  test.exact = test.asymptotic = no_trend_tail(reason);
  return test;
}

TrendTail trend_tail(long double upper, long double lower) {
  return {TailProbability::of(upper), TailProbability::of(lower),
          TailProbability::of(std::min(1.0L, 2.0L * std::min(upper, lower)))};
}

void set_moments(double statistic, double mean, double variance, TrendTest& test) {
  const double sd = std::sqrt(variance);
  const double z = (statistic - mean) / sd;
  test.statistic = Measured::of(statistic);
  test.mean = Measured::of(mean);
  test.standard_deviation = Measured::of(sd);
  test.z = Measured::of(z);
  test.asymptotic = {normal_upper_tail(z), normal_upper_tail(-z), normal_two_sided_tail(z)};
}

}  // namespace calsweep::analysis
