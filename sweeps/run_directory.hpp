// The run directory: the one file that knows every path in it.
//
//   runs/<name>/  sweep.toml  sweep.toml.1 …  data.json  ledger.db  status.json  lock.json
//                 units/<unit-id>.h5  stages/<stage-id>.pt  checkpoints/<stack-id>.pt
//                 logs/<unit-id>.log
//                 quarantine/  results.db  slurm/<job>.out
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "sweeps/datasets.hpp"
#include "sweeps/ids.hpp"
#include "sweeps/sweep.hpp"

namespace calsweep {

namespace fs = std::filesystem;

class RunDirectory {
 public:
  explicit RunDirectory(fs::path root) : root_(std::move(root)) {}

  const fs::path& root() const { return root_; }
  fs::path spec() const { return root_ / "sweep.toml"; }
  fs::path data() const { return root_ / "data.json"; }
  fs::path ledger() const { return root_ / "ledger.db"; }
  fs::path status() const { return root_ / "status.json"; }
  fs::path lock() const { return root_ / "lock.json"; }
  fs::path results() const { return root_ / "results.db"; }
  fs::path units() const { return root_ / "units"; }
  fs::path unit(const UnitId& id) const;
  fs::path stages() const { return root_ / "stages"; }
  fs::path stage(const StageId& id) const;
  fs::path checkpoints() const { return root_ / "checkpoints"; }
  fs::path checkpoint(const StackId& id) const;
  fs::path logs() const { return root_ / "logs"; }
  fs::path log(const UnitId& id) const;
  fs::path quarantine() const { return root_ / "quarantine"; }
  fs::path slurm() const { return root_ / "slurm"; }

  /// True if it holds what `run` stored: sweep.toml and data.json.
  bool holds_sweep() const;
  /// Sealed unit files present (names only, nothing opened), sorted.
  std::vector<UnitId> sealed_units() const;
  /// Moves a damaged file away, never deletes it. Returns its new path.
  fs::path quarantine_file(const fs::path& file) const;

  /// Reads back what `run` stored: the spec as run and the data it used, expanded. Throws
  /// UsageError if this is no run directory.
  Sweep load_sweep() const;

 private:
  fs::path root_;
};

/// The name under which this process writes `file` before it is complete: two writers of one file
/// (a superseded attempt and its successor) must not share it. Ends in ".partial".
fs::path partial_file(const fs::path& file);
/// Writes to partial_file(file), flushes to disk, renames: complete or absent, and no partial file
/// stays behind. Throws IoError naming the path and, for a full disk or quota, what to do. If
/// `pulse` is given, content is flushed bit by bit and pulse called in between.
void write_file_atomically(const fs::path& file, std::string_view content,
                           const std::function<void()>& pulse = {});
/// Throws IoError.
std::string read_file(const fs::path& file);
/// Flushes a file and the directory entry that names it. Throws IoError.
void sync_file(const fs::path& file);

}  // namespace calsweep
