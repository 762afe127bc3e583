// The parser behind parse_spec: one pass over a SpecDocument, every mistake reported, nothing
// thrown.
//
// Only spec*.cpp include this: spec.cpp holds the entry points, the top level, settings, execution
// and analysis; spec_methods.cpp the methods; spec_grid.cpp axes, exclusions and what depends on
// several keys.
#pragma once

#include <fmt/core.h>

#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "sweeps/spec_document.hpp"

namespace calsweep {

using Names = std::vector<std::string>;

Names to_names(std::span<const std::string_view> names);
/// Letters, digits, '-', '_', '.', at most 64, not starting with '-' or '.': fit for a directory.
bool is_name(std::string_view text);

class SpecParser {
 public:
  SpecParser(std::string_view text, const std::string& file);
  std::variant<Spec, std::vector<Diagnostic>> parse();

 private:
  // top level
  void read_top_level();
  const toml::node* root_node(std::string_view name) const { return document_.root().get(name); }
  void read_name();
  void read_optional_text(std::string_view name, std::string& target);
  void read_seeds();

  // settings
  void read_section(std::string_view section);
  std::vector<std::pair<std::string, SettingValue>> read_settings(const toml::table& table,
                                                                  std::string_view section,
                                                                  const std::string& where);
  void check_ood(const toml::node& node, const std::vector<std::string>& entries);

  // execution and analysis
  void read_execution();
  void read_analysis();
  Names method_names() const;

  // methods
  void read_methods();
  Method read_method(const std::string& name, const toml::table& table);
  void add_settings(Method& method, const toml::node& node, const std::string& section,
                    const std::string& where);
  void read_ingredient(Method& method, const toml::node& node, const std::string& name,
                       const std::string& where);
  std::optional<EnsembleRecipe> read_ensemble(const toml::node& node, const std::string& method);
  void read_members(const toml::node& node, const std::string& where, EnsembleRecipe& recipe);
  void check_methods();

  // grid
  void read_grid();
  /// `node` is one table or a list of tables; reports anything else.
  template <class Function>
  void read_each_table(const toml::node& node, std::string_view name, Function read) {
    if (const auto* table = node.as_table()) return read(*table);
    const auto* list = node.as_array();
    if (list == nullptr || list->empty()) {
      document_.report(node, fmt::format("'{}' must be a table, as in [[{}]]", name, name));
      return;
    }
    for (const auto& item : *list) {
      if (const auto* table = document_.table(item, name)) read(*table);
    }
  }
  void read_axes(const toml::key& key, const toml::node& node, const std::string& path);
  std::vector<SettingValue> read_axis_values(const toml::key& key, const toml::node& node,
                                             const std::string& path);
  std::vector<SettingValue> checked_axis_values(const toml::array& list, const SettingKey& key);
  void read_zip(const toml::table& table);
  void read_zip_columns(const toml::table& table, const std::string& prefix,
                        std::vector<std::string>& paths,
                        std::vector<std::vector<SettingValue>>& columns);
  std::vector<SettingValue> read_zip_values(const toml::key& key, const toml::node& node,
                                            const std::string& path, int index);
  void read_exclusion(const toml::table& table);
  void read_conditions(const toml::table& table, const std::string& prefix, Exclusion& exclusion);
  std::vector<SettingValue> read_condition_values(const toml::key& key, const toml::node& node,
                                                  const std::string& path);
  std::optional<SettingValue> condition_value(const toml::node& node, const std::string& path);
  std::vector<SettingValue> values_on_axis(const std::string& path) const;
  void check_grid();
  void check_axis(const std::string& path, const toml::source_region& where);
  bool set_by_method(const std::string& path) const;

  // limits that depend on several keys
  void check_cells();
  void check_sizes(const Settings& settings);
  void report_at(const std::string& path, std::string message);

  SpecDocument document_;
  Spec spec_;
  std::map<std::string, toml::source_region> given_at_, axis_at_, method_at_, method_setting_at_,
      ensemble_of_at_;  ///< where what was given
};

}  // namespace calsweep
