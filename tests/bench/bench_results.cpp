// Makes a run directory with logits of the size of the warm-up study, for results_time.py:
//
//   bench-results SPEC DIRECTORY ROWS CLASSES
//
// Every trial gets ROWS test, ROWS / 2 validation and ROWS rows of each OOD set, made up: noise
// with a bump at the label, scaled by method and seed. No training.
#include <fmt/core.h>

#include <cstdlib>
#include <vector>

#include "sweeps/datasets.hpp"
#include "sweeps/random.hpp"
#include "sweeps/run_directory.hpp"
#include "sweeps/sweep.hpp"
#include "sweeps/unit_file.hpp"

namespace calsweep {
namespace {

constexpr std::size_t kTrialsPerUnit = 10;

struct Shape {
  std::size_t rows = 0, classes = 0;
  bool test_only = false;
};

std::vector<std::int32_t> labels_of(const char* set, std::size_t n, std::size_t classes) {
  Random random(random_key(0, 0, set));
  std::vector<std::int32_t> labels(n);
  for (auto& label : labels) label = static_cast<std::int32_t>(random.below(classes));
  return labels;
}

/// Standard normal noise that all trials share, read from a place of their own.
const std::vector<float>& noise() {
  static const std::vector<float> values = [] {
    Random random(random_key(0, 0, "bench-results"));
    std::vector<float> made(1 << 22);
    for (auto& value : made) value = static_cast<float>(random.normal());
    return made;
  }();
  return values;
}

LogitSet logits_of(const Trial& trial, const std::string& set,
                   const std::vector<std::int32_t>& labels, std::size_t n, std::size_t classes) {
  const auto& pool = noise();
  std::size_t at =
      random_key(static_cast<std::uint64_t>(trial.seed), trial.recipe, set) % pool.size();
  const float scale = 1.0F + 0.1F * static_cast<float>(trial.seed % 10) +
                      0.05F * static_cast<float>(trial.recipe % 7);
  LogitSet made{set, std::vector<float>(n * classes)};
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t c = 0; c < classes; ++c) {
      const bool is_label = !labels.empty() && static_cast<std::size_t>(labels[i]) == c;
      made.logits[i * classes + c] = scale * (pool[at] + (is_label ? 2.0F : 0.0F));
      at = at + 1 == pool.size() ? 0 : at + 1;
    }
  }
  return made;
}

TrialRecord record_of(const Sweep& sweep, const Trial& trial, const Shape& shape) {
  const auto& recipe = sweep.recipes[static_cast<std::size_t>(trial.recipe)];
  TrialRecord record;
  record.id = trial.id;
  record.settings = recipe.settings.canonical();
  record.seed = trial.seed;
  record.member = trial.member;
  for (std::int64_t e = 0; e <= 30; ++e) {
    const double t = static_cast<double>(e) / 30.0;
    record.epochs.push_back({e, 2.0 - t, 0.1 + 0.5 * t, 2.3 - t, 0.1 + 0.6 * t, 0.1 * t, 0.1 * t});
  }
  record.logits.push_back(logits_of(trial, "test", labels_of("test", shape.rows, shape.classes),
                                    shape.rows, shape.classes));
  if (shape.test_only) return record;
  record.logits.push_back(logits_of(trial, "validation",
                                    labels_of("validation", shape.rows / 2, shape.classes),
                                    shape.rows / 2, shape.classes));
  record.logits.push_back(logits_of(trial, "ood/svhn", {}, shape.rows, shape.classes));
  return record;
}

void make(const fs::path& spec_file, const RunDirectory& run, const Shape& shape) {
  fs::create_directories(run.units());
  Spec spec = load_spec(spec_file);
  DataInventory data;
  data.sets[spec.base.text("data.dataset")] = {spec.base.text("data.dataset"), "/nowhere",
                                               std::string(64, 'a')};
  write_file_atomically(run.data(), data.to_json());
  write_file_atomically(run.spec(), spec.source_text);
  const Sweep sweep = expand(std::move(spec), std::move(data));
  for (std::size_t first = 0; first < sweep.trials.size(); first += kTrialsPerUnit) {
    UnitFileHeader header;
    header.unit = UnitId::of(fmt::format("bench {}", first));
    header.dataset = "made up";
    header.n_classes = static_cast<std::int64_t>(shape.classes);
    UnitFileWriter writer(run.unit(header.unit), header);
    writer.add_labels("test", labels_of("test", shape.rows, shape.classes));
    writer.add_labels("validation", labels_of("validation", shape.rows / 2, shape.classes));
    const std::size_t end = std::min(sweep.trials.size(), first + kTrialsPerUnit);
    for (std::size_t i = first; i < end; ++i) {
      writer.add_trial(record_of(sweep, sweep.trials[i], shape));
    }
    writer.seal();
  }
  fmt::print("{}\n", sweep.trials.size());
}

}  // namespace
}  // namespace calsweep

int main(int argc, char** argv) {
  if (argc != 6) {
    fmt::print(stderr, "usage: bench-results SPEC DIRECTORY ROWS CLASSES all|test\n");
    return 2;
  }
  try {
    calsweep::make(
        argv[1], calsweep::RunDirectory(argv[2]),
        {static_cast<std::size_t>(std::atoll(argv[3])),
         static_cast<std::size_t>(std::atoll(argv[4])), std::string_view(argv[5]) == "test"});
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench-results: {}\n", error.what());
    return 1;
  }
}
