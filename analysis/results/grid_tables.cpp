// Part of sweep_tables.hpp: tests over the grid as a whole. What each assumes: docs/statistics.md.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "analysis/results/results_line.hpp"
#include "analysis/results/results_writer.hpp"
#include "analysis/results/sweep_tables.hpp"
#include "analysis/results/sweep_values.hpp"
#include "analysis/statistics/blocked_aggregate.hpp"
#include "analysis/statistics/critical_difference.hpp"
#include "analysis/statistics/friedman.hpp"
#include "analysis/statistics/trend_tests.hpp"

namespace calsweep::analysis {
namespace {

/// Paired differences of one method and metric: [cell][seed].
using Differences = std::map<std::int64_t, std::map<std::int64_t, double>>;

Differences differences(const SweepValues& values, std::int64_t method, std::int64_t reference,
                        std::size_t column) {
  const std::string none(kNoCalibrator);
  Differences made;
  for (const auto& group : values.groups()) {
    if (group.method != method) continue;
    const auto* partner = values.find(group.cell, reference);
    if (partner == nullptr) continue;
    const auto pairs = compare(values.sample(group, none, column),
                               values.sample(*partner, none, column), Pairing::BySeed);
    for (std::size_t i = 0; i < pairs.seeds.size(); ++i) {
      made[group.cell][pairs.seeds[i]] = pairs.differences[i];
    }
  }
  return made;
}

double largest_magnitude(const std::map<std::int64_t, double>& by_seed) {
  double largest = 0.0;
  for (const auto& [seed, d] : by_seed) largest = std::max(largest, std::abs(d));
  return largest;
}

/// `grid_test`: one test over all cells.
class GridTestWriter {
 public:
  explicit GridTestWriter(SQLite::Database& db)
      : insert_(db, "INSERT INTO grid_test VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)") {}

  void write(std::int64_t method, const std::string& metric, const Differences& by_cell) {
    std::vector<CellDifferences> cells;
    for (const auto& [cell, by_seed] : by_cell) {
      auto& made = cells.emplace_back();
      for (const auto& [seed, d] : by_seed) {
        made.seeds.push_back(seed);
        made.values.push_back(d);
      }
      made.tolerance = kRelativeTieTolerance * largest_magnitude(by_seed);
    }
    const auto test = blocked_aggregate_test(cells);
    write_row(method, metric, "seed sign-flip",
              "a seed's differences over all cells are jointly symmetric about zero", test,
              test.seed_hodges_lehmann, test.statistic,
              Measured::none("a permutation test has no z"), test.by_seed.two_sided);
    const auto& s = test.stratified;
    write_row(method, metric, "stratified signed-rank", kIndependentCells, test,
              test.hodges_lehmann, s.w_plus, s.z, s.exact.p.has_value() ? s.exact : s.asymptotic);
    write_row(method, metric, "van Elteren", kIndependentCells, test, test.hodges_lehmann, s.w_plus,
              s.van_elteren_z, s.van_elteren);
  }

 private:
  static constexpr const char* kIndependentCells =
      "cells are independent: not so in a sweep, whose cells share seeds";

  void write_row(std::int64_t method, const std::string& metric, const char* name,
                 const char* assumption, const AggregateTest& test, const Measured& estimate,
                 const Measured& statistic, const Measured& z, const TailProbability& tail) {
    insert_.bind(1, method);
    insert_.bind(2, metric);
    insert_.bind(3, name);
    insert_.bind(4, assumption);
    insert_.bind(5, test.n_cells);
    insert_.bind(6, test.n_seeds);
    bind_measured(insert_, 7, estimate);
    bind_measured(insert_, 8, statistic);
    bind_measured(insert_, 9, z);
    bind_measured(insert_, 10, tail.p);
    bind_measured(insert_, 11, tail.log10_p);
    if (!tail.p.has_value()) insert_.bind(12, tail.p.null_reason);
    run(insert_);
  }

  SQLite::Statement insert_;
};

/// An axis with numbers on it: its levels in ascending order, and the level of each cell.
struct NumericAxis {
  std::string name;
  std::vector<double> levels;
  std::vector<std::size_t> level_of_cell;
};

std::optional<double> number(const SettingValue& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    return static_cast<double>(*integer);
  }
  if (const auto* real = std::get_if<double>(&value)) return *real;
  return std::nullopt;
}

std::vector<NumericAxis> numeric_axes(const Sweep& sweep) {
  std::vector<NumericAxis> axes;
  const auto names = axis_columns(sweep);
  for (std::size_t a = 0; a < names.size(); ++a) {
    std::set<double> levels;
    bool all_numbers = true;
    for (const auto& cell : sweep.cells) {
      const auto level = number(cell.coordinates[a]);
      all_numbers = all_numbers && level.has_value();
      if (level) levels.insert(*level);
    }
    if (!all_numbers || levels.size() < 2) continue;
    NumericAxis axis{names[a], {levels.begin(), levels.end()}, {}};
    for (const auto& cell : sweep.cells) {
      const auto at =
          std::lower_bound(axis.levels.begin(), axis.levels.end(), *number(cell.coordinates[a]));
      axis.level_of_cell.push_back(static_cast<std::size_t>(at - axis.levels.begin()));
    }
    axes.push_back(std::move(axis));
  }
  return axes;
}

/// `trend_test`: does the difference rise or fall along an axis? One block per seed; a level's
/// value is the mean of the seed's differences over the cells of that level. Seeds that lack a cell
/// are left out.
class TrendWriter {
 public:
  TrendWriter(SQLite::Database& db, const Sweep& sweep)
      : axes_(numeric_axes(sweep)),
        insert_(db, "INSERT INTO trend_test VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)") {}

  void write(std::int64_t method, const std::string& metric, const Differences& by_cell) {
    std::map<std::int64_t, std::size_t> n_cells_of_seed;
    for (const auto& [cell, by_seed] : by_cell) {
      for (const auto& [seed, d] : by_seed) ++n_cells_of_seed[seed];
    }
    for (const auto& axis : axes_) {
      Blocks blocks{axis.levels.size(), {}};
      std::vector<std::vector<double>> samples(axis.levels.size());
      for (const auto& [seed, n_cells] : n_cells_of_seed) {
        if (n_cells != by_cell.size()) continue;
        const auto means = level_means(by_cell, seed, axis);
        if (means.empty()) continue;
        blocks.values.insert(blocks.values.end(), means.begin(), means.end());
        for (std::size_t l = 0; l < means.size(); ++l) samples[l].push_back(means[l]);
      }
      const double tolerance = rounding_tolerance(blocks.values);
      write_row(method, metric, axis, "page", blocks, page_trend_test(blocks, tolerance));
      write_row(method, metric, axis, "jonckheere-terpstra", blocks,
                jonckheere_terpstra_test(samples, tolerance));
    }
  }

 private:
  static std::vector<double> level_means(const Differences& by_cell, std::int64_t seed,
                                         const NumericAxis& axis) {
    std::vector<double> sums(axis.levels.size(), 0.0);
    std::vector<double> counts(axis.levels.size(), 0.0);
    for (const auto& [cell, by_seed] : by_cell) {
      const auto level = axis.level_of_cell[static_cast<std::size_t>(cell)];
      sums[level] += by_seed.at(seed);
      counts[level] += 1.0;
    }
    for (std::size_t l = 0; l < sums.size(); ++l) {
      if (counts[l] == 0.0) return {};
      sums[l] /= counts[l];
    }
    return sums;
  }

  void write_row(std::int64_t method, const std::string& metric, const NumericAxis& axis,
                 const char* name, const Blocks& blocks, const TrendTest& test) {
    const auto& tail =
        test.exact.two_sided.p.has_value() ? test.exact.two_sided : test.asymptotic.two_sided;
    insert_.bind(1, method);
    insert_.bind(2, metric);
    insert_.bind(3, axis.name);
    insert_.bind(4, name);
    insert_.bind(5, static_cast<std::int64_t>(blocks.n_blocks()));
    insert_.bind(6, static_cast<std::int64_t>(axis.levels.size()));
    bind_measured(insert_, 7, test.statistic);
    bind_measured(insert_, 8, test.z);
    bind_measured(insert_, 9, tail.p);
    bind_measured(insert_, 10, tail.log10_p);
    if (test.z.has_value()) {
      insert_.bind(11, test.z.value > 0   ? "the difference rises"
                       : test.z.value < 0 ? "the difference falls"
                                          : "level");
    }
    if (!tail.p.has_value()) insert_.bind(12, tail.p.null_reason);
    run(insert_);
  }

  std::vector<NumericAxis> axes_;
  SQLite::Statement insert_;
};

/// Methods ranked over seeds: [seed][method] the mean of the metric over the cells, negated where
/// higher is better, of the methods that have every cell for every seed of the reference.
struct RankedMethods {
  std::vector<std::int64_t> methods;
  Blocks blocks;
};

RankedMethods rank_input(const Sweep& sweep, const SweepValues& values, std::int64_t reference,
                         std::size_t column, Direction direction) {
  const std::string none(kNoCalibrator);
  std::map<std::int64_t, std::map<std::int64_t, std::pair<double, std::size_t>>> sums;
  for (const auto& group : values.groups()) {
    if (shares_networks(sweep, group.method)) continue;
    const auto sample = values.sample(group, none, column);
    for (std::size_t i = 0; i < sample.values.size(); ++i) {
      auto& [sum, n] = sums[group.method][sample.pairing_seeds[i]];
      sum += sample.values[i];
      ++n;
    }
  }
  const auto complete = [&](const auto& by_seed) {
    for (const auto& [seed, entry] : by_seed) {
      if (entry.second != sweep.cells.size()) return false;
    }
    return true;
  };
  RankedMethods ranked;
  const auto& seeds = sums[reference];
  if (seeds.empty() || !complete(seeds)) return ranked;
  for (const auto& [method, by_seed] : sums) {
    if (by_seed.size() == seeds.size() && complete(by_seed)) ranked.methods.push_back(method);
  }
  const double sign = direction == Direction::HigherIsBetter ? -1.0 : 1.0;
  for (const auto& [seed, entry] : seeds) {
    for (const auto method : ranked.methods) {
      const auto at = sums[method].find(seed);
      if (at == sums[method].end()) return {};
      ranked.blocks.values.push_back(sign * at->second.first /
                                     static_cast<double>(sweep.cells.size()));
    }
  }
  ranked.blocks.n_treatments = ranked.methods.size();
  return ranked;
}

/// `friedman_test`, `method_rank` and `method_pair`.
class RankingWriter {
 public:
  explicit RankingWriter(SQLite::Database& db)
      : friedman_(db, "INSERT INTO friedman_test VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
        rank_(db, "INSERT INTO method_rank VALUES (?, ?, ?)"),
        pair_(db, "INSERT INTO method_pair VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)") {}

  void write(const std::string& metric, const RankedMethods& ranked, double alpha) {
    const auto& methods = ranked.methods;
    if (methods.size() < 2 || ranked.blocks.n_blocks() == 0) return;
    const double tolerance = rounding_tolerance(ranked.blocks.values);
    const auto test = friedman_test(ranked.blocks, tolerance);
    const auto nemenyi = nemenyi_ranking(ranked.blocks, alpha, tolerance);
    const auto& chi2 = test.tie_corrected.chi2;
    const auto& f = test.tie_corrected.iman_davenport;
    friedman_.bind(1, metric);
    friedman_.bind(2, test.n_blocks);
    friedman_.bind(3, test.n_treatments);
    bind_measured(friedman_, 4, chi2.statistic);
    bind_measured(friedman_, 5, chi2.tail.p);
    bind_measured(friedman_, 6, f.statistic);
    bind_measured(friedman_, 7, f.tail.p);
    bind_measured(friedman_, 8, f.tail.log10_p);
    bind_measured(friedman_, 9, nemenyi.critical_difference);
    if (!chi2.statistic.has_value()) friedman_.bind(10, chi2.statistic.null_reason);
    run(friedman_);
    for (std::size_t m = 0; m < methods.size(); ++m) {
      rank_.bind(1, metric);
      rank_.bind(2, methods[m]);
      if (m < nemenyi.average_ranks.size()) bind_real(rank_, 3, nemenyi.average_ranks[m]);
      run(rank_);
    }
    write_pairs(metric, ranked, nemenyi, wilcoxon_holm_ranking(ranked.blocks, alpha, tolerance),
                count_wins(ranked.blocks, tolerance));
  }

 private:
  void write_pairs(const std::string& metric, const RankedMethods& ranked, const Ranking& nemenyi,
                   const Ranking& wilcoxon, const WinMatrix& wins) {
    for (std::size_t i = 0; i < nemenyi.pairs.size(); ++i) {
      const auto& pair = nemenyi.pairs[i];
      const std::size_t n = wins.n_treatments;
      pair_.bind(1, metric);
      pair_.bind(2, ranked.methods[pair.first]);
      pair_.bind(3, ranked.methods[pair.second]);
      pair_.bind(4, wins.wins[pair.first * n + pair.second]);
      pair_.bind(5, wins.ties[pair.first * n + pair.second]);
      pair_.bind(6, wins.wins[pair.second * n + pair.first]);
      bind_real(pair_, 7, pair.rank_difference);
      pair_.bind(8, pair.significant ? 1 : 0);
      bind_measured(pair_, 9, wilcoxon.pairs[i].p);
      bind_measured(pair_, 10, wilcoxon.pairs[i].p_adjusted);
      run(pair_);
    }
  }

  SQLite::Statement friedman_, rank_, pair_;
};

}  // namespace

void write_grid_tests(SQLite::Database& db, const Sweep& sweep, const SweepValues& values,
                      std::span<const MetricColumn> columns) {
  const auto reference = reference_method(sweep);
  if (reference < 0) return;
  GridTestWriter grid(db);
  TrendWriter trends(db, sweep);
  RankingWriter rankings(db);
  const auto n_methods = static_cast<std::int64_t>(sweep.spec.methods.size());
  for (std::size_t c = 0; c < columns.size(); ++c) {
    if (!columns[c].compared) continue;
    for (std::int64_t method = 0; method < n_methods; ++method) {
      if (method == reference || shares_networks(sweep, method)) continue;
      const auto by_cell = differences(values, method, reference, c);
      grid.write(method, columns[c].key, by_cell);
      trends.write(method, columns[c].key, by_cell);
    }
    rankings.write(columns[c].key, rank_input(sweep, values, reference, c, columns[c].direction),
                   sweep.spec.analysis.alpha);
  }
}

}  // namespace calsweep::analysis
