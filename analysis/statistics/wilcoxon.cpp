#include "analysis/statistics/wilcoxon.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "analysis/statistics/normal_tail.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

/// The non-zero differences by magnitude; ranks doubled, so that mean ranks are integers.
struct RankedDifferences {
  std::vector<std::int64_t> doubled_ranks;  // ascending magnitude
  std::vector<bool> positive;
  double tie_term = 0.0;  // sum of t^3 - t
};

RankedDifferences rank(std::span<const double> differences, double tolerance) {
  std::vector<double> d;
  for (const double x : differences) {
    if (std::abs(x) > tolerance) d.push_back(x);
  }
  std::sort(d.begin(), d.end(), [](double a, double b) { return std::abs(a) < std::abs(b); });
  RankedDifferences ranked;
  std::size_t first = 0;
  while (first < d.size()) {
    std::size_t end = first + 1;
    while (end < d.size() && std::abs(d[end]) - std::abs(d[end - 1]) <= tolerance) ++end;
    const auto size = static_cast<double>(end - first);
    ranked.tie_term += size * size * size - size;
    for (std::size_t i = first; i < end; ++i) {
      ranked.doubled_ranks.push_back(static_cast<std::int64_t>(first + 1 + end));
      ranked.positive.push_back(d[i] > 0.0);
    }
    first = end;
  }
  return ranked;
}

/// Number of sign patterns whose doubled rank sum is at most `limit`.
std::uint64_t count_patterns(std::span<const std::int64_t> doubled_ranks, std::int64_t limit) {
  std::vector<std::uint64_t> patterns(static_cast<std::size_t>(limit) + 1, 0);
  patterns[0] = 1;
  for (const auto doubled_rank : doubled_ranks) {
    const auto rank = static_cast<std::size_t>(doubled_rank);
    for (std::size_t sum = patterns.size(); sum-- > rank;) patterns[sum] += patterns[sum - rank];
  }
  return std::accumulate(patterns.begin(), patterns.end(), std::uint64_t{0});
}

void set_exact_p(const RankedDifferences& ranked, std::int64_t doubled_w, SignedRankTest& test) {
  const auto n = static_cast<std::int64_t>(ranked.doubled_ranks.size());
  if (n > kExactSignedRankLimit) {
    test.p_exact = test.log10_p_exact = Measured::none(
        fmt::format("more than {} non-zero differences: asymptotic p only", kExactSignedRankLimit));
    return;
  }
  const auto tail = static_cast<long double>(count_patterns(ranked.doubled_ranks, doubled_w));
  const long double p = std::min(1.0L, std::ldexp(tail, static_cast<int>(1 - n)));
  test.p_exact = Measured::of(static_cast<double>(p));
  test.log10_p_exact = Measured::of(static_cast<double>(std::log10(p)));
}

void set_asymptotic_p(const RankedDifferences& ranked, SignedRankTest& test) {
  const auto n = static_cast<double>(ranked.doubled_ranks.size());
  const double mean = n * (n + 1.0) / 4.0;
  const double variance = n * (n + 1.0) * (2.0 * n + 1.0) / 24.0 - ranked.tie_term / 48.0;
  const double z = std::abs(test.w.value - mean) / std::sqrt(variance);
  test.z = Measured::of(z);
  test.p_asymptotic = Measured::of(two_sided_p(z));
  test.log10_p_asymptotic = Measured::of(log10_two_sided_p(z));
  test.r = Measured::of(z / std::sqrt(static_cast<double>(test.n_pairs)));
}

Measured hodges_lehmann(std::span<const double> d) {
  std::vector<double> averages;
  averages.reserve(d.size() * (d.size() + 1) / 2);
  for (std::size_t i = 0; i < d.size(); ++i) {
    for (std::size_t j = i; j < d.size(); ++j) averages.push_back((d[i] + d[j]) / 2.0);
  }
  return median(averages);
}

void set_no_test(const std::string& reason, SignedRankTest& test) {
  for (auto* field :
       {&test.w_plus, &test.w_minus, &test.w, &test.z, &test.p_exact, &test.p_asymptotic,
        &test.log10_p_exact, &test.log10_p_asymptotic, &test.r, &test.rank_biserial}) {
    *field = Measured::none(reason);
  }
}

}  // namespace

Measured median(std::span<const double> values) {
  if (values.empty()) return Measured::none("no values");
  std::vector<double> copy(values.begin(), values.end());
  const auto middle = copy.begin() + static_cast<std::ptrdiff_t>(copy.size() / 2);
  std::nth_element(copy.begin(), middle, copy.end());
  if (copy.size() % 2 == 1) return Measured::of(*middle);
  const double below = *std::max_element(copy.begin(), middle);
  return Measured::of(below + (*middle - below) / 2.0);
}

SignedRankTest signed_rank_test(std::span<const double> differences, double tolerance) {
  SignedRankTest test;
  test.n_pairs = static_cast<std::int64_t>(differences.size());
  for (std::size_t i = 0; i < differences.size(); ++i) {
    if (std::isfinite(differences[i])) continue;
    throw FormatError(
        fmt::format("signed-rank test: difference {} (from 0) is {}, not a finite "
                    "number; leave that pair out",
                    i, differences[i]));
  }
  test.median_difference = median(differences);
  test.hodges_lehmann = hodges_lehmann(differences);
  const auto ranked = rank(differences, tolerance);
  test.n_zero = test.n_pairs - static_cast<std::int64_t>(ranked.doubled_ranks.size());
  if (ranked.doubled_ranks.empty()) {
    set_no_test(test.n_pairs == 0 ? "no pairs" : "all differences are zero", test);
    return test;
  }
  std::int64_t plus = 0;
  std::int64_t minus = 0;
  for (std::size_t i = 0; i < ranked.doubled_ranks.size(); ++i) {
    (ranked.positive[i] ? plus : minus) += ranked.doubled_ranks[i];
  }
  test.w_plus = Measured::of(static_cast<double>(plus) / 2.0);
  test.w_minus = Measured::of(static_cast<double>(minus) / 2.0);
  test.w = Measured::of(static_cast<double>(std::min(plus, minus)) / 2.0);
  test.rank_biserial =
      Measured::of(static_cast<double>(plus - minus) / static_cast<double>(plus + minus));
  set_exact_p(ranked, std::min(plus, minus), test);
  set_asymptotic_p(ranked, test);
  return test;
}

SignedRankTest paired_signed_rank_test(std::span<const double> a, std::span<const double> b) {
  if (a.size() != b.size()) {
    throw FormatError(fmt::format("paired test: {} values against {}", a.size(), b.size()));
  }
  std::vector<double> differences(a.size());
  double largest = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    differences[i] = a[i] - b[i];
    largest = std::max({largest, std::abs(a[i]), std::abs(b[i])});
  }
  return signed_rank_test(differences, kRelativeTieTolerance * largest);
}

}  // namespace calsweep::analysis
