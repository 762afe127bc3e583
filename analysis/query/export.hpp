// Tables and views of a results.db as files, for spreadsheets, programs and papers.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "analysis/query/table_format.hpp"

namespace calsweep::analysis {

/// Writes each of `names` (tables, views or ready-made queries; empty: every table and view) to
/// `folder`/<name>.<extension>, whole or not at all. Returns the files. Throws UsageError for an
/// unknown name, IoError.
std::vector<std::filesystem::path> export_tables(const std::filesystem::path& results_db,
                                                 const std::filesystem::path& folder,
                                                 TableFormat format,
                                                 std::span<const std::string> names);

}  // namespace calsweep::analysis
