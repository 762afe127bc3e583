// Read-only questions to a results.db: any SELECT, or a ready-made query by name.
//
// Reading is enforced twice: the file is opened read-only, and an authorizer refuses whatever is
// not a SELECT (ATTACH, temporary tables, PRAGMAs that set something, extensions).
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace calsweep::analysis {

/// NULL, integer, real or text (blobs as hexadecimal text).
using QueryValue = std::variant<std::monostate, std::int64_t, double, std::string>;

struct QueryTable {
  std::vector<std::string> columns;
  std::vector<std::vector<QueryValue>> rows;
};

struct NamedQuery {
  std::string_view name;
  std::string_view description;  ///< one line
  std::string_view sql;          ///< "{axes}" stands for the axis columns, each with a comma behind
};

/// In the order in which they are shown.
std::span<const NamedQuery> named_queries();
/// One line per ready-made query, and how to ask in SQL.
std::string list_named_queries();

/// `question`: one SQL statement, or the name of a ready-made query. Throws UsageError: no results
/// yet, not ours, another schema, an unknown name (with the nearest), bad or writing SQL (with
/// SQLite's message and what tables and views there are).
QueryTable run_query(const std::filesystem::path& results_db, std::string_view question);

}  // namespace calsweep::analysis
