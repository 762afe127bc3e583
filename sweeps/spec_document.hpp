// Reading one TOML document with every mistake collected: position, what was expected, nearest
// name.
//
// Only spec.cpp includes this. A reader never throws for a mistake in the document; it reports and
// goes on, so that one run shows them all.
#pragma once

#include <toml++/toml.h>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sweeps/nearest_name.hpp"
#include "sweeps/settings.hpp"
#include "sweeps/sweep.hpp"

namespace calsweep {

class SpecDocument {
 public:
  SpecDocument(std::string_view text, std::string file);

  bool parsed() const { return parsed_; }
  const toml::table& root() const { return root_; }
  void report(const toml::source_region& where, std::string message);
  void report(const toml::node& node, std::string message) { report(node.source(), message); }
  /// All mistakes, in file order, each once.
  std::vector<Diagnostic> diagnostics() const;

  /// "unknown key 'x' in Y; did you mean 'z'? Valid: …".
  void report_unknown(const toml::key& key, std::string_view where,
                      const std::vector<std::string>& valid);

  /// The node as a value of the key's type, within its limits and choices; reports otherwise.
  std::optional<SettingValue> setting_value(const toml::node& node, const SettingKey& key);

  /// Typed reads of plain values; `name` is for the message. Report and return nothing otherwise.
  std::optional<std::string> text(const toml::node& node, std::string_view name);
  std::optional<std::int64_t> integer(const toml::node& node, std::string_view name,
                                      std::int64_t minimum, std::int64_t maximum);
  std::optional<double> real(const toml::node& node, std::string_view name, double minimum,
                             double maximum);
  const toml::table* table(const toml::node& node, std::string_view name);

 private:
  std::optional<double> checked_number(const toml::node& node, const SettingKey& key, double value);
  std::optional<SettingValue> number_value(const toml::node& node, const SettingKey& key);
  std::optional<SettingValue> text_value(const toml::node& node, const SettingKey& key);
  std::optional<SettingValue> text_list_value(const toml::node& node, const SettingKey& key);

  std::string file_;
  toml::table root_;
  bool parsed_ = false;
  std::vector<Diagnostic> diagnostics_;
};

/// The entries of a table in the order of the file (toml++ keeps them sorted by name).
std::vector<std::pair<const toml::key*, const toml::node*>> in_file_order(const toml::table& table);

/// Throws UsageError with every mistake in `file`, a line each, and their number.
[[noreturn]] void throw_mistakes(const std::vector<Diagnostic>& mistakes, const std::string& file);

/// "an integer", "a table" … : what a node is, for messages.
std::string kind_of(const toml::node& node);

}  // namespace calsweep
