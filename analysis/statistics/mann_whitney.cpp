#include "analysis/statistics/mann_whitney.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "analysis/metrics/auroc.hpp"
#include "analysis/statistics/normal_tail.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

__extension__ using Count = unsigned __int128;

/// Both samples sorted together: twice the mean rank of every value.
struct PooledRanks {
  std::vector<std::int64_t> doubled;  // ascending
  double tie_term = 0.0;              // sum of t^3 - t
};

PooledRanks pool(std::span<const double> first, std::span<const double> second) {
  std::vector<double> values(first.begin(), first.end());
  values.insert(values.end(), second.begin(), second.end());
  std::sort(values.begin(), values.end());
  PooledRanks ranks;
  for (std::size_t begin = 0, end = 0; begin < values.size(); begin = end) {
    while (end < values.size() && values[end] == values[begin]) ++end;
    const auto size = static_cast<double>(end - begin);
    ranks.tie_term += size * size * size - size;
    ranks.doubled.insert(ranks.doubled.end(), end - begin,
                         static_cast<std::int64_t>(begin + 1 + end));
  }
  return ranks;
}

/// Work and integers allow it: at most 5e7 additions, and all subsets fit 127 bits.
bool can_count(std::size_t n_chosen, std::size_t n_all) {
  const auto all = static_cast<double>(n_all);
  const auto chosen = static_cast<double>(n_chosen);
  const double largest_sum = chosen * (2.0 * all - chosen + 1.0);
  if (all * chosen * largest_sum > 5e7) return false;
  double log2_subsets = 0.0;
  for (double i = 1.0; i <= chosen; ++i) log2_subsets += std::log2((all - chosen + i) / i);
  return log2_subsets < 126.0;
}

/// Number of subsets of `n_chosen` pooled values by doubled rank sum.
std::vector<Count> count_subsets(const PooledRanks& ranks, std::size_t n_chosen) {
  const std::size_t n_all = ranks.doubled.size();
  std::vector<std::size_t> lowest(1, 0);  // sums of the first k ranks
  for (const auto rank : ranks.doubled) {
    lowest.push_back(lowest.back() + static_cast<std::size_t>(rank));
  }
  const std::size_t width = lowest[n_all] - lowest[n_all - n_chosen] + 1;
  std::vector<Count> ways((n_chosen + 1) * width, 0);  // [chosen so far, doubled rank sum]
  ways[0] = 1;
  for (std::size_t i = 0; i < n_all; ++i) {
    const auto rank = static_cast<std::size_t>(ranks.doubled[i]);
    const std::size_t still_to_come = n_all - 1 - i;
    const std::size_t fewest = n_chosen > still_to_come ? n_chosen - still_to_come : 1;
    for (std::size_t k = std::min(i + 1, n_chosen); k >= fewest; --k) {
      Count* const to = ways.data() + k * width;
      const Count* const from = ways.data() + (k - 1) * width;
      const std::size_t highest = lowest[i + 1] - lowest[i + 1 - k];  // this and the k-1 before
      for (std::size_t sum = lowest[k - 1] + rank; sum <= highest; ++sum) {
        to[sum] += from[sum - rank];
      }
    }
  }
  return {ways.end() - static_cast<std::ptrdiff_t>(width), ways.end()};
}

/// P(sum <= observed) and P(sum >= observed) of the chosen sample's doubled rank sum.
struct Tails {
  long double below = 0.0L, above = 0.0L;
};

Tails exact_tails(const PooledRanks& ranks, std::size_t n_chosen, std::int64_t observed) {
  const auto counts = count_subsets(ranks, n_chosen);
  Count below = 0;
  Count above = 0;
  Count all = 0;
  for (std::size_t sum = 0; sum < counts.size(); ++sum) {
    all += counts[sum];
    if (static_cast<std::int64_t>(sum) <= observed) below += counts[sum];
    if (static_cast<std::int64_t>(sum) >= observed) above += counts[sum];
  }
  const auto total = static_cast<long double>(all);
  return {static_cast<long double>(below) / total, static_cast<long double>(above) / total};
}

void set_exact_p(const PooledRanks& ranks, Alternative alternative, MannWhitneyTest& test) {
  const auto n1 = static_cast<std::size_t>(test.n1);
  const auto n2 = static_cast<std::size_t>(test.n2);
  if (!can_count(std::min(n1, n2), n1 + n2)) {
    test.p_exact = test.log10_p_exact =
        Measured::none(fmt::format("{} and {} values: asymptotic p only", n1, n2));
    return;
  }
  // The smaller sample is counted: its U, and which of its tails means "first is greater".
  const bool swapped = n2 < n1;
  const double u = swapped ? static_cast<double>(test.n1 * test.n2) - test.u.value : test.u.value;
  const auto m = static_cast<std::int64_t>(std::min(n1, n2));
  auto tails = exact_tails(ranks, std::min(n1, n2), std::llround(2.0 * u) + m * (m + 1));
  if (swapped) std::swap(tails.below, tails.above);
  long double p = std::min(1.0L, 2.0L * std::min(tails.below, tails.above));
  if (alternative == Alternative::Greater) p = tails.above;
  if (alternative == Alternative::Less) p = tails.below;
  test.p_exact = Measured::of(static_cast<double>(p));
  test.log10_p_exact = Measured::of(static_cast<double>(std::log10(p)));
}

void set_no_p(const std::string& reason, MannWhitneyTest& test) {
  for (auto* field : {&test.z, &test.p_exact, &test.p_asymptotic, &test.log10_p_exact,
                      &test.log10_p_asymptotic, &test.p, &test.log10_p, &test.r}) {
    *field = Measured::none(reason);
  }
}

void set_asymptotic_p(double tie_term, const MannWhitneyOptions& options, MannWhitneyTest& test) {
  const double pairs = static_cast<double>(test.n1) * static_cast<double>(test.n2);
  const auto n = static_cast<double>(test.n1 + test.n2);
  const double sd = std::sqrt(pairs / 12.0 * ((n + 1.0) - tie_term / (n * (n - 1.0))));
  const double above = test.u.value - pairs / 2.0;
  const double half = options.continuity ? 0.5 : 0.0;
  double z = std::max(0.0, std::abs(above) - half) / sd;
  if (options.alternative == Alternative::TwoSided) {
    test.p_asymptotic = Measured::of(two_sided_p(z));
    test.log10_p_asymptotic = Measured::of(log10_two_sided_p(z));
  } else {
    const bool greater = options.alternative == Alternative::Greater;
    z = (greater ? above - half : above + half) / sd;
    test.p_asymptotic = Measured::of(upper_tail_p(greater ? z : -z));
    test.log10_p_asymptotic = Measured::of(log10_upper_tail_p(greater ? z : -z));
  }
  test.z = Measured::of(z);
  test.r = Measured::of(std::abs(z) / std::sqrt(n));
}

bool wants_exact(const MannWhitneyTest& test, PValueRule rule) {
  switch (rule) {
    case PValueRule::ExactWherePossible:
      return true;
    case PValueRule::Asymptotic:
      return false;
    case PValueRule::Scipy:
      return !test.has_ties && std::min(test.n1, test.n2) <= 8;
    case PValueRule::R:
      return !test.has_ties && std::max(test.n1, test.n2) < 50;
  }
  return true;
}

void set_effects(MannWhitneyTest& test) {
  const double pairs = static_cast<double>(test.n1) * static_cast<double>(test.n2);
  test.common_language = Measured::of(test.u.value / pairs);
  test.rank_biserial = Measured::of((2.0 * test.u.value - pairs) / pairs);
}

void set_chosen_p(const MannWhitneyOptions& options, MannWhitneyTest& test) {
  const auto chosen = choose_p(wants_exact(test, options.rule), test.p_exact, test.log10_p_exact,
                               test.p_asymptotic, test.log10_p_asymptotic);
  test.p = chosen.p;
  test.log10_p = chosen.log10_p;
  test.p_used = chosen.used;
}

void check_sample(std::span<const double> values, const char* which) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) continue;
    throw FormatError(
        fmt::format("Mann-Whitney test: value {} (from 0) of the {} sample is {}, not a finite "
                    "number; leave it out",
                    i, which, values[i]));
  }
}

}  // namespace

MannWhitneyOptions MannWhitneyOptions::paper() { return {.rule = PValueRule::Asymptotic}; }
MannWhitneyOptions MannWhitneyOptions::scipy() {
  return {.continuity = true, .rule = PValueRule::Scipy};
}
MannWhitneyOptions MannWhitneyOptions::r() { return {.continuity = true, .rule = PValueRule::R}; }

MannWhitneyTest mann_whitney_test(std::span<const double> first, std::span<const double> second,
                                  const MannWhitneyOptions& options) {
  check_sample(first, "first");
  check_sample(second, "second");
  MannWhitneyTest test;
  test.n1 = static_cast<std::int64_t>(first.size());
  test.n2 = static_cast<std::int64_t>(second.size());
  const auto area = auroc(first, second);
  if (!area.has_value()) {
    set_no_p(area.null_reason, test);
    test.u = test.rank_biserial = test.common_language = area;
    return test;
  }
  // U is a multiple of 1/2; the area in double determines it up to 2^50 pairs.
  const double pairs = static_cast<double>(test.n1) * static_cast<double>(test.n2);
  test.u = Measured::of(std::round(2.0 * area.value * pairs) / 2.0);
  set_effects(test);
  const auto ranks = pool(first, second);
  test.has_ties = ranks.tie_term > 0.0;
  if (ranks.doubled.front() == ranks.doubled.back()) {
    set_no_p("all values are equal", test);
    return test;
  }
  set_exact_p(ranks, options.alternative, test);
  set_asymptotic_p(ranks.tie_term, options, test);
  set_chosen_p(options, test);
  return test;
}

MannWhitneyTest mann_whitney_from_u(double u, std::int64_t n1, std::int64_t n2, double tie_term,
                                    const MannWhitneyOptions& options) {
  const double pairs = static_cast<double>(n1) * static_cast<double>(n2);
  if (n1 < 1 || n2 < 1 || !(u >= 0.0 && u <= pairs) || !(tie_term >= 0.0)) {
    throw UsageError(
        fmt::format("Mann-Whitney test: U = {}, n1 = {}, n2 = {}, tie term {}: there "
                    "is no such sample",
                    u, n1, n2, tie_term));
  }
  MannWhitneyTest test;
  test.n1 = n1;
  test.n2 = n2;
  test.has_ties = tie_term > 0.0;
  test.u = Measured::of(u);
  set_effects(test);
  test.p_exact = test.log10_p_exact = Measured::none("U alone has no exact p");
  set_asymptotic_p(tie_term, options, test);
  set_chosen_p(options, test);
  return test;
}

}  // namespace calsweep::analysis
