// A query's answer as text: for people, for spreadsheets, for programs, for documents.
#pragma once

#include <string>
#include <string_view>

#include "analysis/query/query.hpp"

namespace calsweep::analysis {

enum class TableFormat {
  Table,     ///< aligned columns, six significant digits, NULL as "-"
  Csv,       ///< RFC 4180 (CRLF, quotes where needed), full precision, NULL as an empty field
  Json,      ///< array of objects, full precision, NULL as null
  Markdown,  ///< a pipe table, six significant digits, NULL as "-"
  Latex      ///< a booktabs tabular, six significant digits, NULL as "--"
};

/// "table", "csv", "json", "markdown", "latex".
const std::vector<std::string>& table_format_names();
/// Throws UsageError naming these.
TableFormat table_format_from(std::string_view name);
/// "txt", "csv", "json", "md", "tex".
std::string_view file_extension(TableFormat format);

/// Ends in a line break.
std::string format_table(const QueryTable& table, TableFormat format);

/// Characters of a UTF-8 text, for alignment.
std::size_t display_width(std::string_view utf8);

/// Breaks a sentence at spaces to at most `width` characters a line; continued lines are indented
/// by two. A longer word stands alone.
std::string wrapped(const std::string& text, std::size_t width);

}  // namespace calsweep::analysis
