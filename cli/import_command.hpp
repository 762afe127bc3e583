// `calsweep import MANIFEST`, and `calsweep status` of what it made.
#pragma once

#include <filesystem>

namespace calsweep::cli {

struct ImportOptions {
  std::filesystem::path manifest;
  std::filesystem::path directory;  ///< empty: runs/<name>
  std::filesystem::path data;  ///< where relative names of files start; empty: as the manifest says
};
/// Checks every file of the manifest, then makes or completes a run directory. Returns an ExitCode;
/// throws UsageError naming every record that cannot be imported, IoError.
int import_records(const ImportOptions& options);
/// `status` of such a directory.
int imported_status(const std::filesystem::path& directory, bool json);

}  // namespace calsweep::cli
