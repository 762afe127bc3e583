// A run directory with made-up logits: a sweep from a short spec, its unit files written through
// UnitFileWriter, in any packing and order.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "sweeps/run_directory.hpp"
#include "sweeps/sweep.hpp"
#include "sweeps/unit_file.hpp"

namespace calsweep::analysis::fixtures {

/// Depth {2, 4} x size {500, 2000}, methods baseline, noise-warmup and three kinds of ensembles.
std::string small_spec(int n_seeds);
Sweep make_sweep(const std::string& toml);

/// A directory that goes away with the object.
class TemporaryRun {
 public:
  TemporaryRun();
  ~TemporaryRun();
  TemporaryRun(const TemporaryRun&) = delete;
  TemporaryRun& operator=(const TemporaryRun&) = delete;
  const RunDirectory& directory() const { return directory_; }

 private:
  RunDirectory directory_;
};

struct SyntheticOptions {
  std::size_t trials_per_unit = 5;
  bool backwards = false;                 ///< packs and writes from the last trial to the first
  std::string host = "node-1";            ///< goes to provenance
  std::set<std::string> leave_out = {};   ///< trial ids not written
  std::set<std::string> diverged = {};    ///< trial ids that diverged
  std::set<std::string> not_finite = {};  ///< trial ids with a NaN logit
  /// Overconfidence of a trial's network: its logits are multiplied by this. Default: 1.
  std::function<double(const Sweep&, const Trial&)> sharpness = {};
};

/// Logits of 200 test rows, 60 validation rows and 80 OOD rows of 4 classes; the same trial always
/// gets the same logits. Returns the units written.
std::vector<UnitId> write_units(const Sweep& sweep, const RunDirectory& run,
                                const SyntheticOptions& options = {});

/// Every row of every table but `provenance`, and the definition of every view, as text.
std::string dump_results(const std::filesystem::path& results_db);

/// One value as text.
std::string ask(const std::filesystem::path& results_db, const std::string& sql);

}  // namespace calsweep::analysis::fixtures
