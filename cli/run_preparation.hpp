// What `calsweep run` does to a run directory before anything is trained: look, refuse or adopt.
#pragma once

#include <filesystem>
#include <string>

#include "sweeps/run_directory.hpp"
#include "sweeps/sweep.hpp"

namespace calsweep::cli {

/// Looks without writing. Throws UsageError if `directory` holds something that is no run
/// directory, or another sweep (another name); IoError if it cannot be made or written.
void check_run_directory(const RunDirectory& directory, const Spec& spec);

/// With the run lock held: stores the spec (an earlier, different one is kept as
/// sweep.toml.N) and the data inventory. Throws UsageError if a data set has changed since the
/// sweep started, unless `accept_new_data`; IoError if the directory is not writable.
void adopt_spec(const RunDirectory& directory, const Spec& spec, const DataInventory& data,
                bool accept_new_data);

}  // namespace calsweep::cli
