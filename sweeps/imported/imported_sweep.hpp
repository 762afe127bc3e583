// The sweep that a manifest and the fingerprints of its records make: no data needed.
#pragma once

#include "sweeps/imported/manifest.hpp"
#include "sweeps/run_directory.hpp"

namespace calsweep::imported {

/// Cells in the order of their first record; replicates in cell, method, seed order; one trial per
/// record. `data` holds, under Record::key, the fingerprint of each record's content (data.json of
/// the run directory). Throws FormatError if one is missing.
Sweep imported_sweep(Manifest manifest, DataInventory data);

/// True if the directory holds a sweep whose sweep.toml is the manifest of an import. Throws
/// IoError.
bool holds_imported_sweep(const RunDirectory& run);

}  // namespace calsweep::imported
