// The manifest of an import: a small TOML file that says which method, seed, cell and split each
// file of outputs is. Format, with every check: docs/import.md.
//
//   manifest (TOML) --parse_manifest--> Manifest --check_record--> what the files hold
//                                       Manifest + fingerprints --imported_sweep--> Sweep
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "sweeps/sweep.hpp"
#include "sweeps/unit_file.hpp"

namespace calsweep::imported {

/// Outputs of one record for one set of inputs.
struct Split {
  std::string set;     ///< "test", "validation", "ood/svhn", "odin/…" (odin_set.hpp)
  std::string source;  ///< file of outputs, as declared: "a.npy", "a.npz:probs", "a.h5:/group/data"
  std::string labels;  ///< the same for labels; empty for "ood/…" and "odin/…"
  std::optional<bool> header;  ///< of CSV files: whether the first line names the columns
};

/// One network that was trained elsewhere.
struct Record {
  std::string method;
  std::int64_t seed = 0;
  std::vector<SettingValue> cell;  ///< coordinates, by Manifest::axes
  Outputs outputs = Outputs::Logits;
  double tolerance = 0.0;     ///< how far from 1 a row of probabilities may sum; 0: by its type
  std::vector<Split> splits;  ///< sorted by set
  std::uint32_t line = 0;     ///< of the manifest

  /// Method, coordinates and seed, unique in a manifest: "method=a|depth=2|seed=0".
  std::string key(const std::vector<std::string>& axes) const;
};

struct Manifest {
  /// Name, description, seeds (all that occur), methods (records' first, then ensembles), analysis
  /// and source text. No axes: the cells are those of the records.
  Spec spec;
  std::string folder;  ///< where relative paths start, as declared; empty: beside the manifest
  std::vector<std::string> axes;
  std::vector<Record> records;  ///< in file order; `seeds = […]` makes several
};

/// True for TOML that holds [[record]] tables, whatever else is in it.
bool is_manifest(std::string_view toml);

/// Either a manifest or every mistake in it, in file order. Looks at no data.
std::variant<Manifest, std::vector<Diagnostic>> parse_manifest(std::string_view toml,
                                                               const std::string& file_name);
/// Reads and parses. Throws IoError if unreadable, UsageError with all diagnostics if wrong.
Manifest load_manifest(const std::filesystem::path& file);

}  // namespace calsweep::imported
