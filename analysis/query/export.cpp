#include "analysis/query/export.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "analysis/query/query.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/nearest_name.hpp"
#include "sweeps/run_directory.hpp"

namespace calsweep::analysis {
namespace {

std::vector<std::string> objects_of(const std::filesystem::path& results_db) {
  std::vector<std::string> names;
  for (const auto& row :
       run_query(results_db, "SELECT name FROM description ORDER BY kind DESC, name").rows) {
    names.push_back(std::get<std::string>(row[0]));
  }
  return names;
}

/// The question behind a name.
std::string question_for(const std::string& name, const std::vector<std::string>& objects) {
  if (std::find(objects.begin(), objects.end(), name) != objects.end()) {
    return "SELECT * FROM \"" + name + "\"";
  }
  std::vector<std::string> valid = objects;
  for (const auto& query : named_queries()) {
    if (query.name == name) return name;
    valid.emplace_back(query.name);
  }
  const auto nearest = nearest_name(name, valid);
  throw UsageError(fmt::format(
      "results.db has no table, view or ready-made query \"{}\"{}; there "
      "are: {}",
      name, nearest.empty() ? "" : "; did you mean \"" + nearest + "\"?", fmt::join(valid, ", ")));
}

}  // namespace

std::vector<std::filesystem::path> export_tables(const std::filesystem::path& results_db,
                                                 const std::filesystem::path& folder,
                                                 TableFormat format,
                                                 std::span<const std::string> names) {
  const auto objects = objects_of(results_db);
  std::vector<std::string> wanted(names.begin(), names.end());
  if (wanted.empty()) wanted = objects;
  std::vector<std::string> questions;
  for (const auto& name : wanted) questions.push_back(question_for(name, objects));
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    throw IoError(fmt::format("cannot make the folder {}: {}", folder.string(), error.message()));
  }
  std::vector<std::filesystem::path> files;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const auto file = folder / fmt::format("{}.{}", wanted[i], file_extension(format));
    write_file_atomically(file, format_table(run_query(results_db, questions[i]), format));
    files.push_back(file);
  }
  return files;
}

}  // namespace calsweep::analysis
