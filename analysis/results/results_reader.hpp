// Opens a results.db for reading, with one clear message for everything that can be wrong with it.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <filesystem>
#include <string>
#include <vector>

namespace calsweep::analysis {

/// Throws UsageError: absent, not ours, of another schema; IoError if it cannot be opened.
SQLite::Database open_results(const std::filesystem::path& file);

/// Column names of the axes, in order.
std::vector<std::string> stored_axis_columns(SQLite::Database& db);

}  // namespace calsweep::analysis
