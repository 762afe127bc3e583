#include "sweeps/spec_document.hpp"

#include "sweeps/errors.hpp"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>

namespace calsweep {
namespace {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row[b.size()];
}

std::string expected_type(const SettingKey& key) {
  switch (key.type) {
    case SettingType::Boolean:
      return "true or false";
    case SettingType::Integer:
      return "an integer";
    case SettingType::Real:
      return "a number";
    case SettingType::Text:
      return "a text in quotes";
    case SettingType::TextList:
      return "a list of texts";
  }
  return "";
}

std::string number_text(double value) { return fmt::format("{:.17g}", value); }

}  // namespace

std::string nearest_name(std::string_view name, const std::vector<std::string>& valid) {
  std::string best;
  std::size_t best_distance = std::min<std::size_t>(3, name.size() / 2 + 1) + 1;
  for (const auto& candidate : valid) {
    const std::size_t distance = edit_distance(name, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

std::string did_you_mean(const std::string& nearest, char quote) {
  return nearest.empty() ? "" : fmt::format("did you mean {}{}{}? ", quote, nearest, quote);
}

std::string kind_of(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::string:
      return "a text";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a number with a fraction";
    case toml::node_type::boolean:
      return "true/false";
    default:
      return "a date or time";
  }
}

std::vector<std::pair<const toml::key*, const toml::node*>> in_file_order(
    const toml::table& table) {
  std::vector<std::pair<const toml::key*, const toml::node*>> entries;
  for (auto&& [key, node] : table) entries.emplace_back(&key, &node);
  std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    const auto &x = a.first->source().begin, &y = b.first->source().begin;
    return std::tie(x.line, x.column) < std::tie(y.line, y.column);
  });
  return entries;
}

SpecDocument::SpecDocument(std::string_view text, std::string file) : file_(std::move(file)) {
  try {
    root_ = toml::parse(text, file_);
    parsed_ = true;
  } catch (const toml::parse_error& error) {
    report(error.source(), fmt::format("this is not TOML: {}", error.description()));
  }
}

void SpecDocument::report(const toml::source_region& where, std::string message) {
  diagnostics_.push_back({file_, static_cast<std::uint32_t>(where.begin.line),
                          static_cast<std::uint32_t>(where.begin.column), std::move(message)});
}

std::vector<Diagnostic> SpecDocument::diagnostics() const {
  auto sorted = diagnostics_;
  const auto key = [](const Diagnostic& d) { return std::tie(d.line, d.column, d.message); };
  std::stable_sort(sorted.begin(), sorted.end(),
                   [&](const auto& a, const auto& b) { return key(a) < key(b); });
  const auto same = [&](const auto& a, const auto& b) { return key(a) == key(b); };
  sorted.erase(std::unique(sorted.begin(), sorted.end(), same), sorted.end());
  return sorted;
}

void SpecDocument::report_unknown(const toml::key& key, std::string_view where,
                                  const std::vector<std::string>& valid) {
  const std::string nearest = nearest_name(key.str(), valid);
  report(key.source(), fmt::format("unknown key '{}' in {}; {}valid here: {}", key.str(), where,
                                   did_you_mean(nearest), fmt::join(valid, ", ")));
}

std::optional<double> SpecDocument::checked_number(const toml::node& node, const SettingKey& key,
                                                   double value) {
  const bool too_small = key.minimum_excluded ? value <= key.minimum : value < key.minimum;
  if (!std::isfinite(value)) {
    report(node, fmt::format("'{}' must be finite", key.path));
    return {};
  }
  if (too_small) {
    report(node, fmt::format("'{}' = {} is too small: it must be {} {}", key.path,
                             number_text(value), key.minimum_excluded ? "greater than" : "at least",
                             number_text(key.minimum)));
    return {};
  }
  if (value > key.maximum) {
    report(node, fmt::format("'{}' = {} is too large: it may be at most {}", key.path,
                             number_text(value), number_text(key.maximum)));
    return {};
  }
  return value;
}

std::optional<SettingValue> SpecDocument::number_value(const toml::node& node,
                                                       const SettingKey& key) {
  if (key.type == SettingType::Integer && node.is_integer()) {
    const std::int64_t value = node.as_integer()->get();
    if (!checked_number(node, key, static_cast<double>(value))) return {};
    return value;
  }
  if (key.type == SettingType::Real && node.is_number()) {
    const double value = node.is_integer() ? static_cast<double>(node.as_integer()->get())
                                           : node.as_floating_point()->get();
    if (!checked_number(node, key, value)) return {};
    return value;
  }
  report(node, fmt::format("'{}' must be {}{}, not {}", key.path, expected_type(key),
                           key.unit.empty() ? "" : fmt::format(" ({})", key.unit), kind_of(node)));
  return {};
}

std::optional<SettingValue> SpecDocument::text_value(const toml::node& node,
                                                     const SettingKey& key) {
  if (!node.is_string()) {
    report(node, fmt::format("'{}' must be a text in quotes, not {}", key.path, kind_of(node)));
    return {};
  }
  std::string value = node.as_string()->get();
  const auto& choices = key.choices;
  if (choices.empty() || std::find(choices.begin(), choices.end(), value) != choices.end()) {
    return value;
  }
  const std::vector<std::string> names(choices.begin(), choices.end());
  const std::string nearest = nearest_name(value, names);
  report(node, fmt::format("'{}' cannot be \"{}\"; {}possible: {}", key.path, value,
                           did_you_mean(nearest, '"'), fmt::join(names, ", ")));
  return {};
}

std::optional<SettingValue> SpecDocument::text_list_value(const toml::node& node,
                                                          const SettingKey& key) {
  const auto* array = node.as_array();
  if (array == nullptr) {
    report(node, fmt::format("'{}' must be a list of texts, not {}", key.path, kind_of(node)));
    return {};
  }
  std::vector<std::string> values;
  for (const auto& item : *array) {
    if (!item.is_string()) {
      report(item, fmt::format("'{}' holds {}: expected texts only", key.path, kind_of(item)));
      return {};
    }
    values.push_back(item.as_string()->get());
  }
  return values;
}

std::optional<SettingValue> SpecDocument::setting_value(const toml::node& node,
                                                        const SettingKey& key) {
  switch (key.type) {
    case SettingType::Boolean:
      if (node.is_boolean()) return node.as_boolean()->get();
      report(node, fmt::format("'{}' must be true or false, not {}", key.path, kind_of(node)));
      return {};
    case SettingType::Integer:
    case SettingType::Real:
      return number_value(node, key);
    case SettingType::Text:
      return text_value(node, key);
    case SettingType::TextList:
      return text_list_value(node, key);
  }
  return {};
}

std::optional<std::string> SpecDocument::text(const toml::node& node, std::string_view name) {
  if (node.is_string()) return node.as_string()->get();
  report(node, fmt::format("'{}' must be a text in quotes, not {}", name, kind_of(node)));
  return {};
}

std::optional<std::int64_t> SpecDocument::integer(const toml::node& node, std::string_view name,
                                                  std::int64_t minimum, std::int64_t maximum) {
  if (!node.is_integer()) {
    report(node, fmt::format("'{}' must be an integer, not {}", name, kind_of(node)));
    return {};
  }
  const std::int64_t value = node.as_integer()->get();
  if (value >= minimum && value <= maximum) return value;
  report(node, fmt::format("'{}' = {} is out of range: expected {} to {}", name, value, minimum,
                           maximum));
  return {};
}

std::optional<double> SpecDocument::real(const toml::node& node, std::string_view name,
                                         double minimum, double maximum) {
  if (!node.is_number()) {
    report(node, fmt::format("'{}' must be a number, not {}", name, kind_of(node)));
    return {};
  }
  const double value = node.is_integer() ? static_cast<double>(node.as_integer()->get())
                                         : node.as_floating_point()->get();
  if (value >= minimum && value <= maximum) return value;
  report(node, fmt::format("'{}' = {} is out of range: expected {} to {}", name, value, minimum,
                           maximum));
  return {};
}

const toml::table* SpecDocument::table(const toml::node& node, std::string_view name) {
  const auto* table = node.as_table();
  if (table == nullptr) {
    report(node, fmt::format("'{}' must be a table, not {}", name, kind_of(node)));
  }
  return table;
}

void throw_mistakes(const std::vector<Diagnostic>& mistakes, const std::string& file) {
  std::string text;
  for (const auto& mistake : mistakes) text += mistake.str() + "\n";
  text += fmt::format("{} mistake{} in {}", mistakes.size(), mistakes.size() == 1 ? "" : "s", file);
  throw UsageError(text);
}

}  // namespace calsweep
