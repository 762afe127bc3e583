#include "analysis/statistics/blocked_aggregate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "analysis/statistics/blocks.hpp"
#include "analysis/statistics/discrete_distribution.hpp"
#include "analysis/statistics/signed_ranks.hpp"
#include "analysis/statistics/wilcoxon.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

/// Contributions of seeds are in units of 2^-40 of a standard deviation of a cell's statistic.
constexpr int kFixedPoint = 40;

/// The non-zero differences of one cell.
struct RankedCell {
  std::vector<std::int64_t> seeds;
  std::vector<std::int64_t> doubled;  ///< signed rank times two
  double rank_squares() const {
    double sum = 0.0;
    for (const auto r : doubled) sum += static_cast<double>(r * r) / 4.0;
    return sum;
  }
};

void check(const CellDifferences& cell, std::size_t index) {
  const auto where = fmt::format("aggregate test: cell {} (from 0)", index);
  if (cell.seeds.size() != cell.values.size()) {
    throw FormatError(
        fmt::format("{} has {} seeds but {} values", where, cell.seeds.size(), cell.values.size()));
  }
  for (std::size_t i = 0; i < cell.values.size(); ++i) {
    if (std::isfinite(cell.values[i])) continue;
    throw FormatError(
        fmt::format("{}: the difference of seed {} is {}, not a finite number; leave "
                    "that pair out",
                    where, cell.seeds[i], cell.values[i]));
  }
  auto sorted = cell.seeds;
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice != sorted.end()) {
    throw FormatError(fmt::format("{}: seed {} stands there twice", where, *twice));
  }
}

RankedCell ranked_cell(const CellDifferences& cell) {
  const auto ranks = signed_ranks(cell.values, cell.tolerance, ZeroMethod::Wilcox);
  RankedCell made;
  for (std::size_t i = 0; i < ranks.doubled.size(); ++i) {
    if (ranks.doubled[i] == 0) continue;
    made.seeds.push_back(cell.seeds[i]);
    made.doubled.push_back(ranks.doubled[i]);
  }
  return made;
}

StratifiedTest stratified_test(std::span<const RankedCell> cells) {
  std::vector<std::int64_t> magnitudes;
  std::int64_t plus = 0;
  std::int64_t minus = 0;
  double squares = 0.0;
  for (const auto& cell : cells) {
    for (const auto r : cell.doubled) {
      (r > 0 ? plus : minus) += std::abs(r);
      magnitudes.push_back(std::abs(r));
    }
    squares += cell.rank_squares();
  }
  StratifiedTest test;
  test.w_plus = Measured::of(static_cast<double>(plus) / 2.0);
  test.w_minus = Measured::of(static_cast<double>(minus) / 2.0);
  const double z = static_cast<double>(plus - minus) / 2.0 / std::sqrt(squares);
  test.z = Measured::of(z);
  test.asymptotic = normal_two_sided_tail(z);
  const double work = static_cast<double>(magnitudes.size()) * static_cast<double>(plus + minus);
  if (work > kMostStratifiedWork) {
    test.exact = TailProbability::none("too many differences: asymptotic p only");
    return test;
  }
  std::sort(magnitudes.begin(), magnitudes.end());
  const long double tail = lower_tail(fair_subset_sums(magnitudes), std::min(plus, minus));
  test.exact = TailProbability::of(std::min(1.0L, 2.0L * tail));
  return test;
}

/// Sums in an order of their own: the same bits whatever the order of cells.
double ordered_sum(std::vector<double> terms) {
  std::sort(terms.begin(), terms.end());
  double sum = 0.0;
  for (const double term : terms) sum += term;
  return sum;
}

void set_van_elteren(std::span<const RankedCell> cells, StratifiedTest& test) {
  std::vector<double> sums;
  std::vector<double> variances;
  for (const auto& cell : cells) {
    std::int64_t doubled = 0;
    for (const auto r : cell.doubled) doubled += r;
    const double weight = 1.0 / (static_cast<double>(cell.doubled.size()) + 1.0);
    sums.push_back(weight * static_cast<double>(doubled) / 2.0);
    variances.push_back(weight * weight * cell.rank_squares());
  }
  const double z = ordered_sum(sums) / std::sqrt(ordered_sum(variances));
  test.van_elteren_z = Measured::of(z);
  test.van_elteren = normal_two_sided_tail(z);
}

void set_seed_test(std::span<const RankedCell> cells, AggregateTest& test) {
  std::map<std::int64_t, std::int64_t> by_seed;
  std::int64_t n_terms = 0;
  for (const auto& cell : cells) {
    const double scale = std::ldexp(0.5 / std::sqrt(cell.rank_squares()), kFixedPoint);
    for (std::size_t i = 0; i < cell.doubled.size(); ++i) {
      by_seed[cell.seeds[i]] += std::llround(static_cast<double>(cell.doubled[i]) * scale);
      ++n_terms;
    }
  }
  std::vector<std::int64_t> contributions;
  std::int64_t sum = 0;
  for (const auto& [seed, value] : by_seed) {
    contributions.push_back(value);
    sum += value;
  }
  test.statistic = Measured::of(std::ldexp(static_cast<double>(sum), -kFixedPoint));
  test.by_seed = seed_flip_test(contributions, n_terms, "blocked aggregate");
}

void set_effects(std::span<const CellDifferences> cells, AggregateTest& test) {
  std::vector<double> averages;
  std::map<std::int64_t, std::vector<double>> by_seed;
  for (const auto& cell : cells) {
    for (std::size_t i = 0; i < cell.values.size(); ++i) {
      by_seed[cell.seeds[i]].push_back(cell.values[i]);
      for (std::size_t j = i; j < cell.values.size(); ++j) {
        averages.push_back((cell.values[i] + cell.values[j]) / 2.0);
      }
    }
  }
  test.hodges_lehmann = median(averages);
  std::vector<double> means;
  for (const auto& [seed, values] : by_seed) {
    means.push_back(ordered_sum(values) / static_cast<double>(values.size()));
  }
  test.n_seeds = static_cast<std::int64_t>(means.size());
  test.seed_hodges_lehmann = signed_rank_test(means).hodges_lehmann;
}

void set_no_test(const std::string& reason, AggregateTest& test) {
  const auto none = TailProbability::none(reason);
  test.statistic = test.mean_rank_biserial = Measured::none(reason);
  test.by_seed.two_sided = none;
  test.by_seed.monte_carlo_error = Measured::none(reason);
  auto& s = test.stratified;
  s.w_plus = s.w_minus = s.z = s.van_elteren_z = Measured::none(reason);
  s.exact = s.asymptotic = s.van_elteren = none;
}

}  // namespace

AggregateTest blocked_aggregate_test(std::span<const CellDifferences> cells) {
  AggregateTest test;
  std::vector<RankedCell> ranked;
  std::vector<double> biserials;
  for (std::size_t c = 0; c < cells.size(); ++c) {
    check(cells[c], c);
    test.n_pairs += static_cast<std::int64_t>(cells[c].values.size());
    auto ranks = ranked_cell(cells[c]);
    test.n_zero += static_cast<std::int64_t>(cells[c].values.size() - ranks.doubled.size());
    if (ranks.doubled.empty()) continue;
    std::int64_t sum = 0;
    std::int64_t all = 0;
    for (const auto r : ranks.doubled) {
      sum += r;
      all += std::abs(r);
    }
    biserials.push_back(static_cast<double>(sum) / static_cast<double>(all));
    ranked.push_back(std::move(ranks));
  }
  test.n_cells = static_cast<std::int64_t>(ranked.size());
  set_effects(cells, test);
  if (ranked.empty()) {
    set_no_test(test.n_pairs == 0 ? "no pairs" : "all differences are zero", test);
    return test;
  }
  test.mean_rank_biserial =
      Measured::of(ordered_sum(biserials) / static_cast<double>(biserials.size()));
  test.stratified = stratified_test(ranked);
  set_van_elteren(ranked, test.stratified);
  set_seed_test(ranked, test);
  return test;
}

}  // namespace calsweep::analysis
