#include "analysis/query/table_format.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "sweeps/errors.hpp"
#include "sweeps/nearest_name.hpp"

namespace calsweep::analysis {
namespace {

std::string readable(const QueryValue& value) {
  if (std::holds_alternative<std::monostate>(value)) return "-";
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return std::to_string(*integer);
  if (const auto* real = std::get_if<double>(&value)) return fmt::format("{:.6g}", *real);
  std::string text = std::get<std::string>(value);
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\n' || c == '\r' || c == '\t'; }, ' ');
  return text;
}

std::string exact(const QueryValue& value) {
  if (std::holds_alternative<std::monostate>(value)) return "";
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return std::to_string(*integer);
  if (const auto* real = std::get_if<double>(&value)) return fmt::format("{}", *real);
  return std::get<std::string>(value);
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string field = "\"";
  for (const char c : text) field += c == '"' ? std::string("\"\"") : std::string(1, c);
  return field + "\"";
}

std::string as_csv(const QueryTable& table) {
  std::string text;
  for (std::size_t c = 0; c < table.columns.size(); ++c) {
    text += (c == 0 ? "" : ",") + csv_field(table.columns[c]);
  }
  text += "\r\n";
  for (const auto& row : table.rows) {
    for (std::size_t c = 0; c < row.size(); ++c)
      text += (c == 0 ? "" : ",") + csv_field(exact(row[c]));
    text += "\r\n";
  }
  return text;
}

/// Two columns of one name (a join) would overwrite each other in an object.
std::vector<std::string> unique_names(const std::vector<std::string>& names) {
  std::vector<std::string> unique;
  std::set<std::string> used;
  for (const auto& name : names) {
    std::string candidate = name;
    for (int copy = 2; !used.insert(candidate).second; ++copy) {
      candidate = fmt::format("{}_{}", name, copy);
    }
    unique.push_back(std::move(candidate));
  }
  return unique;
}

std::string as_json(const QueryTable& table) {
  using Json = nlohmann::ordered_json;
  const auto names = unique_names(table.columns);
  std::string text = "[";
  for (std::size_t r = 0; r < table.rows.size(); ++r) {
    Json object = Json::object();
    for (std::size_t c = 0; c < names.size(); ++c) {
      std::visit(
          [&](const auto& v) {
            if constexpr (std::is_same_v<std::decay_t<decltype(v)>, std::monostate>) {
              object[names[c]] = nullptr;
            } else {
              object[names[c]] = v;
            }
          },
          table.rows[r][c]);
    }
    text += (r == 0 ? "\n" : ",\n") + object.dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  return text + (table.rows.empty() ? "]\n" : "\n]\n");
}

struct TextColumn {
  std::size_t width = 0;
  bool is_numeric = true;  ///< numbers and NULLs only: aligned to the right
};

std::string padded(const std::string& text, const TextColumn& column, bool is_last) {
  const std::string space(column.width - std::min(column.width, display_width(text)), ' ');
  if (column.is_numeric) return space + text;
  return is_last ? text : text + space;
}

std::string as_text(const QueryTable& table, bool markdown) {
  std::vector<std::vector<std::string>> cells;
  std::vector<TextColumn> columns;
  for (const auto& name : table.columns) columns.push_back({display_width(name)});
  for (const auto& row : table.rows) {
    auto& line = cells.emplace_back();
    for (std::size_t c = 0; c < row.size(); ++c) {
      std::string text = readable(row[c]);
      for (std::size_t at = 0; markdown && (at = text.find('|', at)) != std::string::npos;
           at += 2) {
        text.insert(at, "\\");
      }
      columns[c].width = std::max(columns[c].width, display_width(text));
      if (std::holds_alternative<std::string>(row[c])) columns[c].is_numeric = false;
      line.push_back(std::move(text));
    }
  }
  const auto join = [&](const std::vector<std::string>& line) {
    std::string text = markdown ? "| " : "";
    for (std::size_t c = 0; c < line.size(); ++c) {
      const bool is_last = c + 1 == line.size();
      text += padded(line[c], columns[c], is_last && !markdown);
      text += is_last ? (markdown ? " |\n" : "\n") : (markdown ? " | " : "  ");
    }
    return text;
  };
  std::string text = join(table.columns);
  std::vector<std::string> rule;
  for (const auto& column : columns) {
    const std::string dashes(std::max<std::size_t>(column.width, 2), '-');
    rule.push_back(markdown && column.is_numeric ? dashes.substr(1) + ":" : dashes);
  }
  text += join(rule);
  for (const auto& line : cells) text += join(line);
  if (!markdown && table.rows.empty()) text += "(no rows)\n";
  return text;
}

std::string latex_text(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '\\':
        escaped += "\\textbackslash{}";
        break;
      case '~':
        escaped += "\\textasciitilde{}";
        break;
      case '^':
        escaped += "\\textasciicircum{}";
        break;
      case '&':
      case '%':
      case '$':
      case '#':
      case '_':
      case '{':
      case '}':
        escaped += '\\';
        [[fallthrough]];
      default:
        escaped += c;
    }
  }
  return escaped;
}

/// 1.95e-03 as $1.95 \times 10^{-3}$.
std::string latex_value(const QueryValue& value) {
  if (std::holds_alternative<std::monostate>(value)) return "--";
  const std::string text = readable(value);
  if (std::holds_alternative<std::string>(value)) return latex_text(text);
  const auto e = text.find('e');
  if (e == std::string::npos) return "$" + text + "$";
  return fmt::format("${} \\times 10^{{{}}}$", text.substr(0, e), std::stoi(text.substr(e + 1)));
}

std::string as_latex(const QueryTable& table) {
  std::string alignment, header, body;
  for (std::size_t c = 0; c < table.columns.size(); ++c) {
    const bool is_text = std::any_of(table.rows.begin(), table.rows.end(), [c](const auto& row) {
      return std::holds_alternative<std::string>(row[c]);
    });
    alignment += is_text ? 'l' : 'r';
    header += (c == 0 ? "" : " & ") + latex_text(table.columns[c]);
  }
  for (const auto& row : table.rows) {
    for (std::size_t c = 0; c < row.size(); ++c) {
      body += (c == 0 ? "" : " & ") + latex_value(row[c]);
    }
    body += " \\\\\n";
  }
  return fmt::format(
      "% needs \\usepackage{{booktabs}}\n\\begin{{tabular}}{{{}}}\n\\toprule\n{} "
      "\\\\\n\\midrule\n{}"
      "\\bottomrule\n\\end{{tabular}}\n",
      alignment, header, body);
}

}  // namespace

const std::vector<std::string>& table_format_names() {
  static const std::vector<std::string> names = {"table", "csv", "json", "markdown", "latex"};
  return names;
}

TableFormat table_format_from(std::string_view name) {
  const auto& names = table_format_names();
  const auto at = std::find(names.begin(), names.end(), name);
  if (at != names.end()) return static_cast<TableFormat>(at - names.begin());
  const auto nearest = nearest_name(name, names);
  throw UsageError(fmt::format("no format is called \"{}\"{}; there are: {}", name,
                               nearest.empty() ? "" : ", did you mean \"" + nearest + "\"?",
                               fmt::join(names, ", ")));
}

std::string_view file_extension(TableFormat format) {
  constexpr std::array<std::string_view, 5> kExtensions = {"txt", "csv", "json", "md", "tex"};
  return kExtensions[static_cast<std::size_t>(format)];
}

std::string format_table(const QueryTable& table, TableFormat format) {
  switch (format) {
    case TableFormat::Csv:
      return as_csv(table);
    case TableFormat::Json:
      return as_json(table);
    case TableFormat::Latex:
      return as_latex(table);
    default:
      return as_text(table, format == TableFormat::Markdown);
  }
}

std::size_t display_width(std::string_view utf8) {
  return static_cast<std::size_t>(std::count_if(utf8.begin(), utf8.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

std::string wrapped(const std::string& text, std::size_t width) {
  std::string lines;
  std::size_t used = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    const std::string word = text.substr(at, end - at);
    const std::size_t length = display_width(word);
    const bool breaks = used > 0 && used + 1 + length > width;
    lines += breaks ? "\n  " : (used > 0 ? " " : "");
    used = (breaks ? 2 : used + (used > 0 ? 1 : 0)) + length;
    lines += word;
    at = end + 1;
  }
  return lines;
}

}  // namespace calsweep::analysis
