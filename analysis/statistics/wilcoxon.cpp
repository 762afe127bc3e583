#include "analysis/statistics/wilcoxon.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "analysis/statistics/hodges_lehmann.hpp"
#include "analysis/statistics/normal_tail.hpp"

namespace calsweep::analysis {
namespace {

struct RankSums {
  std::int64_t doubled_plus = 0, doubled_minus = 0;  // of the non-zero differences
};

RankSums rank_sums(const SignedRanks& ranks) {
  RankSums sums;
  for (const auto rank : ranks.doubled) {
    (rank > 0 ? sums.doubled_plus : sums.doubled_minus) += std::abs(rank);
  }
  return sums;
}

void set_statistics(const RankSums& sums, const SignedRanks& ranks, ZeroMethod zero_method,
                    SignedRankTest& test) {
  const auto doubled_zeros =
      zero_method == ZeroMethod::Split ? ranks.n_zero * (ranks.n_zero + 1) / 2 : 0;
  const auto plus = static_cast<double>(sums.doubled_plus + doubled_zeros);
  const auto minus = static_cast<double>(sums.doubled_minus + doubled_zeros);
  test.w_plus = Measured::of(plus / 2.0);
  test.w_minus = Measured::of(minus / 2.0);
  test.w = Measured::of(std::min(plus, minus) / 2.0);
  test.rank_biserial = Measured::of((plus - minus) / (plus + minus));
}

/// Split adds a constant to both sides, so its sign patterns are those of Pratt.
void set_exact_p(const SignedRanks& ranks, const RankSums& sums, Alternative alternative,
                 SignedRankTest& test) {
  const bool two_sided = alternative == Alternative::TwoSided;
  auto limit = std::min(sums.doubled_plus, sums.doubled_minus);
  // P(W+ >= w+) = P(W- <= w-), and W- has the same distribution as W+.
  if (alternative == Alternative::Greater) limit = sums.doubled_minus;
  if (alternative == Alternative::Less) limit = sums.doubled_plus;
  const auto count = count_sign_patterns(ranks.doubled, limit);
  if (!count) {
    test.p_exact = test.log10_p_exact =
        Measured::none(ranks.n_nonzero() > kExactSignedRankLimit
                           ? fmt::format("more than {} non-zero differences: asymptotic p only",
                                         kExactSignedRankLimit)
                           : "too many zero differences for an exact p");
    return;
  }
  const auto shift = static_cast<int>((two_sided ? 1 : 0) - ranks.n_nonzero());
  const long double p = std::min(1.0L, std::ldexp(static_cast<long double>(*count), shift));
  test.p_exact = Measured::of(static_cast<double>(p));
  test.log10_p_exact = Measured::of(static_cast<double>(std::log10(p)));
}

struct NormalApproximation {
  double mean = 0.0, sd = 0.0;
};

/// Pratt: Cureton 1967. Split: the zeros are one more group of ties.
NormalApproximation approximate(const SignedRanks& ranks, ZeroMethod zero_method) {
  const auto rank_sum = [](double n) { return n * (n + 1.0) / 4.0; };
  const auto rank_squares = [](double n) { return n * (n + 1.0) * (2.0 * n + 1.0) / 24.0; };
  const auto zeros = static_cast<double>(ranks.n_zero);
  const auto nonzero = static_cast<double>(ranks.n_nonzero());
  double mean = rank_sum(nonzero);
  double variance = rank_squares(nonzero);
  double tie_term = ranks.tie_term;
  if (zero_method != ZeroMethod::Wilcox) {
    mean = rank_sum(nonzero + zeros);
    variance = rank_squares(nonzero + zeros);
  }
  if (zero_method == ZeroMethod::Pratt) {
    mean -= rank_sum(zeros);
    variance -= rank_squares(zeros);
  }
  if (zero_method == ZeroMethod::Split) tie_term += zeros * zeros * zeros - zeros;
  return {mean, std::sqrt(variance - tie_term / 48.0)};
}

void set_asymptotic_p(const SignedRanks& ranks, const SignedRankOptions& options,
                      SignedRankTest& test) {
  const auto normal = approximate(ranks, options.zero_method);
  const double half = options.continuity ? 0.5 : 0.0;
  double z = 0.0;
  switch (options.alternative) {
    case Alternative::TwoSided:
      z = std::max(0.0, std::abs(test.w.value - normal.mean) - half) / normal.sd;
      test.p_asymptotic = Measured::of(two_sided_p(z));
      test.log10_p_asymptotic = Measured::of(log10_two_sided_p(z));
      break;
    case Alternative::Greater:
      z = (test.w_plus.value - normal.mean - half) / normal.sd;
      test.p_asymptotic = Measured::of(upper_tail_p(z));
      test.log10_p_asymptotic = Measured::of(log10_upper_tail_p(z));
      break;
    case Alternative::Less:
      z = (test.w_plus.value - normal.mean + half) / normal.sd;
      test.p_asymptotic = Measured::of(upper_tail_p(-z));
      test.log10_p_asymptotic = Measured::of(log10_upper_tail_p(-z));
      break;
  }
  test.z = Measured::of(z);
  test.r = Measured::of(std::abs(z) / std::sqrt(static_cast<double>(test.n_pairs)));
}

bool wants_exact(const SignedRanks& ranks, PValueRule rule) {
  const bool plain = ranks.n_zero == 0 && !ranks.has_ties();
  const auto n_pairs = static_cast<std::int64_t>(ranks.doubled.size());
  switch (rule) {
    case PValueRule::ExactWherePossible:
      return true;
    case PValueRule::Asymptotic:
      return false;
    case PValueRule::Scipy:
      return n_pairs <= (plain ? 50 : 13);
    case PValueRule::R:
      return plain && n_pairs < 50;
  }
  return true;
}

void set_no_test(const std::string& reason, SignedRankTest& test) {
  for (auto* field : {&test.w_plus, &test.w_minus, &test.w, &test.z, &test.p_exact,
                      &test.p_asymptotic, &test.log10_p_exact, &test.log10_p_asymptotic, &test.p,
                      &test.log10_p, &test.r, &test.rank_biserial}) {
    *field = Measured::none(reason);
  }
}

}  // namespace

SignedRankOptions SignedRankOptions::paper() { return {.rule = PValueRule::Asymptotic}; }
SignedRankOptions SignedRankOptions::scipy() { return {.rule = PValueRule::Scipy}; }
SignedRankOptions SignedRankOptions::r() { return {.continuity = true, .rule = PValueRule::R}; }

SignedRankTest signed_rank_test(std::span<const double> differences,
                                const SignedRankOptions& options, double tolerance) {
  check_finite(differences, "signed-rank test");
  SignedRankTest test;
  test.n_pairs = static_cast<std::int64_t>(differences.size());
  test.median_difference = median(differences);
  test.hodges_lehmann = hodges_lehmann_estimate(differences);
  const auto ranks = signed_ranks(differences, tolerance, options.zero_method);
  test.n_zero = ranks.n_zero;
  test.has_ties = ranks.has_ties();
  if (ranks.n_nonzero() == 0) {
    set_no_test(test.n_pairs == 0 ? "no pairs" : "all differences are zero", test);
    return test;
  }
  const auto sums = rank_sums(ranks);
  set_statistics(sums, ranks, options.zero_method, test);
  set_exact_p(ranks, sums, options.alternative, test);
  set_asymptotic_p(ranks, options, test);
  const auto chosen = choose_p(wants_exact(ranks, options.rule), test.p_exact, test.log10_p_exact,
                               test.p_asymptotic, test.log10_p_asymptotic);
  test.p = chosen.p;
  test.log10_p = chosen.log10_p;
  test.p_used = chosen.used;
  return test;
}

SignedRankTest signed_rank_test(std::span<const double> differences, double tolerance) {
  return signed_rank_test(differences, SignedRankOptions(), tolerance);
}

SignedRankTest paired_signed_rank_test(std::span<const double> a, std::span<const double> b,
                                       const SignedRankOptions& options) {
  const auto differences = paired_differences(a, b, options.relative_tie_tolerance);
  return signed_rank_test(differences.values, options, differences.tolerance);
}

}  // namespace calsweep::analysis
