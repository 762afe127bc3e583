// Expands a spec into cells, recipes, replicates and trials.
#include <fmt/core.h>

#include <algorithm>
#include <set>
#include <unordered_map>

#include "sweeps/axis_names.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/sweep.hpp"

namespace calsweep {
namespace {

std::string last_part(const std::string& path) { return path.substr(path.rfind('.') + 1); }

std::vector<std::string> short_names(const std::vector<std::string>& paths) {
  std::vector<std::string> names;
  for (const auto& path : paths) {
    const auto same = std::count_if(paths.begin(), paths.end(), [&](const auto& other) {
      return last_part(other) == last_part(path);
    });
    std::string name = last_part(path);
    if (same > 1 || reserved_axis_names().contains(name)) {
      name = path;
      std::replace(name.begin(), name.end(), '.', '_');
    }
    names.push_back(std::move(name));
  }
  return names;
}

bool matches(const Exclusion& exclusion, const Sweep& sweep, const Cell& cell,
             const std::string& method) {
  return std::all_of(
      exclusion.matches.begin(), exclusion.matches.end(), [&](const auto& condition) {
        const auto& [path, values] = condition;
        SettingValue actual = method;
        if (path != "method") {
          const auto at = std::find(sweep.axis_paths.begin(), sweep.axis_paths.end(), path);
          actual = cell.coordinates[static_cast<std::size_t>(at - sweep.axis_paths.begin())];
        }
        return std::find(values.begin(), values.end(), actual) != values.end();
      });
}

class Expander {
 public:
  explicit Expander(Sweep& sweep) : sweep_(sweep) {
    for (const auto seed : sweep.spec.seeds) seeds_.push_back(seed);
  }

  void add_cells() {
    const auto& axes = sweep_.spec.axes;
    std::vector<std::size_t> point(axes.size(), 0);
    while (true) {
      Cell cell;
      for (std::size_t a = 0; a < axes.size(); ++a) {
        const auto& values = axes[a].values[point[a]];
        cell.coordinates.insert(cell.coordinates.end(), values.begin(), values.end());
      }
      add_cell(std::move(cell));
      std::size_t a = axes.size();
      while (a > 0 && ++point[a - 1] == axes[a - 1].values.size()) point[--a] = 0;
      if (a == 0) return;
    }
  }

 private:
  void add_cell(Cell cell) {
    const auto& methods = sweep_.spec.methods;
    const auto index = static_cast<CellIndex>(sweep_.cells.size());
    bool used = false;
    for (std::size_t m = 0; m < methods.size(); ++m) {
      const bool excluded = std::any_of(
          sweep_.spec.exclusions.begin(), sweep_.spec.exclusions.end(),
          [&](const auto& exclusion) { return matches(exclusion, sweep_, cell, methods[m].name); });
      if (excluded) continue;
      used = true;
      if (methods[m].ensemble) {
        add_ensemble(index, cell, static_cast<std::int32_t>(m));
      } else {
        const RecipeIndex recipe = recipe_for(cell, methods[m]);
        for (const auto seed : seeds_) {
          sweep_.replicates.push_back(
              {index, static_cast<std::int32_t>(m), seed, {trial_for(recipe, seed, 0)}});
        }
      }
    }
    if (used) sweep_.cells.push_back(std::move(cell));
  }

  void add_ensemble(CellIndex cell_index, const Cell& cell, std::int32_t method) {
    const EnsembleRecipe& ensemble =
        *sweep_.spec.methods[static_cast<std::size_t>(method)].ensemble;
    const auto& methods = sweep_.spec.methods;
    const auto base = std::find_if(methods.begin(), methods.end(),
                                   [&](const auto& m) { return m.name == ensemble.of; });
    CALSWEEP_CHECK(base != methods.end(), "an ensemble of an unknown method");
    const RecipeIndex recipe = recipe_for(cell, *base);
    const auto size = static_cast<std::size_t>(ensemble.size);
    const bool disjoint = ensemble.members == EnsembleMembers::DisjointSeeds;
    const std::size_t n_replicates = disjoint ? seeds_.size() / size : seeds_.size();
    for (std::size_t r = 0; r < n_replicates; ++r) {
      Replicate replicate{
          cell_index, method, disjoint ? static_cast<std::int64_t>(r) : seeds_[r], {}};
      for (std::size_t m = 0; m < size; ++m) {
        replicate.trials.push_back(member_trial(ensemble, recipe, r, m));
      }
      sweep_.replicates.push_back(std::move(replicate));
    }
  }

  TrialIndex member_trial(const EnsembleRecipe& ensemble, RecipeIndex recipe, std::size_t replicate,
                          std::size_t m) {
    switch (ensemble.members) {
      case EnsembleMembers::Independent:
        return trial_for(recipe, seeds_[replicate], static_cast<std::int64_t>(m) + 1);
      case EnsembleMembers::DisjointSeeds:
        return trial_for(recipe, seeds_[replicate * static_cast<std::size_t>(ensemble.size) + m],
                         0);
      case EnsembleMembers::CyclicSeeds:
        return trial_for(recipe, seeds_[(replicate + m) % seeds_.size()], 0);
    }
    return 0;
  }

  RecipeIndex recipe_for(const Cell& cell, const Method& method) {
    Recipe recipe;
    recipe.settings = sweep_.spec.base;
    for (std::size_t i = 0; i < sweep_.axis_paths.size(); ++i) {
      recipe.settings.set(sweep_.axis_paths[i], cell.coordinates[i]);
    }
    for (const auto& ingredient : method.ingredients) recipe.settings.turn_on(ingredient);
    for (const auto& [path, value] : method.settings) recipe.settings.set(path, value);
    resolve_ood(recipe.settings);
    recipe.canonical = canonical_of(recipe.settings);
    const auto next = static_cast<RecipeIndex>(sweep_.recipes.size());
    const auto [at, is_new] = recipes_.emplace(recipe.canonical, next);
    if (is_new) {
      recipe.stage_canonical = stage_canonical_of(recipe.settings);
      sweep_.recipes.push_back(std::move(recipe));
    }
    return at->second;
  }

  void resolve_ood(Settings& settings) const {
    std::vector<std::string> resolved;
    for (const auto& entry : settings.texts("data.ood")) {
      const OodName name = parse_ood_name(entry);
      if (name.optional && !sweep_.data.sets.contains(name.set)) continue;
      resolved.push_back(name.str());
    }
    settings.set("data.ood", std::move(resolved));
  }

  std::string fingerprint(const std::string& set) const {
    const auto at = sweep_.data.sets.find(set);
    return at == sweep_.data.sets.end() ? "absent" : at->second.fingerprint;
  }

  std::string canonical_of(const Settings& settings) const {
    std::string text =
        fmt::format("calsweep trial, semantics {}|{}|{}", kTrainingSemantics, settings.canonical(),
                    fingerprint(settings.text("data.dataset")));
    for (const auto& entry : settings.texts("data.ood")) {
      text += "|" + fingerprint(parse_ood_name(entry).set);
    }
    return text;
  }

  // A warm-up depends on the network, on its own settings and on the input shape, not on the data.
  static std::string stage_canonical_of(const Settings& settings) {
    if (!settings.has("noise_warmup")) return "";
    const auto* set = find_dataset(settings.text("data.dataset"));
    std::string text = fmt::format("calsweep stage, semantics {}|{}x{}x{}|{}", kTrainingSemantics,
                                   set->channels, set->height, set->width, set->n_classes);
    for (const auto& key : setting_keys()) {
      if (!key.path.starts_with("model.") && !key.path.starts_with("noise_warmup.")) continue;
      text += fmt::format("|{}={}", key.path, canonical_text(settings.value(key.path)));
    }
    return text;
  }

  TrialIndex trial_for(RecipeIndex recipe_index, std::int64_t seed, std::int64_t member) {
    const Recipe& recipe = sweep_.recipes[static_cast<std::size_t>(recipe_index)];
    const std::string suffix = fmt::format("|seed={}|member={}", seed, member);
    Trial trial{TrialId::of(recipe.canonical + suffix), recipe_index, seed, member, {}};
    const auto next = static_cast<TrialIndex>(sweep_.trials.size());
    const auto [at, is_new] = trials_.emplace(trial.id, next);
    if (!is_new) return at->second;
    if (!recipe.stage_canonical.empty()) {
      trial.stage = StageId::of(recipe.stage_canonical + suffix);
    }
    sweep_.trials.push_back(std::move(trial));
    return next;
  }

  Sweep& sweep_;
  std::vector<std::int64_t> seeds_;
  std::unordered_map<std::string, RecipeIndex> recipes_;
  std::unordered_map<TrialId, TrialIndex> trials_;
};

}  // namespace

const std::set<std::string>& reserved_axis_names() {
  static const std::set<std::string> names = {"method",    "seed", "member", "metric",
                                              "reference", "n",    "cell",   "label",
                                              "trial",     "set",  "value",  "verdict"};
  return names;
}

std::string_view to_string(EnsembleMembers members) {
  switch (members) {
    case EnsembleMembers::Independent:
      return "independent";
    case EnsembleMembers::DisjointSeeds:
      return "disjoint-seeds";
    case EnsembleMembers::CyclicSeeds:
      return "cyclic-seeds";
  }
  return "";
}

Sweep expand(Spec spec, DataInventory data) {
  Sweep sweep;
  sweep.spec = std::move(spec);
  sweep.data = std::move(data);
  for (const auto& axis : sweep.spec.axes) {
    sweep.axis_paths.insert(sweep.axis_paths.end(), axis.paths.begin(), axis.paths.end());
  }
  sweep.axis_names = short_names(sweep.axis_paths);
  Expander(sweep).add_cells();
  return sweep;
}

}  // namespace calsweep
