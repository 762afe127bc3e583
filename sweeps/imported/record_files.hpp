// The files of one record: read front to back, checked, hashed and, the second time, written.
//
// An import reads everything twice: first to check it, so that nothing is made of a manifest with a
// mistake anywhere, then to write. A file that changes in between is refused.
//
// Content that counts for identity: per split the number of rows and classes, the numbers as they
// are stored, the labels. So the same numbers from .npy and .npz are the same trial.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "sweeps/imported/manifest.hpp"

namespace calsweep::imported {

struct SplitContent {
  std::string set;
  std::int64_t n_rows = 0, n_classes = 0;
  /// Stored as float64: probabilities that came as such or as text. Logits are stored as float32.
  bool float64 = false;
  std::string outputs_sha256, labels_sha256;  ///< the latter empty without labels
  bool suspicious_logits = false;             ///< all lie in [0, 1]; not part of the identity
  bool operator==(const SplitContent&) const = default;
};

struct RecordContent {
  std::vector<SplitContent> splits;  ///< as in Record::splits

  std::int64_t n_classes() const { return splits.front().n_classes; }
  /// SHA-256 over all of it.
  std::string fingerprint() const;
};

/// Reads and checks all files of a record; `folder` is where relative names start. Throws
/// FormatError naming file, row and what to do; IoError if a file cannot be read.
RecordContent check_record(const Record& record, const std::filesystem::path& folder);

/// Identity: what is declared, and what the files hold.
TrialId trial_id(const Record& record, const std::vector<std::string>& axes,
                 const std::string& fingerprint);
/// Each record has a unit file of its own.
UnitId unit_id(const TrialId& trial);

/// Reads the files again and writes the sealed unit file `path`, visible only when complete. The
/// same content gives the same bytes (same program and HDF5). Throws as check_record, and
/// FormatError if the content is no longer `content`.
void write_record(const Record& record, const std::vector<std::string>& axes,
                  const RecordContent& content, const std::filesystem::path& folder,
                  const std::filesystem::path& path);

}  // namespace calsweep::imported
