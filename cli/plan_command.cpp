// `calsweep plan SPEC`: what a sweep would do. No training, no LibTorch.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "cli/commands.hpp"
#include "cli/named_file.hpp"
#include "sweeps/cost.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/sweep.hpp"
#include "sweeps/unit.hpp"

namespace calsweep::cli {
namespace {

struct PlanNumbers {
  std::size_t cells = 0, replicates = 0, trials = 0, units = 0, stages = 0, stages_unshared = 0;
  double trial_flops = 0.0, stage_flops = 0.0, bytes = 0.0;
  double core_seconds() const { return (trial_flops + stage_flops) / kAssumedFlopsPerSecond; }
};

PlanNumbers count(const Sweep& sweep) {
  PlanNumbers numbers;
  numbers.cells = sweep.cells.size();
  numbers.replicates = sweep.replicates.size();
  numbers.trials = sweep.trials.size();
  PackingOptions packing;
  packing.flops_per_unit = sweep.spec.execution.unit_seconds * kAssumedFlopsPerSecond;
  numbers.units =
      pack_units(
          sweep, packing, [](const auto&) { return false; }, [](const auto&) { return false; })
          .size();
  struct RecipeCost {
    double trial, stage, bytes;
  };
  std::vector<RecipeCost> costs;
  for (const auto& recipe : sweep.recipes) {
    costs.push_back(
        {trial_flops(recipe.settings), stage_flops(recipe.settings), trial_bytes(recipe.settings)});
  }
  std::set<StageId> stages;
  for (const auto& trial : sweep.trials) {
    const auto& cost = costs[static_cast<std::size_t>(trial.recipe)];
    numbers.trial_flops += cost.trial;
    numbers.bytes += cost.bytes;
    if (!trial.stage) continue;
    ++numbers.stages_unshared;
    if (stages.insert(*trial.stage).second) numbers.stage_flops += cost.stage;
  }
  numbers.stages = stages.size();
  return numbers;
}

std::string duration_text(double seconds) {
  if (seconds < 90) return fmt::format("{:.0f} s", std::max(seconds, 1.0));
  if (seconds < 5400) return fmt::format("{:.0f} min", seconds / 60);
  if (seconds < 172800) return fmt::format("{:.1f} h", seconds / 3600);
  return fmt::format("{:.1f} days", seconds / 86400);
}

std::string bytes_text(double bytes) {
  if (bytes < 1e6) return fmt::format("{:.0f} kB", bytes / 1e3);
  if (bytes < 1e9) return fmt::format("{:.1f} MB", bytes / 1e6);
  return fmt::format("{:.2f} GB", bytes / 1e9);
}

std::string axis_text(const Axis& axis) {
  std::string text;
  for (const auto& point : axis.values) {
    std::vector<std::string> parts;
    for (const auto& value : point) parts.push_back(display_text(value));
    text += fmt::format("{}{}", text.empty() ? "" : ", ", fmt::join(parts, "/"));
  }
  return text;
}

std::string method_text(const Method& method) {
  if (method.ensemble) {
    return fmt::format("{} networks of '{}' per replicate, probabilities averaged ({})",
                       method.ensemble->size, method.ensemble->of,
                       to_string(method.ensemble->members));
  }
  std::vector<std::string> parts;
  for (const auto& ingredient : method.ingredients) {
    std::vector<std::string> given;
    for (const auto& [path, value] : method.settings) {
      if (!path.starts_with(ingredient + ".")) continue;
      given.push_back(
          fmt::format("{} {}", path.substr(ingredient.size() + 1), display_text(value)));
    }
    parts.push_back(given.empty() ? ingredient
                                  : fmt::format("{} ({})", ingredient, fmt::join(given, ", ")));
  }
  for (const auto& [path, value] : method.settings) {
    if (setting_keys()[static_cast<std::size_t>(find_setting(path))].ingredient.empty()) {
      parts.push_back(fmt::format("{} {}", path, display_text(value)));
    }
  }
  return parts.empty() ? "no ingredient" : fmt::format("{}", fmt::join(parts, "; "));
}

void print_grid(const Sweep& sweep) {
  const auto& spec = sweep.spec;
  fmt::print("sweep    {}{}{}\n", spec.name, spec.description.empty() ? "" : ": ",
             spec.description);
  for (const auto& axis : spec.axes) {
    fmt::print("axis     {}: {}\n", fmt::join(axis.paths, "/"), axis_text(axis));
  }
  for (const auto& method : spec.methods) {
    fmt::print("method   {}: {}\n", method.name, method_text(method));
  }
  fmt::print("seeds    {}\n", spec.seeds.size());
}

void print_numbers(const Sweep& sweep, const PlanNumbers& n) {
  fmt::print("trials   {} networks to train ({} cells, {} replicates)\n", n.trials, n.cells,
             n.replicates);
  if (n.stages > 0) {
    fmt::print(
        "stages   {} noise warm-ups, trained once and shared ({} if each trial did its own)\n",
        n.stages, n.stages_unshared);
  }
  fmt::print("units    {} ({}about {:g} s each)\n", n.units,
             sweep.spec.execution.fuse > 1
                 ? fmt::format("up to {} networks fused, ", sweep.spec.execution.fuse)
                 : "",
             sweep.spec.execution.unit_seconds);
  fmt::print(
      "work     {:.3g} TFLOP; about {} on one CPU core at {:.0f} GFLOP/s (an assumption: `run` "
      "measures)\n",
      (n.trial_flops + n.stage_flops) / 1e12, duration_text(n.core_seconds()),
      kAssumedFlopsPerSecond / 1e9);
  fmt::print("disk     about {} of logits\n", bytes_text(n.bytes));
}

void print_data(const Sweep& sweep, const std::vector<std::string>& missing) {
  for (const auto& [name, set] : sweep.data.sets) {
    fmt::print("data     {} in {}, sha256 {}…\n", name, set.folder.string(),
               set.fingerprint.substr(0, 12));
  }
  for (const auto& name : left_out_ood(sweep.spec, sweep.data)) {
    fmt::print("ood      {}: not found, left out (it is optional)\n", name);
  }
  for (const auto& text : missing) fmt::print(stderr, "warning: {}\n", text);
  if (!missing.empty())
    fmt::print(
        stderr,
        "warning: trial ids contain the fingerprint of the data; the real ones are known once "
        "it is there\n");
}

// A trial may serve several cells or methods (same content, trained once): the first is named.
void print_trials(const Sweep& sweep) {
  std::vector<const Replicate*> first(sweep.trials.size(), nullptr);
  for (const auto& replicate : sweep.replicates) {
    for (const auto trial : replicate.trials) {
      auto& place = first[static_cast<std::size_t>(trial)];
      if (place == nullptr) place = &replicate;
    }
  }
  for (std::size_t i = 0; i < sweep.trials.size(); ++i) {
    const Trial& trial = sweep.trials[i];
    const Cell& cell = sweep.cells[static_cast<std::size_t>(first[i]->cell)];
    std::string line = trial.id.str();
    for (std::size_t a = 0; a < sweep.axis_names.size(); ++a) {
      line += fmt::format("  {}={}", sweep.axis_names[a], display_text(cell.coordinates[a]));
    }
    line += fmt::format("  {}  seed={}",
                        sweep.spec.methods[static_cast<std::size_t>(first[i]->method)].name,
                        trial.seed);
    if (trial.member > 0) line += fmt::format("  member={}", trial.member);
    fmt::print("{}\n", line);
  }
}

void print_json(const Sweep& sweep, const PlanNumbers& n, bool list) {
  nlohmann::json json = {{"name", sweep.spec.name},
                         {"cells", n.cells},
                         {"replicates", n.replicates},
                         {"trials", n.trials},
                         {"units", n.units},
                         {"stages", n.stages},
                         {"flops", n.trial_flops + n.stage_flops},
                         {"bytes", n.bytes}};
  if (list) {
    for (const auto& trial : sweep.trials) {
      json["trial_list"].push_back(
          {{"id", trial.id.str()},
           {"seed", trial.seed},
           {"member", trial.member},
           {"settings",
            nlohmann::json::parse(
                sweep.recipes[static_cast<std::size_t>(trial.recipe)].settings.canonical())}});
    }
  }
  fmt::print("{}\n", json.dump(1));
}

}  // namespace

int plan(const PlanOptions& options) {
  Spec spec = load_spec(named_file(options.spec, "the sweep's TOML file"));
  std::vector<std::string> missing;
  DataInventory data = take_partial_inventory(spec, missing);
  const Sweep sweep = expand(std::move(spec), std::move(data));
  const PlanNumbers numbers = count(sweep);
  if (options.json) {
    print_json(sweep, numbers, options.list);
    return kExitDone;
  }
  print_grid(sweep);
  print_numbers(sweep, numbers);
  print_data(sweep, missing);
  if (options.list) print_trials(sweep);
  return kExitDone;
}

}  // namespace calsweep::cli
