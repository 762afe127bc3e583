// The grid of a spec: axes, zipped axes, exclusions, and the limits that depend on several keys.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "sweeps/cost.hpp"
#include "sweeps/nearest_name.hpp"
#include "sweeps/spec_parser.hpp"

namespace calsweep {
namespace {

constexpr double kMostReplicates = 1e7;

Names all_paths() {
  Names names;
  for (const auto& key : setting_keys()) names.emplace_back(key.path);
  return names;
}

}  // namespace

void SpecParser::read_grid() {
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
    read_each_table(*exclude, "grid.exclude", [this](const toml::table& t) { read_exclusion(t); });
  }
}

// Leaves of nested tables are axes: `model.depth = […]` and `"model.depth" = […]` are the same.
void SpecParser::read_axes(const toml::key& key, const toml::node& node, const std::string& path) {
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

std::vector<SettingValue> SpecParser::read_axis_values(const toml::key& key, const toml::node& node,
                                                       const std::string& path) {
  const int index = find_setting(path);
  if (index < 0) {
    const std::string nearest = nearest_name(path, all_paths());
    document_.report(key.source(), fmt::format("'{}' is no setting, so it cannot be an axis; {}see "
                                               "docs/spec-reference.md for all",
                                               path, did_you_mean(nearest)));
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

std::vector<SettingValue> SpecParser::checked_axis_values(const toml::array& list,
                                                          const SettingKey& key) {
  std::vector<SettingValue> values;
  for (const auto& item : list) {
    auto value = document_.setting_value(item, key);
    if (!value) continue;
    if (key.path == "data.ood") check_ood(item, std::get<std::vector<std::string>>(*value));
    if (std::find(values.begin(), values.end(), *value) != values.end()) {
      document_.report(item,
                       fmt::format("the axis '{}' lists {} twice", key.path, display_text(*value)));
    }
    values.push_back(std::move(*value));
  }
  return values;
}

void SpecParser::read_zip(const toml::table& table) {
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

void SpecParser::read_zip_columns(const toml::table& table, const std::string& prefix,
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

std::vector<SettingValue> SpecParser::read_zip_values(const toml::key& key, const toml::node& node,
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

void SpecParser::read_exclusion(const toml::table& table) {
  Exclusion exclusion;
  read_conditions(table, "", exclusion);
  if (!exclusion.matches.empty()) {
    spec_.exclusions.push_back(std::move(exclusion));
  } else if (table.empty()) {
    document_.report(table, "an empty exclusion would exclude everything: name axes and values");
  }
}

void SpecParser::read_conditions(const toml::table& table, const std::string& prefix,
                                 Exclusion& exclusion) {
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

std::vector<SettingValue> SpecParser::read_condition_values(const toml::key& key,
                                                            const toml::node& node,
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

std::optional<SettingValue> SpecParser::condition_value(const toml::node& node,
                                                        const std::string& path) {
  if (path == "method") return document_.text(node, "grid.exclude.method");
  return document_.setting_value(node,
                                 setting_keys()[static_cast<std::size_t>(find_setting(path))]);
}

std::vector<SettingValue> SpecParser::values_on_axis(const std::string& path) const {
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

void SpecParser::check_grid() {
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
void SpecParser::check_axis(const std::string& path, const toml::source_region& where) {
  const auto& key = setting_keys()[static_cast<std::size_t>(find_setting(path))];
  bool used = key.ingredient.empty();
  for (const auto& method : spec_.methods) {
    const auto& on = method.ingredients;
    used = used || std::find(on.begin(), on.end(), key.ingredient) != on.end();
    if (const auto at = method_setting_at_.find(method.name + " " + path);
        at != method_setting_at_.end()) {
      document_.report(
          at->second, fmt::format("'{}' is an axis (line {}), so the method '{}' cannot set it too",
                                  path, where.begin.line, method.name));
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

bool SpecParser::set_by_method(const std::string& path) const {
  return std::any_of(method_setting_at_.begin(), method_setting_at_.end(),
                     [&](const auto& entry) { return entry.first.ends_with(" " + path); });
}

void SpecParser::check_cells() {
  Spec one_seed = spec_;  // sizes do not depend on the seed
  one_seed.seeds.resize(1);
  DataInventory everything;  // so that optional OOD sets are looked at too
  for (const auto& set : known_datasets()) everything.sets[std::string(set.name)] = {};
  const Sweep cells = expand(std::move(one_seed), std::move(everything));
  if (cells.cells.empty()) {
    document_.report(document_.root(),
                     "the exclusions of [[grid.exclude]] leave no cell: nothing would be trained");
  }
  for (const auto& recipe : cells.recipes) check_sizes(recipe.settings);
}

void SpecParser::check_sizes(const Settings& settings) {
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
  for (const auto& entry : settings.texts("data.ood")) {
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

void SpecParser::report_at(const std::string& path, std::string message) {
  if (const auto axis = axis_at_.find(path); axis != axis_at_.end()) {
    document_.report(axis->second, std::move(message));
  } else if (const auto base = given_at_.find(path); base != given_at_.end()) {
    document_.report(base->second, std::move(message));
  } else {
    document_.report(document_.root(), std::move(message));
  }
}

}  // namespace calsweep
