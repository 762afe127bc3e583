// What a sweep is: the spec as declared, and the grid expanded into cells, recipes and trials.
//
//   spec (TOML) --parse_spec--> Spec --expand--> Sweep {cells, recipes, replicates, trials}
//
// cell       one combination of all axes except method and seed: where methods are compared
// recipe     cell × method, everything about a network except its seed
// replicate  cell × method × seed, what a paired test counts; one trial, or M for an ensemble
// trial      one network; two replicates may share a trial (same content, same id, trained once)
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "sweeps/datasets.hpp"
#include "sweeps/ids.hpp"
#include "sweeps/settings.hpp"

namespace calsweep {

/// Bumped whenever the same settings would train to different logits; part of every trial id.
inline constexpr int kTrainingSemantics = 1;

/// One axis: a key, or several keys zipped together, and the values taken.
struct Axis {
  std::vector<std::string> paths;                 ///< one, or several that move together
  std::vector<std::vector<SettingValue>> values;  ///< [point][path]
};

struct Exclusion {
  std::vector<std::pair<std::string, std::vector<SettingValue>>> matches;  ///< all must match
};

/// How an ensemble gets its members. Recorded with every ensemble result.
enum class EnsembleMembers {
  Independent,    ///< M networks of its own per seed, none shared with the base method
  DisjointSeeds,  ///< seeds rM … rM+M-1 of the base method form replicate r: no network used twice
  CyclicSeeds     ///< seeds r … r+M-1 (cyclic) form replicate r: replicates share networks
};
std::string_view to_string(EnsembleMembers members);

struct EnsembleRecipe {
  std::string of;  ///< the method whose networks it pools
  std::int64_t size = 5;
  EnsembleMembers members = EnsembleMembers::Independent;
};

struct Method {
  std::string name;
  std::vector<std::string> ingredients;                        ///< those that are on
  std::vector<std::pair<std::string, SettingValue>> settings;  ///< overrides, by path
  std::optional<EnsembleRecipe> ensemble;
};

struct AnalysisOptions {
  std::string reference;  ///< method the others are compared with
  double alpha = 0.05;    ///< significance level after correction
  /// Post-hoc calibrators applied to every network and ensemble (docs/calibrators.md).
  std::vector<std::string> calibrators = {"temperature", "vector", "isotonic-top-label"};
  std::int64_t cross_fitting_folds = 0;  ///< without validation rows: folds of test; 0: none
  std::int64_t resamples = 1000;         ///< draws for floors and intervals; 0: none
  double conformal_alpha = 0.1;          ///< prediction sets aim at a coverage of 1 - this
  double equivalence = 0.01;             ///< smaller differences count as equal (Bayesian test)
};
/// What `calibrators` may name.
std::span<const std::string_view> calibrator_names();

struct ExecutionOptions {
  std::int64_t fuse = 1;             ///< networks stacked into one, at most
  double unit_seconds = 20.0;        ///< aimed-at duration of a unit on one slot
  std::int64_t max_attempts = 3;     ///< tries per unit before its trials are set aside
  double heartbeat_seconds = 120.0;  ///< a silent trainer is killed after this
  double checkpoint_seconds = 60.0;  ///< between two checkpoints of a unit in training
  std::int64_t threads = 1;          ///< LibTorch threads per CPU slot
};

struct Spec {
  std::string name;
  std::string description;
  std::string data_root;  ///< empty: search the usual places
  std::vector<std::int64_t> seeds;
  Settings base;
  std::vector<Axis> axes;
  std::vector<Exclusion> exclusions;
  std::vector<Method> methods;
  AnalysisOptions analysis;
  ExecutionOptions execution;
  std::string source_text;  ///< the file as read
};

/// One mistake in a spec: "file:line:column: message".
struct Diagnostic {
  std::string file;
  std::uint32_t line = 0, column = 0;  ///< from 1; 0 = no position
  std::string message;                 ///< what is wrong, what was expected, nearest valid name
  std::string str() const;
};

/// Either a spec or every mistake in it, in file order.
std::variant<Spec, std::vector<Diagnostic>> parse_spec(std::string_view toml,
                                                       const std::string& file_name);
/// Reads and parses. Throws IoError if unreadable, UsageError with all diagnostics if wrong.
Spec load_spec(const std::filesystem::path& file);

using CellIndex = std::int32_t;
using RecipeIndex = std::int32_t;
using TrialIndex = std::int32_t;

struct Cell {
  std::vector<SettingValue> coordinates;  ///< by Sweep::axis_paths
};

struct Recipe {
  Settings settings;
  std::string canonical;  ///< settings + data fingerprints + training semantics: what ids hash
  std::string stage_canonical;  ///< of the warm-up stage; empty when the recipe has none
};

struct Trial {
  TrialId id;
  RecipeIndex recipe = 0;
  std::int64_t seed = 0;
  std::int64_t member = 0;  ///< 0: a network of its own; 1…M: member of an independent ensemble
  std::optional<StageId> stage;
};

struct Replicate {
  CellIndex cell = 0;
  std::int32_t method = 0;         ///< index into Spec::methods
  std::int64_t seed = 0;           ///< pairing key; for DisjointSeeds the replicate number
  std::vector<TrialIndex> trials;  ///< one, or the M members of an ensemble
};

struct Sweep {
  Spec spec;
  DataInventory data;
  std::vector<std::string> axis_paths;  ///< every axis key, in spec order
  std::vector<std::string> axis_names;  ///< short column names: "depth", "size" (unique)
  std::vector<Cell> cells;
  std::vector<Recipe> recipes;
  std::vector<Trial> trials;          ///< unique
  std::vector<Replicate> replicates;  ///< in cell, method, seed order
};

/// Expands the grid. `data` supplies fingerprints; a set it lacks makes OOD entries written with a
/// trailing "?" disappear and any other entry hash as "absent" (plan does so when data is missing).
Sweep expand(Spec spec, DataInventory data);

/// The data sets a spec names, resolved on this machine: located and fingerprinted. Optional sets
/// that are absent are left out. Throws IoError for a missing one (see locate_dataset).
DataInventory take_inventory(const Spec& spec);
/// As above, leaving out whatever is missing; the messages go to `missing`.
DataInventory take_partial_inventory(const Spec& spec, std::vector<std::string>& missing);

/// Optional OOD sets (written with a "?") that the inventory lacks, so that trials go without them.
std::vector<std::string> left_out_ood(const Spec& spec, const DataInventory& data);

}  // namespace calsweep
