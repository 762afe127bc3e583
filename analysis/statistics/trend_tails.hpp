// Pieces that Page's and Jonckheere's tests share: tails of both alternatives, the normal one.
#pragma once

#include <string>

#include "analysis/statistics/trend_tests.hpp"

namespace calsweep::analysis {

TrendTail no_trend_tail(const std::string& reason);
TrendTest no_trend_test(const std::string& reason);
/// From P(statistic >= observed) and P(statistic <= observed).
TrendTail trend_tail(long double upper, long double lower);
/// Statistic, moments, z and the asymptotic tails. variance > 0.
void set_moments(double statistic, double mean, double variance, TrendTest& test);

}  // namespace calsweep::analysis
