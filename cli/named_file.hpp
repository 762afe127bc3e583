// Files that are named on the command line. What is named wrongly is a wrong argument (exit code
// 2), whatever the command; what fails while it works is an I/O error (3).
#pragma once

#include <filesystem>
#include <string>

namespace calsweep::cli {

/// The same path. Throws UsageError unless it is a file that can be opened; `what` says what it
/// should be, "the sweep's TOML file".
const std::filesystem::path& named_file(const std::filesystem::path& file, const std::string& what);

}  // namespace calsweep::cli
