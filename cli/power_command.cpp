// `calsweep power [SPEC | DIR]`: how many seeds show an effect, before a sweep and after a pilot.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "analysis/query/pilot.hpp"
#include "analysis/query/power_tables.hpp"
#include "analysis/query/table_format.hpp"
#include "cli/commands.hpp"
#include "cli/named_file.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/run_directory.hpp"
#include "sweeps/sweep.hpp"

namespace calsweep::cli {
namespace {

constexpr std::size_t kTextWidth = 100;

analysis::PowerQuestion question_of(const PowerOptions& options, double default_alpha) {
  analysis::PowerQuestion question;
  question.effect = options.effect;
  question.power = options.power;
  question.alpha = options.alpha.value_or(default_alpha);
  question.effective_share = options.effective_share;
  question.correlation = options.correlation;
  analysis::check_question(question);
  return question;
}

/// Explanations only where a person reads.
void explain(analysis::TableFormat format, const std::string& text) {
  if (format == analysis::TableFormat::Table) {
    fmt::print("{}\n", analysis::wrapped(text, kTextWidth));
  }
}

void print(const analysis::QueryTable& table, analysis::TableFormat format) {
  fmt::print("{}", analysis::format_table(table, format));
}

void explain_columns(const analysis::PowerQuestion& question, analysis::TableFormat format) {
  explain(format,
          "\nseeds_possible: from so many seeds on a cell can be significant at all (every "
          "difference of one sign).");
  if (!question.effect) return;
  explain(
      format,
      fmt::format("seeds_needed: for power {:g}, the expected share of the cells with the "
                  "effect that come out significant; simulated normal differences, d_z {:g}, "
                  "correlation {:g} between cells; error: standard error of the simulation; "
                  "-: more than {} seeds.",
                  question.power, *question.effect, question.correlation, analysis::kMostSeeds));
}

void power_of_grid(const PowerOptions& options, analysis::TableFormat format) {
  if (options.cells < 1) {
    throw UsageError(
        "say how many cells the grid has (--cells N), or give a spec or a run "
        "directory");
  }
  const auto question = question_of(options, 0.05);
  explain(format, fmt::format("{} cell{}, alpha {:g}, one two-sided exact signed-rank test per "
                              "cell\n",
                              options.cells, options.cells == 1 ? "" : "s", question.alpha));
  print(analysis::grid_power_table(options.cells, question), format);
  explain_columns(question, format);
  explain(format, "possible_asymptotic: the same with the normal approximation.");
}

/// Replicates per cell: the fewest of any cell, by method.
std::vector<std::int64_t> pairs_by_method(const Sweep& sweep) {
  std::vector<std::map<CellIndex, std::int64_t>> counts(sweep.spec.methods.size());
  for (const auto& replicate : sweep.replicates) {
    ++counts[static_cast<std::size_t>(replicate.method)][replicate.cell];
  }
  std::vector<std::int64_t> pairs;
  for (const auto& of_method : counts) {
    std::int64_t fewest = of_method.empty() ? 0 : std::numeric_limits<std::int64_t>::max();
    for (const auto& [cell, n] : of_method) fewest = std::min(fewest, n);
    pairs.push_back(fewest);
  }
  return pairs;
}

/// Methods with as many pairs make the same family; those that cannot be tested are named.
std::vector<analysis::PlannedFamily> families_of(const Sweep& sweep,
                                                 std::vector<std::string>& untestable) {
  const auto pairs = pairs_by_method(sweep);
  std::vector<analysis::PlannedFamily> families;
  for (std::size_t m = 0; m < sweep.spec.methods.size(); ++m) {
    const auto& method = sweep.spec.methods[m];
    if (method.name == sweep.spec.analysis.reference) continue;
    const bool shares = method.ensemble && method.ensemble->members == EnsembleMembers::CyclicSeeds;
    if (shares || pairs[m] == 0) {
      untestable.push_back(method.name + (shares ? ": replicates share networks, so nothing can be "
                                                   "tested."
                                                 : ": no replicate."));
      continue;
    }
    const auto same = std::find_if(families.begin(), families.end(),
                                   [&](const auto& family) { return family.n_pairs == pairs[m]; });
    if (same != families.end()) {
      same->methods += ", " + method.name;
    } else {
      families.push_back({method.name, static_cast<std::int64_t>(sweep.cells.size()), pairs[m]});
    }
  }
  return families;
}

void power_of_spec(const PowerOptions& options, analysis::TableFormat format) {
  Spec spec = load_spec(named_file(options.target, "the sweep's TOML file"));
  std::vector<std::string> missing;
  DataInventory data = take_partial_inventory(spec, missing);
  const Sweep sweep = expand(std::move(spec), std::move(data));
  const auto question = question_of(options, sweep.spec.analysis.alpha);
  std::vector<std::string> untestable;
  const auto families = families_of(sweep, untestable);
  explain(format,
          fmt::format("sweep {}: {} cell{}, {} seeds, alpha {:g}; each method against {}\n",
                      sweep.spec.name, sweep.cells.size(), sweep.cells.size() == 1 ? "" : "s",
                      sweep.spec.seeds.size(), question.alpha, sweep.spec.analysis.reference));
  print(analysis::sweep_power_table(families, question), format);
  if (format == analysis::TableFormat::Table) fmt::print("\n");
  for (const auto& family : families) {
    const auto line =
        analysis::holm_limit(family.methods, family.n_cells, family.n_pairs, question.alpha);
    if (!line.empty()) explain(format, line);
  }
  for (const auto& line : untestable) explain(format, line);
  explain(format, fmt::format("\nsmallest_effect: the d_z (mean paired difference / its standard "
                              "deviation) that so many pairs show with power {:g}; -: none.",
                              question.power));
  explain_columns(question, format);
}

void power_of_pilot(const PowerOptions& options, analysis::TableFormat format) {
  const RunDirectory run(options.target);
  if (!run.holds_sweep()) {
    throw UsageError(fmt::format("{} is not a run directory: it holds no sweep.toml and data.json",
                                 options.target.string()));
  }
  const auto pilot = analysis::read_pilot(run.results(), options.metric);
  const auto question = question_of(options, pilot.alpha);
  if (format != analysis::TableFormat::Table) {
    print(analysis::pilot_joined_table(pilot, question), format);
    return;
  }
  explain(format, fmt::format("{} ({}), each method minus {}, alpha {:g}\n", pilot.metric,
                              pilot.better == "none" ? "no direction" : pilot.better + " is better",
                              pilot.reference, question.alpha));
  print(analysis::pilot_effect_table(pilot), format);
  fmt::print("\n");
  print(analysis::pilot_power_table(pilot, question), format);
  const auto limits = analysis::pilot_limits(pilot, question);
  if (!limits.empty()) fmt::print("\n");
  for (const auto& line : limits) explain(format, line);
  explain(format,
          "\neffect: d_z, the mean paired difference divided by its standard deviation, per cell; "
          "from few pairs it comes out too large. p_whole_grid: one test over all cells, by sign "
          "flips of whole seeds.");
  explain(format,
          fmt::format("seeds_possible: from so many seeds on a cell can be significant at all. "
                      "seeds_at_median, seeds_at_quartile: for power {:g} if every cell has the "
                      "median effect, or that of the weakest quarter; -: no such effect, or more "
                      "than {} seeds.",
                      question.power, analysis::kMostSeeds));
}

}  // namespace

int power(const PowerOptions& options) {
  const auto format = analysis::table_format_from(options.format);
  if (options.target.empty()) {
    power_of_grid(options, format);
    return kExitDone;
  }
  if (options.cells > 0) {
    throw UsageError(
        fmt::format("--cells is for a grid that is not written down; {} says how many "
                    "cells there are",
                    options.target.string()));
  }
  if (fs::is_directory(options.target)) {
    power_of_pilot(options, format);
  } else {
    power_of_spec(options, format);
  }
  return kExitDone;
}

}  // namespace calsweep::cli
