#include "analysis/query/power_tables.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/statistics/max_t.hpp"
#include "analysis/statistics/wilcoxon.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

using Row = std::vector<QueryValue>;

QueryValue value_of(const Measured& measured) {
  if (!measured.has_value()) return std::monostate();
  return measured.value;
}

QueryValue count_of(const Measured& measured) {
  if (!measured.has_value()) return std::monostate();
  return static_cast<std::int64_t>(std::llround(measured.value));
}

/// Monte-Carlo results carry no more than three digits.
double rounded(double value) { return std::round(value * 1000.0) / 1000.0; }

GridAssumption assumption(std::int64_t n_cells, double effect, const PowerQuestion& question) {
  GridAssumption grid;
  grid.n_cells = n_cells;
  grid.n_effective = std::clamp<std::int64_t>(
      std::llround(question.effective_share * static_cast<double>(n_cells)), 1, n_cells);
  grid.effect = effect;
  grid.correlation = question.correlation;
  grid.alpha = question.alpha;
  return grid;
}

std::string assumes(GridCorrection correction, const GridAssumption& grid) {
  const std::string share =
      grid.n_effective == grid.n_cells
          ? "all cells have the effect"
          : fmt::format("{} of {} cells have the effect", grid.n_effective, grid.n_cells);
  switch (correction) {
    case GridCorrection::None:
      return "each cell is the only one looked at";
    case GridCorrection::BenjaminiHochberg:
      return share + "; false discovery rate";
    case GridCorrection::MaxT:
      return share + ", in one direction; cells share seeds";
    default:
      return "nothing";
  }
}

std::string name(GridCorrection correction) { return std::string(to_string(correction)); }

void add_seeds_for_power(PowerSearch& search, GridCorrection correction, double power, Row& row) {
  const auto needed = search.seeds_for(correction, power);
  if (!needed) {
    row.insert(row.end(), {std::monostate(), std::monostate(), std::monostate()});
    return;
  }
  row.insert(row.end(),
             {needed->n_seeds, rounded(needed->estimate.power), rounded(needed->estimate.error)});
}

/// The effects of a method's cells, in the direction of their median.
struct EffectSpread {
  Measured median, lowest, highest;
  Measured lower_quartile;  ///< towards zero, relative to the median's sign
};

EffectSpread spread_of(const PilotMethod& method) {
  std::vector<double> effects;
  for (const auto& cell : method.cells) {
    if (cell.effect.has_value()) effects.push_back(cell.effect.value);
  }
  EffectSpread spread;
  spread.median = median(effects);
  spread.lowest = spread.highest = spread.lower_quartile = spread.median;
  if (effects.empty()) return spread;
  std::sort(effects.begin(), effects.end());
  spread.lowest = Measured::of(effects.front());
  spread.highest = Measured::of(effects.back());
  if (spread.median.value < 0.0) std::reverse(effects.begin(), effects.end());
  spread.lower_quartile = Measured::of(effects[effects.size() / 4]);
  return spread;
}

std::vector<CellDifferences> differences_of(const PilotMethod& method) {
  std::vector<CellDifferences> cells;
  for (const auto& cell : method.cells) cells.push_back(cell.differences);
  return cells;
}

/// Cells of the pilot that are significant, as results.db has them.
std::int64_t count_significant(const PilotMethod& method, GridCorrection correction, double alpha) {
  if (correction == GridCorrection::MaxT) {
    const auto tested = max_t(differences_of(method)).cells;
    return std::count_if(tested.begin(), tested.end(), [&](const auto& cell) {
      return cell.p_step_down.has_value() && cell.p_step_down.value <= alpha;
    });
  }
  std::vector<double> p_values;
  for (const auto& cell : method.cells) {
    if (cell.p.has_value()) p_values.push_back(cell.p.value);
  }
  const auto significant = significant_after(correction, p_values, alpha);
  return std::count(significant.begin(), significant.end(), true);
}

Row effect_row(const PilotMethod& method) {
  const auto spread = spread_of(method);
  const auto aggregate = blocked_aggregate_test(differences_of(method));
  const auto& p = aggregate.by_seed.two_sided.p;
  return {method.name,
          static_cast<std::int64_t>(method.cells.size()),
          method.largest_n_pairs(),
          value_of(spread.median),
          value_of(spread.lowest),
          value_of(spread.highest),
          value_of(aggregate.hodges_lehmann),
          method.shares_networks ? QueryValue() : value_of(p)};
}

std::vector<Row> power_rows(const PilotMethod& method, const PowerQuestion& question) {
  std::vector<Row> rows;
  if (method.cells.empty() || method.shares_networks) return rows;
  const auto spread = spread_of(method);
  const auto n_cells = static_cast<std::int64_t>(method.cells.size());
  const auto grid = [&](const Measured& effect) {
    return assumption(n_cells, std::abs(effect.value), question);
  };
  const bool has_median = spread.median.has_value() && spread.median.value != 0.0;
  const bool has_quartile = has_median && spread.lower_quartile.value * spread.median.value > 0.0;
  PowerSearch at_median(grid(has_median ? spread.median : Measured::of(0.0)));
  PowerSearch at_quartile(grid(has_quartile ? spread.lower_quartile : Measured::of(0.0)));
  const auto seeds = [&](PowerSearch& search, bool exists,
                         GridCorrection correction) -> QueryValue {
    const auto needed = exists ? search.seeds_for(correction, question.power) : std::nullopt;
    if (!needed) return std::monostate();
    return needed->n_seeds;
  };
  const auto assumed = grid(Measured::of(0.0));
  for (const auto correction : kCorrections) {
    rows.push_back(
        {method.name, name(correction), count_significant(method, correction, question.alpha),
         minimum_seeds(correction, n_cells, assumed.n_effective, question.alpha),
         seeds(at_median, has_median, correction), seeds(at_quartile, has_quartile, correction)});
  }
  return rows;
}

const std::vector<std::string> kEffectColumns = {
    "method",        "cells",          "pairs",          "effect_median",
    "effect_lowest", "effect_highest", "hodges_lehmann", "p_whole_grid"};
const std::vector<std::string> kPowerColumns = {
    "method",         "correction",      "significant_cells",
    "seeds_possible", "seeds_at_median", "seeds_at_quartile"};

}  // namespace

void check_question(const PowerQuestion& q) {
  const auto inside = [](const char* what, double value, bool may_be_one) {
    if (value > 0.0 && (value < 1.0 || (may_be_one && value == 1.0))) return;
    throw UsageError(fmt::format("{} is {}; it lies above 0 and {} 1", what, value,
                                 may_be_one ? "at or below" : "below"));
  };
  inside("--power", q.power, false);
  inside("--alpha", q.alpha, false);
  inside("--effective-share", q.effective_share, true);
  if (!(q.correlation >= 0.0 && q.correlation <= 1.0)) {
    throw UsageError(fmt::format("--correlation is {}; it lies between 0 and 1", q.correlation));
  }
  if (q.effect && !(std::isfinite(*q.effect) && *q.effect != 0.0)) {
    throw UsageError(
        fmt::format("--effect is {}; it is the mean paired difference divided by its "
                    "standard deviation, and not 0",
                    *q.effect));
  }
}

QueryTable grid_power_table(std::int64_t n_cells, const PowerQuestion& question) {
  QueryTable table;
  table.columns = {"correction", "seeds_possible", "possible_asymptotic"};
  if (question.effect) {
    table.columns.insert(table.columns.end(), {"seeds_needed", "power", "error"});
  }
  table.columns.emplace_back("assumes");
  const auto grid = assumption(n_cells, std::abs(question.effect.value_or(0.0)), question);
  PowerSearch search(grid);
  for (const auto correction : kCorrections) {
    Row row = {
        name(correction), minimum_seeds(correction, n_cells, grid.n_effective, question.alpha),
        count_of(minimum_seeds_asymptotic(correction, n_cells, grid.n_effective, question.alpha))};
    if (question.effect) add_seeds_for_power(search, correction, question.power, row);
    row.emplace_back(assumes(correction, grid));
    table.rows.push_back(std::move(row));
  }
  return table;
}

QueryTable sweep_power_table(std::span<const PlannedFamily> families,
                             const PowerQuestion& question) {
  QueryTable table;
  table.columns = {"methods",        "cells",    "pairs",          "correction",
                   "seeds_possible", "possible", "smallest_effect"};
  if (question.effect) {
    table.columns.insert(table.columns.end(), {"power_now", "seeds_needed", "power", "error"});
  }
  for (const auto& family : families) {
    const auto grid = assumption(family.n_cells, std::abs(question.effect.value_or(1.0)), question);
    PowerSearch search(grid);
    for (const auto correction : kCorrections) {
      const auto possible =
          minimum_seeds(correction, family.n_cells, grid.n_effective, question.alpha);
      const bool is_possible = family.n_pairs >= possible;
      const auto smallest = search.smallest_effect(correction, family.n_pairs, question.power);
      Row row = {family.methods,
                 family.n_cells,
                 family.n_pairs,
                 name(correction),
                 possible,
                 std::string(is_possible ? "yes" : "no"),
                 smallest ? QueryValue(*smallest) : QueryValue()};
      if (question.effect) {
        row.emplace_back(
            rounded(is_possible ? search.at(family.n_pairs).of(correction).power : 0.0));
        add_seeds_for_power(search, correction, question.power, row);
      }
      table.rows.push_back(std::move(row));
    }
  }
  return table;
}

QueryTable pilot_effect_table(const Pilot& pilot) {
  QueryTable table{kEffectColumns, {}};
  for (const auto& method : pilot.methods) table.rows.push_back(effect_row(method));
  return table;
}

QueryTable pilot_power_table(const Pilot& pilot, const PowerQuestion& question) {
  QueryTable table{kPowerColumns, {}};
  for (const auto& method : pilot.methods) {
    for (auto& row : power_rows(method, question)) table.rows.push_back(std::move(row));
  }
  return table;
}

QueryTable pilot_joined_table(const Pilot& pilot, const PowerQuestion& question) {
  QueryTable table{kEffectColumns, {}};
  table.columns.insert(table.columns.end(), kPowerColumns.begin() + 1, kPowerColumns.end());
  for (const auto& method : pilot.methods) {
    const auto effects = effect_row(method);
    for (const auto& row : power_rows(method, question)) {
      table.rows.push_back(effects);
      table.rows.back().insert(table.rows.back().end(), row.begin() + 1, row.end());
    }
  }
  return table;
}

std::string holm_limit(const std::string& methods, std::int64_t n_cells, std::int64_t n_pairs,
                       double alpha) {
  const auto needed = minimum_seeds(GridCorrection::Holm, n_cells, n_cells, alpha);
  if (n_pairs >= needed) return "";
  const double p = smallest_exact_p(n_pairs);
  return fmt::format(
      "{}: {} pairs cannot give a p below {:.3g}, so no cell can be significant after Holm or "
      "Bonferroni ({} cells x {:.3g} = {:.3g} > {:g}): that takes {} pairs.",
      methods, n_pairs, p, n_cells, p, static_cast<double>(n_cells) * p, alpha, needed);
}

std::vector<std::string> pilot_limits(const Pilot& pilot, const PowerQuestion& question) {
  std::vector<std::string> lines;
  for (const auto& method : pilot.methods) {
    if (method.shares_networks) {
      lines.push_back(method.name + ": replicates share networks, so nothing can be tested.");
    } else if (method.cells.empty()) {
      lines.push_back(method.name + ": no pairs yet.");
    } else {
      auto line = holm_limit(method.name, static_cast<std::int64_t>(method.cells.size()),
                             method.largest_n_pairs(), question.alpha);
      if (!line.empty()) lines.push_back(std::move(line));
    }
  }
  return lines;
}

}  // namespace calsweep::analysis
