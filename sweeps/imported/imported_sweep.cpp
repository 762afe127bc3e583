#include "sweeps/imported/imported_sweep.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "sweeps/errors.hpp"
#include "sweeps/imported/record_files.hpp"

namespace calsweep::imported {
namespace {

class Builder {
 public:
  Builder(Sweep& sweep, const Manifest& manifest) : sweep_(sweep), manifest_(manifest) {}

  void build() {
    for (const auto& record : manifest_.records) add_trial(record);
    for (std::size_t c = 0; c < sweep_.cells.size(); ++c) {
      for (std::size_t m = 0; m < sweep_.spec.methods.size(); ++m) {
        add_replicates(static_cast<CellIndex>(c), static_cast<std::int32_t>(m));
      }
    }
  }

 private:
  /// Trials of one method in one cell, by seed.
  using Trials = std::vector<TrialIndex>;

  CellIndex cell_of(const Record& record) {
    const auto& cells = sweep_.cells;
    const auto [at, is_new] = cells_.emplace(record.cell, static_cast<CellIndex>(cells.size()));
    if (is_new) sweep_.cells.push_back({record.cell});
    return at->second;
  }

  void add_trial(const Record& record) {
    const std::string key = record.key(manifest_.axes);
    const auto at = sweep_.data.sets.find(key);
    if (at == sweep_.data.sets.end()) {
      throw FormatError(
          fmt::format("the run directory does not know the content of the record {}: "
                      "an import was interrupted; run `calsweep import` with the same "
                      "manifest again",
                      key));
    }
    Recipe recipe;
    recipe.canonical = "calsweep imported|" + key;
    Trial trial{trial_id(record, manifest_.axes, at->second.fingerprint),
                static_cast<RecipeIndex>(sweep_.recipes.size()),
                record.seed,
                0,
                {}};
    const auto index = static_cast<TrialIndex>(sweep_.trials.size());
    sweep_.recipes.push_back(std::move(recipe));
    sweep_.trials.push_back(std::move(trial));
    auto& trials = trials_[cell_of(record)][record.method];
    const auto by_seed = [&](TrialIndex t, std::int64_t seed) { return seed_of(t) < seed; };
    trials.insert(std::lower_bound(trials.begin(), trials.end(), record.seed, by_seed), index);
  }

  std::int64_t seed_of(TrialIndex trial) const {
    return sweep_.trials[static_cast<std::size_t>(trial)].seed;
  }

  void add_replicates(CellIndex cell, std::int32_t method_index) {
    const Method& method = sweep_.spec.methods[static_cast<std::size_t>(method_index)];
    const auto& by_method = trials_[cell];
    const auto at = by_method.find(method.ensemble ? method.ensemble->of : method.name);
    if (at == by_method.end()) return;
    if (method.ensemble) return add_ensembles(cell, method_index, *method.ensemble, at->second);
    for (const auto trial : at->second) {
      sweep_.replicates.push_back({cell, method_index, seed_of(trial), {trial}});
    }
  }

  void add_ensembles(CellIndex cell, std::int32_t method, const EnsembleRecipe& ensemble,
                     const Trials& trials) {
    const auto size = static_cast<std::size_t>(ensemble.size);
    const bool disjoint = ensemble.members == EnsembleMembers::DisjointSeeds;
    const std::size_t n_replicates = disjoint ? trials.size() / size : trials.size();
    for (std::size_t r = 0; r < n_replicates; ++r) {
      Replicate replicate{
          cell, method, disjoint ? static_cast<std::int64_t>(r) : seed_of(trials[r]), {}};
      const std::size_t first = disjoint ? r * size : r;
      for (std::size_t m = 0; m < size; ++m) {
        replicate.trials.push_back(trials[(first + m) % trials.size()]);
      }
      sweep_.replicates.push_back(std::move(replicate));
    }
  }

  Sweep& sweep_;
  const Manifest& manifest_;
  std::map<std::vector<SettingValue>, CellIndex> cells_;
  std::map<CellIndex, std::map<std::string, Trials>> trials_;
};

}  // namespace

Sweep imported_sweep(Manifest manifest, DataInventory data) {
  Sweep sweep;
  sweep.spec = manifest.spec;
  sweep.data = std::move(data);
  sweep.axis_paths = manifest.axes;
  sweep.axis_names = manifest.axes;
  Builder(sweep, manifest).build();
  return sweep;
}

bool holds_imported_sweep(const RunDirectory& run) {
  return run.holds_sweep() && is_manifest(read_file(run.spec()));
}

}  // namespace calsweep::imported
