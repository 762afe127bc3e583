#include "tests/analysis/synthetic_run.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <stdexcept>

#include "sweeps/random.hpp"

namespace calsweep::analysis::fixtures {
namespace {

constexpr std::int64_t kClasses = 4;

std::vector<std::int32_t> labels_of(std::size_t n, const char* set) {
  Random random(random_key(0, 0, set));
  std::vector<std::int32_t> labels(n);
  for (auto& label : labels) label = static_cast<std::int32_t>(random.below(kClasses));
  return labels;
}

/// Not the trial id: that changes with every new setting, and the snapshots with it.
std::string key_of(const Settings& settings) {
  return fmt::format("{}|{}|{}|{}|{}|", settings.integer("model.depth"),
                     settings.integer("data.size"), settings.text("model.activation"),
                     settings.real("training.learning_rate"), settings.has("noise_warmup"));
}

/// Normal noise, with 2 added to the label's logit; OOD sets have no label and less noise.
std::vector<float> logits_of(const Sweep& sweep, const Trial& trial, const std::string& set,
                             std::size_t n, double sharpness) {
  const auto& settings = sweep.recipes[static_cast<std::size_t>(trial.recipe)].settings;
  Random random(
      random_key(static_cast<std::uint64_t>(trial.seed), trial.member, key_of(settings) + set));
  const bool is_ood = set.starts_with("ood/");
  const auto labels = is_ood ? std::vector<std::int32_t>(n, 0) : labels_of(n, set.c_str());
  std::vector<float> logits;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::int64_t c = 0; c < kClasses; ++c) {
      double z = random.normal() * (is_ood ? 0.6 : 1.0);
      if (!is_ood && labels[i] == c) z += 2.0;
      logits.push_back(static_cast<float>(z * sharpness));
    }
  }
  return logits;
}

TrialRecord record_of(const Sweep& sweep, const Trial& trial, const SyntheticOptions& options) {
  const auto& recipe = sweep.recipes[static_cast<std::size_t>(trial.recipe)];
  TrialRecord record;
  record.id = trial.id;
  record.settings = recipe.settings.canonical();
  record.seed = trial.seed;
  record.member = trial.member;
  record.fused_width = 5;
  record.train_seconds = 1.5;
  record.epochs = {{0, std::nan(""), .25, 1.4, .5, .2, .2}, {1, 1.1, .7, .8, .6, .1, .1}};
  if (options.diverged.contains(trial.id.str())) {
    record.outcome = TrialOutcome::Diverged;
    record.diverged_step = 17;
    return record;
  }
  const double sharpness = options.sharpness ? options.sharpness(sweep, trial) : 1.0;
  record.logits = {{"test", logits_of(sweep, trial, "test", 200, sharpness)},
                   {"validation", logits_of(sweep, trial, "validation", 60, sharpness)},
                   {"ood/kmnist", logits_of(sweep, trial, "ood/kmnist", 80, sharpness)}};
  if (options.not_finite.contains(trial.id.str())) {
    record.logits[0].logits[4 * 7] = std::nanf("");
  }
  return record;
}

}  // namespace

std::string small_spec(int n_seeds) {
  return fmt::format(R"(name = "small"
description = "synthetic"
seeds = {}
[data]
dataset = "fashion-mnist"
[grid]
model.depth = [2, 4]
data.size = [500, 2000]
[methods.baseline]
[methods.noise-warmup]
noise_warmup = {{ samples = 64000 }}
[methods.ensemble]
ensemble = {{ of = "baseline", size = 3, members = "independent" }}
[methods.pooled]
ensemble = {{ of = "baseline", size = 2, members = "disjoint-seeds" }}
[methods.rolling]
ensemble = {{ of = "baseline", size = 2, members = "cyclic-seeds" }}
[analysis]
reference = "baseline"
calibrators = ["temperature", "isotonic-top-label"]
resamples = 0
)",
                     n_seeds);
}

Sweep make_sweep(const std::string& toml) {
  auto parsed = parse_spec(toml, "test.toml");
  if (auto* mistakes = std::get_if<std::vector<Diagnostic>>(&parsed)) {
    throw std::runtime_error(mistakes->front().str());
  }
  DataInventory data;
  data.sets["fashion-mnist"] = {"fashion-mnist", "/nowhere", std::string(64, 'a')};
  return expand(std::get<Spec>(std::move(parsed)), std::move(data));
}

TemporaryRun::TemporaryRun()
    : directory_([] {
        static std::atomic<int> counter{0};
        const auto root = fs::temp_directory_path() /
                          fmt::format("calsweep-analysis-{}-{}", ::getpid(), counter.fetch_add(1));
        fs::create_directories(root / "units");
        return RunDirectory(root);
      }()) {}

TemporaryRun::~TemporaryRun() {
  std::error_code ignored;
  fs::remove_all(directory_.root(), ignored);
}

std::vector<UnitId> write_units(const Sweep& sweep, const RunDirectory& run,
                                const SyntheticOptions& options) {
  std::vector<const Trial*> trials;
  for (const auto& trial : sweep.trials) {
    if (!options.leave_out.contains(trial.id.str())) trials.push_back(&trial);
  }
  if (options.backwards) std::reverse(trials.begin(), trials.end());
  std::vector<UnitId> units;
  for (std::size_t first = 0; first < trials.size(); first += options.trials_per_unit) {
    const std::size_t end = std::min(trials.size(), first + options.trials_per_unit);
    std::string content;
    for (std::size_t i = first; i < end; ++i) content += trials[i]->id.str();
    UnitFileHeader header;
    header.unit = UnitId::of(content);
    header.dataset = "fashion-mnist";
    header.n_classes = kClasses;
    header.provenance = {"0", "0", "0", options.host, "cpu", "2026-01-01T00:00:00Z", 1};
    UnitFileWriter writer(run.unit(header.unit), header);
    writer.add_labels("test", labels_of(200, "test"));
    writer.add_labels("validation", labels_of(60, "validation"));
    for (std::size_t i = first; i < end; ++i) {
      writer.add_trial(record_of(sweep, *trials[i], options));
    }
    writer.seal();
    units.push_back(header.unit);
  }
  return units;
}

std::string dump_results(const fs::path& results_db) {
  SQLite::Database db(results_db.string(), SQLite::OPEN_READONLY);
  std::string dump;
  std::vector<std::string> names;
  SQLite::Statement objects(
      db, "SELECT name, sql, type FROM sqlite_master WHERE name <> 'provenance' ORDER BY rowid");
  while (objects.executeStep()) {
    dump += objects.getColumn(0).getString() + ": " + objects.getColumn(1).getString() + "\n";
    if (objects.getColumn(2).getString() == "table")
      names.push_back(objects.getColumn(0).getString());
  }
  for (const auto& name : names) {
    SQLite::Statement rows(db, "SELECT * FROM \"" + name + "\"");
    while (rows.executeStep()) {
      dump += name;
      for (int c = 0; c < rows.getColumnCount(); ++c) {
        const auto column = rows.getColumn(c);
        dump += column.isFloat() ? fmt::format("|{:a}", column.getDouble())
                                 : "|" + (column.isNull() ? "NULL" : column.getString());
      }
      dump += "\n";
    }
  }
  return dump;
}

std::string ask(const fs::path& results_db, const std::string& sql) {
  SQLite::Database db(results_db.string(), SQLite::OPEN_READONLY);
  const auto value = db.execAndGet(sql);
  return value.isNull() ? "NULL" : value.getString();
}

}  // namespace calsweep::analysis::fixtures
