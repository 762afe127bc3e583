// The parser behind parse_manifest: one pass over the document, every mistake reported.
//
// Only manifest*.cpp include this: manifest.cpp holds the entry points and the top level,
// manifest_records.cpp the records, manifest_splits.cpp their splits, manifest_ensembles.cpp the
// ensembles.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "sweeps/imported/manifest.hpp"
#include "sweeps/spec_document.hpp"

namespace calsweep::imported {

using Names = std::vector<std::string>;

class ManifestParser {
 public:
  ManifestParser(std::string_view text, const std::string& file);
  std::variant<Manifest, std::vector<Diagnostic>> parse();

 private:
  // top level
  void read_top_level();
  void read_name();
  void read_analysis();
  const toml::node* root_node(std::string_view name) const { return document_.root().get(name); }
  /// Calls `read` for each table of [[name]].
  template <class Function>
  void read_each(std::string_view name, Function read);

  // records
  void read_record(const toml::table& table);
  void read_record_key(const toml::key& key, const toml::node& node, Record& record);
  void read_method(const toml::table& table, Record& record);
  std::optional<Outputs> read_outputs(const toml::node& node, std::string_view where);
  std::vector<std::int64_t> read_seeds(const toml::table& table);
  std::vector<std::int64_t> read_seed_list(const toml::node& node);
  void read_cell(const toml::table& table, Record& record);
  std::optional<SettingValue> coordinate(const toml::node& node, const std::string& axis);
  void adopt_axes(const toml::table& cell);
  void add_records(const Record& declared, const std::vector<std::int64_t>& seeds,
                   const toml::table& table);
  std::string filled_in(const std::string& source, const Record& record, const toml::table& table);
  void check_axis_types();

  // splits
  void read_splits(const toml::table& table, Record& record);
  void read_ood_splits(const toml::node& node, const std::string& prefix, Record& record);
  void read_odin(const toml::node& node, Record& record);
  void read_odin_setting(const toml::table& table, Record& record);
  void check_odin_splits(const toml::table& table, std::size_t first, const Record& record);
  void read_split(const toml::node& node, const std::string& set, Record& record);
  void read_split_table(const toml::table& table, Split& split);
  void check_source(const toml::node& node, const std::string& source, const std::string& what);

  // ensembles
  void read_ensemble(const toml::table& table);
  void read_members(const toml::node& node, EnsembleRecipe& recipe);
  void check_ensemble(const Method& method, const toml::table& table);
  Names method_names() const;

  SpecDocument document_;
  Manifest manifest_;
  std::optional<Outputs> default_outputs_;
  double default_tolerance_ = 0.0;
  bool axes_are_known_ = false;
  std::map<std::string, std::uint32_t> line_of_key_;
};

template <class Function>
void ManifestParser::read_each(std::string_view name, Function read) {
  const auto* node = root_node(name);
  if (node == nullptr) return;
  if (const auto* table = node->as_table()) return read(*table);
  const auto* list = node->as_array();
  if (list == nullptr) {
    const std::string text(name);
    document_.report(*node, "'" + text + "' must be a table, as in [[" + text + "]]");
    return;
  }
  for (const auto& item : *list) {
    if (const auto* table = document_.table(item, name)) read(*table);
  }
}

}  // namespace calsweep::imported
