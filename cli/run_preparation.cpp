#include "cli/run_preparation.hpp"

#include <fmt/core.h>

#include "sweeps/errors.hpp"
#include "sweeps/log.hpp"

namespace calsweep::cli {
namespace {

// Kept as sweep.toml.1, .2, …: which spec a result was made under stays answerable.
void keep_earlier_spec(const RunDirectory& directory) {
  for (int version = 1;; ++version) {
    const fs::path kept = directory.spec().string() + fmt::format(".{}", version);
    if (fs::exists(kept)) continue;
    write_file_atomically(kept, read_file(directory.spec()));
    log::info(fmt::format("the spec changed; the earlier one is kept as {}", kept.string()));
    return;
  }
}

// `calsweep slurm` makes its folder before the first run.
bool holds_at_most_slurm(const RunDirectory& directory) {
  for (const auto& entry : fs::directory_iterator(directory.root())) {
    if (entry.path() != directory.slurm()) return false;
  }
  return true;
}

void refuse_changed_data(const RunDirectory& directory, const DataInventory& data) {
  const auto before = DataInventory::from_json(read_file(directory.data()));
  for (const auto& [name, set] : data.sets) {
    const auto at = before.sets.find(name);
    if (at == before.sets.end() || at->second.fingerprint == set.fingerprint) continue;
    throw UsageError(
        fmt::format("the data set '{}' changed since this sweep started: sha256 {}… then, {}… in "
                    "{} now. Trials "
                    "trained on other data are other trials: restore the data, use another "
                    "directory (--dir), or "
                    "train everything on the new data with --accept-new-data",
                    name, at->second.fingerprint.substr(0, 12), set.fingerprint.substr(0, 12),
                    set.folder.string()));
  }
}

}  // namespace

void check_run_directory(const RunDirectory& directory, const Spec& spec) {
  std::error_code error;
  const fs::path& root = directory.root();
  if (!fs::exists(root, error)) {
    if (error && error != std::errc::no_such_file_or_directory) {
      throw IoError(fmt::format("cannot look at {}: {}", root.string(), error.message()));
    }
    return;
  }
  if (!fs::is_directory(root)) {
    throw UsageError(
        fmt::format("{} is a file: choose another run directory with --dir", root.string()));
  }
  if (directory.holds_sweep()) {
    const Spec earlier = load_spec(directory.spec());
    if (earlier.name != spec.name) {
      throw UsageError(
          fmt::format("{} holds the sweep '{}', not '{}': choose another directory with --dir, or "
                      "give the sweep "
                      "its old name",
                      root.string(), earlier.name, spec.name));
    }
    return;
  }
  const bool fresh = holds_at_most_slurm(directory) || fs::exists(directory.lock());
  if (!fresh) {
    throw UsageError(
        fmt::format("{} is not empty and holds no sweep: choose another directory with "
                    "--dir",
                    root.string()));
  }
}

void adopt_spec(const RunDirectory& directory, const Spec& spec, const DataInventory& data,
                bool accept_new_data) {
  const bool has_data = fs::exists(directory.data());
  if (has_data && !accept_new_data) refuse_changed_data(directory, data);
  if (directory.holds_sweep() && read_file(directory.spec()) != spec.source_text) {
    keep_earlier_spec(directory);
  }
  // The inventory first: a directory with a spec but no inventory would look complete.
  write_file_atomically(directory.data(), data.to_json());
  write_file_atomically(directory.spec(), spec.source_text);
}

}  // namespace calsweep::cli
