// `calsweep reference`: the written reference of every spec key, printed from the table of
// settings.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include "cli/commands.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/settings.hpp"

namespace calsweep::cli {
namespace {

std::string limits_text(const SettingKey& key) {
  if (!key.choices.empty()) return fmt::format("`{}`", fmt::join(key.choices, "`, `"));
  std::string text;
  switch (key.type) {
    case SettingType::Boolean:
      return "`true`, `false`";
    case SettingType::TextList:
      return "list of names";
    case SettingType::Integer:
      text = "integer";
      break;
    default:
      text = "number";
  }
  if (key.minimum > -1e300) {
    text += fmt::format(" {} {:g}", key.minimum_excluded ? ">" : "≥", key.minimum);
  }
  if (key.maximum < 1e14) text += fmt::format(" and ≤ {:g}", key.maximum);
  return text;
}

void print_rows(std::string_view section) {
  fmt::print("| key | values | default | unit | meaning |\n|---|---|---|---|---|\n");
  for (const auto& key : setting_keys()) {
    if (!key.path.starts_with(section) || key.path[section.size()] != '.') continue;
    fmt::print("| `{}` | {} | `{}` | {} | {} |\n", key.path.substr(section.size() + 1),
               limits_text(key), canonical_text(key.default_value), key.unit, key.meaning);
  }
  fmt::print("\n");
}

constexpr std::string_view kIntroduction = R"(# Spec reference

Printed by `calsweep reference`; do not edit by hand. A spec is a TOML file; every mistake in it is
reported at once, with file, line and column. Unknown keys are errors.

## Top level

| key | values | default | meaning |
|---|---|---|---|
| `name` | text | required | Names the sweep and its run directory `runs/<name>`: letters, digits, `-`, `_`, `.`. |
| `description` | text | empty | For people. |
| `seeds` | integer, or list of integers | required | Replicates: `10` means seeds 0 … 9. Trials with the same seed are paired across methods: same initial weights, same data subset, same batch order. |
| `data_root` | text | empty | Folder searched first for data sets (then `$CALSWEEP_DATA`, `~/.cache/calsweep/data`, Debian's packages). Not part of a trial's identity. |

The tables `[data]`, `[model]`, `[training]`, `[logging]` hold the settings of every trial (below).

## `[grid]`: axes

Any setting below becomes an axis when `[grid]` gives it a list: `model.depth = [2, 4, 6]`. A **cell** is one
combination of all axes; the first axis varies slowest. Settings of an ingredient (`mixup.alpha`) can be
axes too. A key that is an axis must not be set anywhere else.

* `[[grid.zip]]`: axes that move together, lists of equal length:
  `model.depth = [2, 4]` with `training.epochs = [30, 60]`.
* `[[grid.exclude]]`: cells that match all conditions are left out; a condition is a value or a list;
  `method = "NAME"` restricts the exclusion to one method.

## `[methods.NAME]`: what is compared

A method is a recipe: ingredients, each a table of its settings or `true` for its defaults, which compose
(`noise_warmup` and `mixup` in one method do both), and overrides of `model.*` or `training.*`. An empty
table is the plain baseline. The same recipe under two names is trained once.

`ensemble = { of = "NAME", size = 5, members = "independent" }` makes an ensemble of another method: softmax
probabilities of its networks are averaged in the analysis.

| `ensemble` key | values | default | meaning |
|---|---|---|---|
| `of` | a method's name | required | The method whose networks are pooled. |
| `size` | integer ≥ 2 | `5` | Members M. |
| `members` | `independent`, `disjoint-seeds`, `cyclic-seeds` | `independent` | `independent`: M networks per seed, trained for the ensemble alone (own initial weights and batch order, same data). `disjoint-seeds`: seeds rM … rM+M-1 of the base method form replicate r; nothing extra is trained, seeds/M replicates. `cyclic-seeds`: seeds r … r+M-1 (cyclic) form replicate r; replicates share networks, so no p-value is given. The policy is recorded with every result. |

## `[analysis]`

| key | values | default | meaning |
|---|---|---|---|
| `reference` | a method's name | the first method | Method the others are compared with. |
| `alpha` | number in (0, 0.5] | `0.05` | Significance level after Holm's correction over the grid. |
| `calibrators` | list of names | `["temperature", "vector", "isotonic-top-label"]` (those of the noise warm-up paper) | Post-hoc calibrators, fitted on the validation split of each network and ensemble: `temperature`, `temperature-ece10-grid`, `vector`, `matrix`, `matrix-odir`, `dirichlet`, `platt` (two classes), `histogram-binning`, `bbq`, `isotonic`, `isotonic-top-label`, `enir`, `beta`; `[]` for none. |
| `cross_fitting_folds` | 0, or 2 to 100 | `0` | Where there is no validation split: calibrators are fitted on the other folds of the test set. 0: then there are no calibrated results. |
| `resamples` | integer 0 to 1000000 | `1000` | Draws behind floors and consistency p-values (64 or 128 at most for those that cost more), and (128 at most) behind intervals; 0 leaves them out. |
| `conformal_alpha` | number in (0, 0.5] | `0.1` | Prediction sets aim at a coverage of one minus this. |
| `equivalence` | number ≥ 0 | `0.01` | Region of practical equivalence of the Bayesian signed-rank test, in units of the metric. |

Nothing here is part of a trial's identity: change it and analyse again, nothing is trained.

## `[execution]`: how, not what

Nothing here changes which trials there are; `fuse` changes rounding only and is recorded with each result.

| key | values | default | unit | meaning |
|---|---|---|---|---|
| `fuse` | integer 1 to 1024 | `1` | networks | Seeds of one recipe trained as one stacked network, at most. |
| `unit_seconds` | number ≥ 0.1 | `20` | s | Aimed-at duration of a unit, which is what is dispatched, retried and sealed as one. |
| `max_attempts` | integer 1 to 100 | `3` | tries | Tries of a unit before its trials are set aside. |
| `heartbeat_seconds` | number ≥ 5 | `120` | s | A trainer silent for so long is killed and its unit retried. |
| `checkpoint_seconds` | number ≥ 0.1 | `60` | s | Between two checkpoints of a unit in training; so much is lost at most. |
| `threads` | integer ≥ 1 | `1` | threads | LibTorch threads of a CPU slot. |

)";

}  // namespace

int reference() {
  fmt::print("{}", kIntroduction);
  fmt::print("# Settings of a trial\n\n");
  for (const auto section : section_names()) {
    fmt::print("## `[{}]`\n\n", section);
    print_rows(section);
  }
  fmt::print("# Ingredients of methods\n\n");
  for (const auto ingredient : ingredient_names()) {
    fmt::print("## `{}`\n\n", ingredient);
    print_rows(ingredient);
  }
  return kExitDone;
}

}  // namespace calsweep::cli
