#include "analysis/results/results_reader.hpp"

#include <fmt/format.h>

#include "analysis/results/previous_results.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {

SQLite::Database open_results(const std::filesystem::path& file) {
  const auto directory = file.parent_path().string();
  switch (results_file_state(file)) {
    case ResultsFileState::Absent:
      throw UsageError(fmt::format(
          "there are no results in {} yet; run `calsweep analyze {}` first", directory, directory));
    case ResultsFileState::Older:
      throw UsageError(
          fmt::format("{} was written by an older calsweep; run `calsweep analyze {}` "
                      "to bring it up to date",
                      file.string(), directory));
    case ResultsFileState::Current:
      break;
  }
  try {
    return SQLite::Database(file.string(), SQLite::OPEN_READONLY);
  } catch (const SQLite::Exception& error) {
    throw IoError(
        fmt::format("cannot open {}: {}; check its permissions", file.string(), error.what()));
  }
}

std::vector<std::string> stored_axis_columns(SQLite::Database& db) {
  std::vector<std::string> names;
  SQLite::Statement rows(db, "SELECT name FROM axis ORDER BY position");
  while (rows.executeStep()) names.push_back(rows.getColumn(0).getString());
  return names;
}

}  // namespace calsweep::analysis
