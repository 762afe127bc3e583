// `calsweep import MANIFEST`: files of outputs in, a run directory out.
//
// Everything is checked before anything is made. Then one sealed unit file per record, and last the
// manifest as sweep.toml: an import that is killed leaves no directory that looks complete, and the
// same command completes it.
#include "cli/import_command.hpp"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "cli/named_file.hpp"
#include "cli/run_preparation.hpp"
#include "orchestrator/run_lock.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/imported/imported_sweep.hpp"
#include "sweeps/imported/record_files.hpp"
#include "sweeps/log.hpp"
#include "sweeps/unit_file.hpp"

namespace calsweep::cli {
namespace {

namespace fs = std::filesystem;
using imported::Manifest;
using imported::RecordContent;
using imported::SplitContent;

constexpr std::size_t kMostProblemsShown = 20;

fs::path folder_of(const ImportOptions& options, const Manifest& manifest) {
  if (!options.data.empty()) return options.data;
  return (fs::absolute(options.manifest).parent_path() / manifest.folder).lexically_normal();
}

// Looks without writing.
void check_target(const RunDirectory& run, const std::string& name) {
  const fs::path& root = run.root();
  std::error_code error;
  if (!fs::exists(root, error)) return;
  if (!fs::is_directory(root, error)) {
    throw UsageError(root.string() + " is a file: choose another run directory with --dir");
  }
  if (!run.holds_sweep()) {
    if (fs::is_empty(root, error) || fs::exists(run.lock(), error)) return;
    throw UsageError(root.string() +
                     " is not empty and holds no import: choose another directory with --dir");
  }
  if (!imported::holds_imported_sweep(run)) {
    throw UsageError(root.string() +
                     " holds a sweep that is trained: choose another directory with --dir");
  }
  const auto earlier = imported::load_manifest(run.spec()).spec.name;
  if (earlier == name) return;
  throw UsageError(
      fmt::format("{} holds the import '{}', not '{}': choose another directory with "
                  "--dir",
                  root.string(), earlier, name));
}

std::vector<RecordContent> check_all(const Manifest& manifest, const fs::path& folder) {
  std::vector<RecordContent> contents;
  std::vector<std::string> problems;
  for (const auto& record : manifest.records) {
    try {
      contents.push_back(imported::check_record(record, folder));
    } catch (const FormatError& error) {
      problems.push_back(fmt::format("record of line {} ({}): {}", record.line,
                                     record.key(manifest.axes), error.what()));
    }
  }
  if (problems.empty()) return contents;
  const std::size_t n = problems.size();
  problems.resize(std::min(n, kMostProblemsShown));
  throw UsageError(fmt::format("{}\n{} of {} records cannot be imported; nothing was imported",
                               fmt::join(problems, "\n"), n, manifest.records.size()));
}

// Two seeds with the same outputs are most often one file named twice.
void warn_about_equal_outputs(const Manifest& manifest,
                              const std::vector<RecordContent>& contents) {
  std::map<std::string, std::size_t> first;
  for (std::size_t i = 0; i < contents.size(); ++i) {
    const auto [at, is_new] = first.emplace(contents[i].fingerprint(), i);
    if (is_new) continue;
    log::warning(fmt::format("the records of lines {} and {} hold the same numbers ({} and {})",
                             manifest.records[at->second].line, manifest.records[i].line,
                             manifest.records[at->second].key(manifest.axes),
                             manifest.records[i].key(manifest.axes)));
  }
}

// Methods are compared within a cell, seed by seed, on the same inputs.
void warn_about_unequal_labels(const Manifest& manifest,
                               const std::vector<RecordContent>& contents) {
  std::map<std::pair<std::vector<SettingValue>, std::int64_t>, std::string> labels;
  std::set<std::vector<SettingValue>> warned;
  for (std::size_t i = 0; i < contents.size(); ++i) {
    const auto& record = manifest.records[i];
    for (const auto& split : contents[i].splits) {
      if (split.set != "test") continue;
      const auto [at, is_new] = labels.try_emplace({record.cell, record.seed}, split.labels_sha256);
      if (is_new || at->second == split.labels_sha256 || !warned.insert(record.cell).second)
        continue;
      log::warning(
          fmt::format("the test labels of the record of line {} differ from those of "
                      "another record of its cell and seed: methods are compared as if they had "
                      "seen the same inputs; if they have not, give them another cell",
                      record.line));
    }
  }
}

void warn_about_suspicious_outputs(const Manifest& manifest,
                                   const std::vector<RecordContent>& contents) {
  for (std::size_t i = 0; i < contents.size(); ++i) {
    const auto& record = manifest.records[i];
    const SplitContent* test = nullptr;
    for (std::size_t s = 0; s < record.splits.size(); ++s) {
      const auto& content = contents[i].splits[s];
      if (content.set == "test") test = &content;
      if (content.suspicious_logits) {
        log::warning(fmt::format(
            "{} (record of line {}): all its logits lie in [0, 1], as what comes out of a sigmoid "
            "or softmax does. If these are class probabilities, make each row sum to 1 and say "
            "outputs = \"probabilities\"; if a sigmoid made them, give what went into it",
            record.splits[s].source, record.line));
      }
    }
    for (const auto& content : contents[i].splits) {
      if (content.set != "validation" || content.outputs_sha256 != test->outputs_sha256) continue;
      log::warning(fmt::format(
          "the record of line {} has the same outputs for validation and test: what is fitted on "
          "the one looks too good on the other",
          record.line));
    }
  }
}

bool is_utf8(const std::string& text) {
  try {
    return !nlohmann::json(text).dump().empty();
  } catch (const nlohmann::json::type_error&) {
    return false;
  }
}

// Names of folders are kept in data.json, which is UTF-8.
void check_utf8(const fs::path& path) {
  if (is_utf8(path.string())) return;
  throw UsageError(
      fmt::format("the name of the folder {} is not UTF-8: rename it, or reach it through a "
                  "symbolic link and --data",
                  path.string()));
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (fs::is_directory(folder)) return;
  throw IoError(
      fmt::format("cannot make the folder {}: {}; choose another run directory with --dir",
                  folder.string(), error.message()));
}

// Of an import that was killed; the lock is held.
void remove_partial_files(const RunDirectory& run) {
  std::error_code ignored;
  std::vector<fs::path> partial;
  for (const auto& entry : fs::directory_iterator(run.units(), ignored)) {
    if (entry.path().extension() == ".partial") partial.push_back(entry.path());
  }
  for (const auto& file : partial) fs::remove(file, ignored);
}

/// Returns how many unit files were written; those that are there already stay as they are.
std::size_t write_units(const RunDirectory& run, const Manifest& manifest,
                        const std::vector<RecordContent>& contents, const fs::path& folder,
                        orchestrator::RunLock& lock) {
  std::size_t n_written = 0;
  for (std::size_t i = 0; i < contents.size(); ++i) {
    const auto& record = manifest.records[i];
    const auto trial = imported::trial_id(record, manifest.axes, contents[i].fingerprint());
    const fs::path file = run.unit(imported::unit_id(trial));
    lock.beat();
    if (fs::exists(file)) {
      if (unit_file_is_intact(file)) continue;
      log::warning(fmt::format("moved the damaged {} to {}", file.string(),
                               run.quarantine_file(file).string()));
    }
    imported::write_record(record, manifest.axes, contents[i], folder, file);
    ++n_written;
  }
  return n_written;
}

DataInventory inventory_of(const Manifest& manifest, const std::vector<RecordContent>& contents,
                           const fs::path& folder) {
  DataInventory data;
  for (std::size_t i = 0; i < contents.size(); ++i) {
    const auto key = manifest.records[i].key(manifest.axes);
    data.sets[key] = {key, fs::absolute(folder).lexically_normal(), contents[i].fingerprint()};
  }
  return data;
}

std::int64_t count_rows(const std::vector<RecordContent>& contents) {
  std::int64_t n = 0;
  for (const auto& content : contents) {
    for (const auto& split : content.splits) n += split.n_rows;
  }
  return n;
}

}  // namespace

int import_records(const ImportOptions& options) {
  const Manifest manifest = imported::load_manifest(named_file(options.manifest, "the manifest"));
  const fs::path folder = folder_of(options, manifest);
  const fs::path root =
      fs::absolute(options.directory.empty() ? fs::path("runs") / manifest.spec.name
                                             : options.directory)
          .lexically_normal();
  const RunDirectory run(root);
  check_target(run, manifest.spec.name);
  check_utf8(fs::absolute(folder));
  const auto contents = check_all(manifest, folder);
  warn_about_suspicious_outputs(manifest, contents);
  warn_about_equal_outputs(manifest, contents);
  warn_about_unequal_labels(manifest, contents);
  make_folder(run.root());
  orchestrator::RunLock lock(run.lock(), {});
  make_folder(run.units());
  remove_partial_files(run);
  const auto n_written = write_units(run, manifest, contents, folder, lock);
  adopt_spec(run, manifest.spec, inventory_of(manifest, contents, folder), true);
  log::info(fmt::format("imported '{}': {} records, {} rows; {} new, {} there already",
                        manifest.spec.name, contents.size(), count_rows(contents), n_written,
                        contents.size() - n_written));
  log::info(fmt::format("next: calsweep analyze {}", fs::proximate(root).string()));
  return kExitDone;
}

int imported_status(const fs::path& directory, bool json) {
  const RunDirectory run(directory);
  const Sweep sweep = run.load_sweep();
  const auto sealed = run.sealed_units();
  const auto n_sealed = std::count_if(sweep.trials.begin(), sweep.trials.end(), [&](const auto& t) {
    return std::binary_search(sealed.begin(), sealed.end(), imported::unit_id(t.id));
  });
  const std::string state = n_sealed == static_cast<std::ptrdiff_t>(sweep.trials.size())
                                ? "complete"
                                : "incomplete: run `calsweep import` again";
  if (json) {
    fmt::print("{{\"imported\": true, \"records\": {}, \"sealed\": {}}}\n", sweep.trials.size(),
               n_sealed);
  } else {
    fmt::print(
        "sweep    {} (imported)\nrecords  {} of {} sealed, in {} cells; methods: {}\nstate    "
        "{}\n",
        sweep.spec.name, n_sealed, sweep.trials.size(), sweep.cells.size(),
        sweep.spec.methods.size(), state);
  }
  return kExitDone;
}

}  // namespace calsweep::cli
