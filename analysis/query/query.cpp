#include "analysis/query/query.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <set>

#include "analysis/results/results_reader.hpp"
#include "analysis/results/results_schema.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/nearest_name.hpp"

namespace calsweep::analysis {
namespace {

/// PRAGMAs that only tell; those of the second list also set when given a value.
bool pragma_reads(std::string_view name, const char* value) {
  static const std::set<std::string_view> kWithArgument = {
      "table_info",  "table_xinfo",     "table_list",  "index_list",      "index_info",
      "index_xinfo", "integrity_check", "quick_check", "foreign_key_list"};
  static const std::set<std::string_view> kWithoutArgument = {
      "database_list",  "function_list", "collation_list", "compile_options", "user_version",
      "application_id", "page_count",    "page_size",      "encoding",        "schema_version"};
  return kWithArgument.contains(name) || (value == nullptr && kWithoutArgument.contains(name));
}

int authorize(void*, int action, const char* first, const char* second, const char*, const char*) {
  switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_RECURSIVE:
      return SQLITE_OK;
    case SQLITE_FUNCTION:
      return std::strcmp(second, "load_extension") == 0 ? SQLITE_DENY : SQLITE_OK;
    case SQLITE_PRAGMA:
      return pragma_reads(first, second) ? SQLITE_OK : SQLITE_DENY;
    default:
      return SQLITE_DENY;
  }
}

bool looks_like_a_name(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '-';
  });
}

std::string_view trimmed(std::string_view text) {
  const auto is_space = [](unsigned char c) { return std::isspace(c) != 0; };
  while (!text.empty() && is_space(static_cast<unsigned char>(text.front()))) text.remove_prefix(1);
  while (!text.empty() && is_space(static_cast<unsigned char>(text.back()))) text.remove_suffix(1);
  return text;
}

std::string named_sql(std::string_view name, SQLite::Database& db) {
  std::vector<std::string> valid;
  for (const auto& query : named_queries()) {
    valid.emplace_back(query.name);
    if (query.name != name) continue;
    std::string axes;
    for (const auto& column : stored_axis_columns(db)) axes += sql_name(column) + ", ";
    std::string sql(query.sql);
    for (std::size_t at = 0; (at = sql.find("{axes}", at)) != std::string::npos;) {
      sql.replace(at, 6, axes);
      at += axes.size();
    }
    return sql;
  }
  const auto nearest = nearest_name(name, valid);
  throw UsageError(fmt::format("no ready-made query is called \"{}\"{}\n{}", name,
                               nearest.empty() ? "" : "; did you mean \"" + nearest + "\"?",
                               list_named_queries()));
}

[[noreturn]] void refuse(const std::string& message) {
  std::string views;
  for (const auto& object : object_descriptions()) {
    if (object.kind == "view") views += (views.empty() ? "" : ", ") + std::string(object.name);
  }
  throw UsageError(fmt::format("{}\nViews: {}; all tables and columns: `calsweep query DIR schema`",
                               message, views));
}

[[noreturn]] void refuse_sqlite(const SQLite::Database& db) {
  const std::string message = db.getErrorMsg();
  if (message.find("not authorized") == std::string::npos &&
      message.find("authorization denied") == std::string::npos) {
    refuse("SQLite cannot do this: " + message);
  }
  refuse("results.db is only read here: one SELECT (or WITH ... SELECT), or a PRAGMA that tells");
}

/// Connecting these table-valued functions counts as a write for the authorizer: do it before.
void connect_pragma_functions(SQLite::Database& db) {
  for (const char* function : {"pragma_table_info('meta')", "pragma_table_xinfo('meta')",
                               "pragma_table_list", "pragma_index_list('meta')"}) {
    db.execAndGet(std::string("SELECT count(*) FROM ") + function);
  }
}

/// SQLiteCpp would silently ignore what follows the first statement.
void check_single_statement(SQLite::Database& db, const std::string& sql) {
  sqlite3_stmt* statement = nullptr;
  const char* rest = nullptr;
  const int code = sqlite3_prepare_v2(db.getHandle(), sql.c_str(), -1, &statement, &rest);
  const bool is_empty = statement == nullptr;
  sqlite3_finalize(statement);
  if (code != SQLITE_OK) refuse_sqlite(db);
  if (is_empty) refuse("the query is empty");
  const std::string_view tail = trimmed(rest);
  if (!tail.empty() && tail != ";") {
    throw UsageError(fmt::format("one statement at a time: remove \"{}\"", tail));
  }
}

QueryValue value_of(const SQLite::Column& column) {
  if (column.isNull()) return std::monostate();
  if (column.isInteger()) return column.getInt64();
  if (column.isFloat()) return column.getDouble();
  if (!column.isBlob()) return column.getString();
  std::string hex;
  for (const unsigned char byte : column.getString()) hex += fmt::format("{:02x}", byte);
  return hex;
}

QueryTable fetch(SQLite::Database& db, const std::string& sql) {
  QueryTable table;
  SQLite::Statement rows(db, sql);
  for (int c = 0; c < rows.getColumnCount(); ++c) table.columns.emplace_back(rows.getColumnName(c));
  while (rows.executeStep()) {
    std::vector<QueryValue> row;
    for (int c = 0; c < rows.getColumnCount(); ++c) row.push_back(value_of(rows.getColumn(c)));
    table.rows.push_back(std::move(row));
  }
  return table;
}

}  // namespace

QueryTable run_query(const std::filesystem::path& results_db, std::string_view question) {
  auto db = open_results(results_db);
  const auto text = trimmed(question);
  try {
    const std::string sql = looks_like_a_name(text) ? named_sql(text, db) : std::string(text);
    connect_pragma_functions(db);
    sqlite3_set_authorizer(db.getHandle(), authorize, nullptr);
    check_single_statement(db, sql);
    return fetch(db, sql);
  } catch (const SQLite::Exception&) {
    refuse_sqlite(db);
  }
}

}  // namespace calsweep::analysis
