// Parses a spec: TOML in, a checked Spec or every mistake out.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "sweeps/cost.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/run_directory.hpp"
#include "sweeps/spec_document.hpp"

namespace calsweep {
namespace {

using Names = std::vector<std::string>;
constexpr double kMostReplicates = 1e7;

Names to_names(std::span<const std::string_view> names) { return {names.begin(), names.end()}; }

// Names of the keys directly under "section.", without the section.
Names keys_of(std::string_view section) {
  Names names;
  for (const auto& key : setting_keys()) {
    if (key.path.starts_with(section) && key.path[section.size()] == '.') {
      names.emplace_back(key.path.substr(section.size() + 1));
    }
  }
  return names;
}

Names all_paths() {
  Names names;
  for (const auto& key : setting_keys()) names.emplace_back(key.path);
  return names;
}

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 64 && text.front() != '-' && text.front() != '.' &&
         text.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
             std::string_view::npos;
}

class SpecParser {
 public:
  SpecParser(std::string_view text, const std::string& file) : document_(text, file) {
    spec_.source_text = std::string(text);
  }

  std::variant<Spec, std::vector<Diagnostic>> parse() {
    if (document_.parsed()) {
      read_top_level();
      check_methods();
      if (document_.diagnostics().empty()) check_grid();
      if (document_.diagnostics().empty()) check_cells();
    }
    auto diagnostics = document_.diagnostics();
    if (!diagnostics.empty()) return diagnostics;
    return std::move(spec_);
  }

 private:
  // ---- top level ------------------------------------------------------------------------------
  void read_top_level() {
    static const Names kNames = {"name", "description", "seeds",    "data_root",
                                 "data", "model",       "training", "logging",
                                 "grid", "methods",     "analysis", "execution"};
    const auto ingredients = to_names(ingredient_names());
    for (const auto& [key, node] : in_file_order(document_.root())) {
      const std::string name(key->str());
      if (std::find(ingredients.begin(), ingredients.end(), name) != ingredients.end()) {
        document_.report(key->source(),
                         fmt::format("'{}' is an ingredient: put it into a method, as in "
                                     "[methods.NAME] {} = {{ … }}",
                                     name, name));
      } else if (std::find(kNames.begin(), kNames.end(), name) == kNames.end()) {
        document_.report_unknown(*key, "the spec", kNames);
      }
    }
    read_name();
    read_optional_text("description", spec_.description);
    read_optional_text("data_root", spec_.data_root);
    read_seeds();
    for (const auto section : section_names()) read_section(section);
    read_execution();
    read_methods();
    read_grid();
    read_analysis();
  }

  const toml::node* root_node(std::string_view name) const { return document_.root().get(name); }

  void read_name() {
    const auto* node = root_node("name");
    if (node == nullptr) {
      document_.report(document_.root(),
                       "'name' is missing: give the sweep a name, as in name = "
                       "\"quickstart\"");
      return;
    }
    const auto name = document_.text(*node, "name");
    if (!name) return;
    if (!is_name(*name)) {
      document_.report(*node,
                       fmt::format("name = \"{}\" cannot name a directory: use up to 64 letters, "
                                   "digits, '-', '_' and '.', not starting with '-' or '.'",
                                   *name));
    }
    spec_.name = *name;
  }

  void read_optional_text(std::string_view name, std::string& target) {
    if (const auto* node = root_node(name)) target = document_.text(*node, name).value_or("");
  }

  void read_seeds() {
    const auto* node = root_node("seeds");
    if (node == nullptr) {
      document_.report(document_.root(),
                       "'seeds' is missing: give a number of replicates, as in "
                       "seeds = 10, or a list of seeds");
      return;
    }
    if (const auto* list = node->as_array()) {
      std::set<std::int64_t> seen;
      for (const auto& item : *list) {
        const auto seed = document_.integer(item, "seeds", 0, 1'000'000'000);
        if (!seed) continue;
        if (!seen.insert(*seed).second) {
          document_.report(item, fmt::format("seed {} is listed twice", *seed));
        }
        spec_.seeds.push_back(*seed);
      }
      if (list->empty()) document_.report(*node, "'seeds' is empty: list at least one seed");
      return;
    }
    const auto count = document_.integer(*node, "seeds", 1, 1'000'000);
    for (std::int64_t seed = 0; seed < count.value_or(0); ++seed) spec_.seeds.push_back(seed);
  }

  // ---- settings -------------------------------------------------------------------------------
  void read_section(std::string_view section) {
    const auto* node = root_node(section);
    if (node == nullptr) return;
    const auto* table = document_.table(*node, section);
    if (table == nullptr) return;
    for (const auto& [path, value] : read_settings(*table, section, fmt::format("[{}]", section))) {
      spec_.base.set(path, value);
    }
  }

  // The entries of one section's table, checked. Remembers where each key was given.
  std::vector<std::pair<std::string, SettingValue>> read_settings(const toml::table& table,
                                                                  std::string_view section,
                                                                  const std::string& where) {
    std::vector<std::pair<std::string, SettingValue>> settings;
    for (const auto& [key, node] : in_file_order(table)) {
      const std::string path = fmt::format("{}.{}", section, key->str());
      const int index = find_setting(path);
      if (index < 0) {
        document_.report_unknown(*key, where, keys_of(section));
        continue;
      }
      auto value = document_.setting_value(*node, setting_keys()[static_cast<std::size_t>(index)]);
      if (!value) continue;
      given_at_.emplace(path, node->source());
      if (path == "data.ood") check_ood(*node, std::get<std::vector<std::string>>(*value));
      settings.emplace_back(path, std::move(*value));
    }
    return settings;
  }

  void check_ood(const toml::node& node, const std::vector<std::string>& entries) {
    Names known;
    for (const auto& set : known_datasets()) known.emplace_back(set.name);
    std::set<std::string> seen;
    for (const auto& entry : entries) {
      const OodName name = parse_ood_name(entry);
      if (find_dataset(name.set) == nullptr) {
        const std::string nearest = nearest_name(name.set, known);
        document_.report(
            node, fmt::format("'data.ood' names the unknown data set '{}'; {}known: {}", name.set,
                              nearest.empty() ? "" : fmt::format("did you mean '{}'? ", nearest),
                              fmt::join(known, ", ")));
      } else if (!seen.insert(name.str()).second) {
        document_.report(node, fmt::format("'data.ood' names '{}' twice", name.str()));
      }
    }
  }

  // ---- execution and analysis -----------------------------------------------------------------
  void read_execution() {
    const auto* node = root_node("execution");
    const auto* table = node == nullptr ? nullptr : document_.table(*node, "execution");
    if (table == nullptr) return;
    auto& e = spec_.execution;
    for (const auto& [key, value] : in_file_order(*table)) {
      const std::string_view name = key->str();
      if (name == "fuse") {
        e.fuse = document_.integer(*value, "execution.fuse", 1, 1024).value_or(1);
      } else if (name == "unit_seconds") {
        e.unit_seconds = document_.real(*value, "execution.unit_seconds", 0.1, 86400).value_or(20);
      } else if (name == "max_attempts") {
        e.max_attempts = document_.integer(*value, "execution.max_attempts", 1, 100).value_or(3);
      } else if (name == "heartbeat_seconds") {
        e.heartbeat_seconds =
            document_.real(*value, "execution.heartbeat_seconds", 5, 86400).value_or(120);
      } else if (name == "threads") {
        e.threads = document_.integer(*value, "execution.threads", 1, 1024).value_or(1);
      } else {
        document_.report_unknown(
            *key, "[execution]",
            {"fuse", "heartbeat_seconds", "max_attempts", "threads", "unit_seconds"});
      }
    }
  }

  void read_analysis() {
    if (!spec_.methods.empty()) spec_.analysis.reference = spec_.methods.front().name;
    const auto* node = root_node("analysis");
    const auto* table = node == nullptr ? nullptr : document_.table(*node, "analysis");
    if (table == nullptr) return;
    for (const auto& [key, value] : in_file_order(*table)) {
      if (key->str() == "reference") {
        read_reference(*value);
      } else if (key->str() == "alpha") {
        spec_.analysis.alpha = document_.real(*value, "analysis.alpha", 1e-12, 0.5).value_or(0.05);
      } else {
        document_.report_unknown(*key, "[analysis]", {"alpha", "reference"});
      }
    }
  }

  void read_reference(const toml::node& node) {
    const auto name = document_.text(node, "analysis.reference");
    if (!name || methods_broken_) return;
    const Names names = method_names();
    if (std::find(names.begin(), names.end(), *name) == names.end()) {
      const std::string nearest = nearest_name(*name, names);
      document_.report(
          node,
          fmt::format("analysis.reference names no method of this spec: \"{}\"; "
                      "{}methods: {}",
                      *name, nearest.empty() ? "" : fmt::format("did you mean \"{}\"? ", nearest),
                      fmt::join(names, ", ")));
      return;
    }
    spec_.analysis.reference = *name;
  }

  Names method_names() const {
    Names names;
    for (const auto& method : spec_.methods) names.push_back(method.name);
    return names;
  }

  // ---- methods --------------------------------------------------------------------------------
  void read_methods() {
    const auto* node = root_node("methods");
    if (node == nullptr) {
      document_.report(document_.root(),
                       "'methods' is missing: declare at least one, as in [methods.baseline]");
      return;
    }
    const auto* table = document_.table(*node, "methods");
    if (table == nullptr) return;
    for (const auto& [key, value] : in_file_order(*table)) {
      const std::string name(key->str());
      method_at_.emplace(name, key->source());
      if (!is_name(name)) {
        document_.report(
            key->source(),
            fmt::format("'{}' cannot name a method: use letters, digits, '-', '_', '.'", name));
      }
      const std::size_t before = document_.diagnostics().size();
      const auto* method = document_.table(*value, "methods." + name);
      if (method != nullptr) spec_.methods.push_back(read_method(name, *method));
      methods_broken_ = methods_broken_ || document_.diagnostics().size() > before;
    }
    if (table->empty()) document_.report(*node, "'methods' is empty: declare at least one method");
  }

  Method read_method(const std::string& name, const toml::table& table) {
    Method method;
    method.name = name;
    Names valid = to_names(ingredient_names());
    valid.insert(valid.end(), {"model", "training", "ensemble"});
    const std::string where = fmt::format("[methods.{}]", name);
    for (const auto& [key, node] : in_file_order(table)) {
      const std::string part(key->str());
      if (part == "ensemble") {
        method.ensemble = read_ensemble(*node, name);
      } else if (part == "model" || part == "training") {
        add_settings(method, *node, part, where);
      } else if (std::find(valid.begin(), valid.end(), part) != valid.end()) {
        read_ingredient(method, *node, part, where);
      } else if (part == "data" || part == "logging") {
        document_.report(key->source(),
                         fmt::format("'{}' cannot differ between methods: they are compared on the "
                                     "same data; set it in [{}] or make it an axis",
                                     part, part));
      } else {
        document_.report_unknown(*key, where, valid);
      }
    }
    if (method.ensemble && table.size() > 1) {
      document_.report(table,
                       fmt::format("'methods.{}' is an ensemble: its networks are those of the "
                                   "method it is made `of`, so nothing else can be set here",
                                   name));
    }
    return method;
  }

  void add_settings(Method& method, const toml::node& node, const std::string& section,
                    const std::string& where) {
    const auto* table = document_.table(node, fmt::format("methods.{}.{}", method.name, section));
    if (table == nullptr) return;
    for (auto& setting : read_settings(*table, section, where + " " + section)) {
      method_setting_at_.emplace(method.name + " " + setting.first,
                                 table->get(setting.first.substr(section.size() + 1))->source());
      method.settings.push_back(std::move(setting));
    }
  }

  // `mixup = { alpha = 0.2 }`, or `mixup = true` for its defaults.
  void read_ingredient(Method& method, const toml::node& node, const std::string& name,
                       const std::string& where) {
    if (node.is_boolean()) {
      if (node.as_boolean()->get()) {
        method.ingredients.push_back(name);
      } else {
        document_.report(node, fmt::format("'{} = false' says nothing: leave the line out", name));
      }
      return;
    }
    method.ingredients.push_back(name);
    add_settings(method, node, name, where);
  }

  std::optional<EnsembleRecipe> read_ensemble(const toml::node& node, const std::string& method) {
    EnsembleRecipe recipe;
    const auto* table = document_.table(node, fmt::format("methods.{}.ensemble", method));
    if (table == nullptr) return {};
    const std::string where = fmt::format("methods.{}.ensemble", method);
    for (const auto& [key, value] : in_file_order(*table)) {
      if (key->str() == "of") {
        recipe.of = document_.text(*value, where + ".of").value_or("");
        ensemble_of_at_.emplace(method, value->source());
      } else if (key->str() == "size") {
        recipe.size = document_.integer(*value, where + ".size", 2, 1000).value_or(2);
      } else if (key->str() == "members") {
        read_members(*value, where, recipe);
      } else {
        document_.report_unknown(*key, where, {"members", "of", "size"});
      }
    }
    if (!table->contains("of")) {
      document_.report(node,
                       fmt::format("'{}' lacks 'of': the method whose networks it pools", where));
    }
    return recipe;
  }

  void read_members(const toml::node& node, const std::string& where, EnsembleRecipe& recipe) {
    const auto text = document_.text(node, where + ".members");
    if (!text) return;
    const Names names = {"independent", "disjoint-seeds", "cyclic-seeds"};
    for (const auto members : {EnsembleMembers::Independent, EnsembleMembers::DisjointSeeds,
                               EnsembleMembers::CyclicSeeds}) {
      if (to_string(members) == *text) {
        recipe.members = members;
        return;
      }
    }
    const std::string nearest = nearest_name(*text, names);
    document_.report(
        node, fmt::format("'{}.members' cannot be \"{}\"; {}possible: {}", where, *text,
                          nearest.empty() ? "" : fmt::format("did you mean \"{}\"? ", nearest),
                          fmt::join(names, ", ")));
  }

  void check_methods() {
    for (const auto& method : spec_.methods) {
      if (!method.ensemble || method.ensemble->of.empty()) continue;
      const auto& where = ensemble_of_at_.at(method.name);
      const auto base = std::find_if(spec_.methods.begin(), spec_.methods.end(),
                                     [&](const auto& m) { return m.name == method.ensemble->of; });
      if (base == spec_.methods.end()) {
        const std::string nearest = nearest_name(method.ensemble->of, method_names());
        document_.report(
            where, fmt::format("'methods.{}.ensemble.of' names no method: \"{}\"; {}"
                               "methods: {}",
                               method.name, method.ensemble->of,
                               nearest.empty() ? "" : fmt::format("did you mean \"{}\"? ", nearest),
                               fmt::join(method_names(), ", ")));
      } else if (base->ensemble) {
        document_.report(where,
                         fmt::format("'methods.{}' would be an ensemble of the ensemble '{}': "
                                     "name a method that trains networks",
                                     method.name, base->name));
      }
      const bool from_seeds = method.ensemble->members != EnsembleMembers::Independent;
      if (from_seeds && !spec_.seeds.empty() &&
          method.ensemble->size > static_cast<std::int64_t>(spec_.seeds.size())) {
        document_.report(
            method_at_.at(method.name),
            fmt::format("'methods.{}' takes {} members from the seeds of '{}', but there "
                        "are only {} seeds",
                        method.name, method.ensemble->size, method.ensemble->of,
                        spec_.seeds.size()));
      }
    }
  }

  // ---- grid -----------------------------------------------------------------------------------
  void read_grid() {
    const auto* node = root_node("grid");
    const auto* table = node == nullptr ? nullptr : document_.table(*node, "grid");
    if (table == nullptr) return;
    for (const auto& [key, value] : in_file_order(*table)) {
      if (key->str() == "zip") {
        read_each_table(*value, "grid.zip", [this](const toml::table& t) { read_zip(t); });
      } else if (key->str() != "exclude") {
        read_axes(*key, *value, std::string(key->str()));
      }
    }
    if (const auto* exclude = table->get("exclude")) {
      read_each_table(*exclude, "grid.exclude",
                      [this](const toml::table& t) { read_exclusion(t); });
    }
  }

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

  // Leaves of nested tables are axes: `model.depth = […]` and `"model.depth" = […]` are the same.
  void read_axes(const toml::key& key, const toml::node& node, const std::string& path) {
    if (const auto* table = node.as_table()) {
      for (const auto& [inner, value] : in_file_order(*table)) {
        read_axes(*inner, *value, path + "." + std::string(inner->str()));
      }
      return;
    }
    Axis axis;
    axis.paths = {path};
    auto values = read_axis_values(key, node, path);
    for (auto& value : values) axis.values.push_back({std::move(value)});
    if (!axis.values.empty()) spec_.axes.push_back(std::move(axis));
  }

  std::vector<SettingValue> read_axis_values(const toml::key& key, const toml::node& node,
                                             const std::string& path) {
    const int index = find_setting(path);
    if (index < 0) {
      const std::string nearest = nearest_name(path, all_paths());
      document_.report(
          key.source(),
          fmt::format("'{}' is no setting, so it cannot be an axis; {}see "
                      "docs/spec-reference.md for all",
                      path, nearest.empty() ? "" : fmt::format("did you mean '{}'? ", nearest)));
      return {};
    }
    if (!axis_at_.emplace(path, node.source()).second) {
      document_.report(key.source(), fmt::format("'{}' is an axis twice", path));
    }
    const auto* list = node.as_array();
    if (list == nullptr || list->empty()) {
      document_.report(node,
                       fmt::format("the axis '{}' needs a list of values, as in {} = [1, 2], not "
                                   "{}",
                                   path, path, list == nullptr ? kind_of(node) : "an empty list"));
      return {};
    }
    return checked_axis_values(*list, setting_keys()[static_cast<std::size_t>(index)]);
  }

  std::vector<SettingValue> checked_axis_values(const toml::array& list, const SettingKey& key) {
    std::vector<SettingValue> values;
    for (const auto& item : list) {
      auto value = document_.setting_value(item, key);
      if (!value) continue;
      if (key.path == "data.ood") check_ood(item, std::get<std::vector<std::string>>(*value));
      if (std::find(values.begin(), values.end(), *value) != values.end()) {
        document_.report(
            item, fmt::format("the axis '{}' lists {} twice", key.path, display_text(*value)));
      }
      values.push_back(std::move(*value));
    }
    return values;
  }

  void read_zip(const toml::table& table) {
    Axis axis;
    std::vector<std::vector<SettingValue>> columns;
    read_zip_columns(table, "", axis.paths, columns);
    if (columns.empty()) return;
    for (const auto& column : columns) {
      if (column.size() == columns.front().size()) continue;
      document_.report(table, fmt::format("zipped axes must have the same number of values: {}",
                                          fmt::join(axis.paths, ", ")));
      return;
    }
    for (std::size_t i = 0; i < columns.front().size(); ++i) {
      std::vector<SettingValue> point;
      for (const auto& column : columns) point.push_back(column[i]);
      axis.values.push_back(std::move(point));
    }
    spec_.axes.push_back(std::move(axis));
  }

  void read_zip_columns(const toml::table& table, const std::string& prefix,
                        std::vector<std::string>& paths,
                        std::vector<std::vector<SettingValue>>& columns) {
    for (const auto& [key, node] : in_file_order(table)) {
      const std::string path = prefix + std::string(key->str());
      if (const auto* inner = node->as_table()) {
        read_zip_columns(*inner, path + ".", paths, columns);
        continue;
      }
      // Points of a zipped axis may repeat a value of one key, so duplicates are not an error here.
      const int index = find_setting(path);
      const std::size_t before = document_.diagnostics().size();
      auto values = read_zip_values(*key, *node, path, index);
      if (values.empty() || document_.diagnostics().size() > before) continue;
      paths.push_back(path);
      columns.push_back(std::move(values));
    }
  }

  std::vector<SettingValue> read_zip_values(const toml::key& key, const toml::node& node,
                                            const std::string& path, int index) {
    const auto* list = node.as_array();
    if (index < 0 || list == nullptr) return read_axis_values(key, node, path);
    if (!axis_at_.emplace(path, node.source()).second) {
      document_.report(key.source(), fmt::format("'{}' is an axis twice", path));
    }
    std::vector<SettingValue> values;
    for (const auto& item : *list) {
      auto value = document_.setting_value(item, setting_keys()[static_cast<std::size_t>(index)]);
      if (value) values.push_back(std::move(*value));
    }
    return values;
  }

  void read_exclusion(const toml::table& table) {
    Exclusion exclusion;
    read_conditions(table, "", exclusion);
    if (!exclusion.matches.empty()) {
      spec_.exclusions.push_back(std::move(exclusion));
    } else if (table.empty()) {
      document_.report(table, "an empty exclusion would exclude everything: name axes and values");
    }
  }

  void read_conditions(const toml::table& table, const std::string& prefix, Exclusion& exclusion) {
    for (const auto& [key, node] : in_file_order(table)) {
      const std::string path = prefix + std::string(key->str());
      if (const auto* inner = node->as_table()) {
        read_conditions(*inner, path + ".", exclusion);
        continue;
      }
      auto values = read_condition_values(*key, *node, path);
      if (!values.empty()) exclusion.matches.emplace_back(path, std::move(values));
    }
  }

  std::vector<SettingValue> read_condition_values(const toml::key& key, const toml::node& node,
                                                  const std::string& path) {
    const auto allowed = values_on_axis(path);
    if (allowed.empty()) {
      Names valid = {"method"};
      for (const auto& [axis, where] : axis_at_) valid.push_back(axis);
      document_.report_unknown(key, fmt::format("grid.exclude ('{}' is no axis)", path), valid);
      return {};
    }
    std::vector<SettingValue> values;
    const auto add = [&](const toml::node& item) {
      const auto value = condition_value(item, path);
      if (value && std::find(allowed.begin(), allowed.end(), *value) != allowed.end()) {
        values.push_back(*value);
      } else if (value) {
        Names names;
        for (const auto& a : allowed) names.push_back(display_text(a));
        document_.report(item, fmt::format("the exclusion matches nothing: '{}' never is {}; its "
                                           "values: {}",
                                           path, display_text(*value), fmt::join(names, ", ")));
      }
    };
    if (const auto* list = node.as_array()) {
      for (const auto& item : *list) add(item);
    } else {
      add(node);
    }
    return values;
  }

  std::optional<SettingValue> condition_value(const toml::node& node, const std::string& path) {
    if (path == "method") return document_.text(node, "grid.exclude.method");
    return document_.setting_value(node,
                                   setting_keys()[static_cast<std::size_t>(find_setting(path))]);
  }

  std::vector<SettingValue> values_on_axis(const std::string& path) const {
    std::vector<SettingValue> values;
    if (path == "method") {
      for (const auto& method : spec_.methods) values.emplace_back(method.name);
      return values;
    }
    for (const auto& axis : spec_.axes) {
      for (std::size_t k = 0; k < axis.paths.size(); ++k) {
        if (axis.paths[k] != path) continue;
        for (const auto& point : axis.values) values.push_back(point[k]);
      }
    }
    return values;
  }

  void check_grid() {
    for (const auto& [path, where] : axis_at_) check_axis(path, where);
    double replicates = static_cast<double>(spec_.seeds.size() * spec_.methods.size());
    for (const auto& axis : spec_.axes) replicates *= static_cast<double>(axis.values.size());
    if (replicates > kMostReplicates) {
      document_.report(
          document_.root(),
          fmt::format("the grid has {:.3g} replicates (cells x methods x seeds); at most "
                      "{:.0e} are supported: exclude some or split the sweep",
                      replicates, kMostReplicates));
    }
  }

  // An axis must not be contradicted by, or useless for, every method.
  void check_axis(const std::string& path, const toml::source_region& where) {
    const auto& key = setting_keys()[static_cast<std::size_t>(find_setting(path))];
    bool used = key.ingredient.empty();
    for (const auto& method : spec_.methods) {
      const auto& on = method.ingredients;
      used = used || std::find(on.begin(), on.end(), key.ingredient) != on.end();
      if (const auto at = method_setting_at_.find(method.name + " " + path);
          at != method_setting_at_.end()) {
        document_.report(
            at->second,
            fmt::format("'{}' is an axis (line {}), so the method '{}' cannot set it too", path,
                        where.begin.line, method.name));
      }
    }
    if (!used) {
      document_.report(where,
                       fmt::format("the axis '{}' changes nothing: no method has the ingredient "
                                   "'{}'",
                                   path, key.ingredient));
    }
    if (const auto base = given_at_.find(path); base != given_at_.end() && key.ingredient.empty() &&
                                                base->second.begin.line != where.begin.line &&
                                                !set_by_method(path)) {
      document_.report(base->second,
                       fmt::format("'{}' is an axis (line {}), so its value here would be "
                                   "ignored: remove one of the two",
                                   path, where.begin.line));
    }
  }

  bool set_by_method(const std::string& path) const {
    return std::any_of(method_setting_at_.begin(), method_setting_at_.end(),
                       [&](const auto& entry) { return entry.first.ends_with(" " + path); });
  }

  // ---- limits that depend on several keys -------------------------------------------------------
  void check_cells() {
    Spec one_seed = spec_;  // sizes do not depend on the seed
    one_seed.seeds.resize(1);
    const Sweep cells = expand(std::move(one_seed), DataInventory{});
    for (const auto& recipe : cells.recipes) check_sizes(recipe.settings);
  }

  void check_sizes(const Settings& settings) {
    const auto& set = *find_dataset(settings.text("data.dataset"));
    const auto size = settings.integer("data.size");
    const auto held_out = settings.integer("data.validation_size");
    if (size + held_out > set.n_train || held_out >= set.n_train) {
      report_at(
          "data.size",
          fmt::format("data.size = {} and data.validation_size = {} need {} images, but {} has {} "
                      "training images",
                      size, held_out, size + held_out, set.name, set.n_train));
    }
    if (settings.integer("data.test_size") > set.n_test) {
      report_at("data.test_size",
                fmt::format("data.test_size = {}, but {} has {} test images",
                            settings.integer("data.test_size"), set.name, set.n_test));
    }
    for (const auto& entry : spec_.base.texts("data.ood")) {
      if (parse_ood_name(entry).set == set.name) {
        report_at("data.ood",
                  fmt::format("data.ood names '{}', which is the data set trained on", set.name));
      }
    }
    const auto batch = settings.integer("training.batch_size");
    if (settings.boolean("training.drop_last") && batch > resolved_train_size(settings)) {
      report_at("training.drop_last",
                fmt::format("training.drop_last with batch_size = {} leaves no batch of {} images",
                            batch, resolved_train_size(settings)));
    }
    if (settings.has("noise_warmup") &&
        settings.integer("noise_warmup.samples") < settings.integer("noise_warmup.batch_size")) {
      report_at("noise_warmup.samples",
                "noise_warmup.samples is less than one batch: no step would be done");
    }
  }

  void report_at(const std::string& path, std::string message) {
    if (const auto axis = axis_at_.find(path); axis != axis_at_.end()) {
      document_.report(axis->second, std::move(message));
    } else if (const auto base = given_at_.find(path); base != given_at_.end()) {
      document_.report(base->second, std::move(message));
    } else {
      document_.report(document_.root(), std::move(message));
    }
  }

  SpecDocument document_;
  Spec spec_;
  bool methods_broken_ = false;
  std::map<std::string, toml::source_region> given_at_, axis_at_, method_at_, method_setting_at_,
      ensemble_of_at_;
};

}  // namespace

std::string Diagnostic::str() const {
  if (line == 0) return fmt::format("{}: {}", file, message);
  return fmt::format("{}:{}:{}: {}", file, line, column, message);
}

std::variant<Spec, std::vector<Diagnostic>> parse_spec(std::string_view toml,
                                                       const std::string& file_name) {
  return SpecParser(toml, file_name).parse();
}

Spec load_spec(const std::filesystem::path& file) {
  auto parsed = parse_spec(read_file(file), file.string());
  if (auto* spec = std::get_if<Spec>(&parsed)) return std::move(*spec);
  const auto& mistakes = std::get<std::vector<Diagnostic>>(parsed);
  std::string text;
  for (const auto& mistake : mistakes) text += mistake.str() + "\n";
  text += fmt::format("{} mistake{} in {}", mistakes.size(), mistakes.size() == 1 ? "" : "s",
                      file.string());
  throw UsageError(text);
}

}  // namespace calsweep
