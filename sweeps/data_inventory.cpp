// Which data a sweep uses: resolved on this machine, stored with the run.
#include <fmt/core.h>

#include <nlohmann/json.hpp>
#include <set>

#include "sweeps/datasets.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/sweep.hpp"

namespace calsweep {
namespace {

// Every value the spec gives to one key: the base value and those of an axis over it.
std::vector<SettingValue> values_of(const Spec& spec, std::string_view path) {
  std::vector<SettingValue> values;
  for (const auto& axis : spec.axes) {
    for (std::size_t k = 0; k < axis.paths.size(); ++k) {
      if (axis.paths[k] != path) continue;
      for (const auto& point : axis.values) values.push_back(point[k]);
    }
  }
  if (values.empty()) values.push_back(spec.base.value(path));
  return values;
}

struct NeededSet {
  std::string name;
  bool optional = true;
  bool operator<(const NeededSet& other) const { return name < other.name; }
};

std::vector<NeededSet> needed_sets(const Spec& spec) {
  std::map<std::string, bool> optional;
  for (const auto& value : values_of(spec, "data.dataset")) {
    optional[std::get<std::string>(value)] = false;
  }
  for (const auto& value : values_of(spec, "data.ood")) {
    for (const auto& entry : std::get<std::vector<std::string>>(value)) {
      const OodName name = parse_ood_name(entry);
      const auto [at, is_new] = optional.emplace(name.set, name.optional);
      if (!is_new) at->second = at->second && name.optional;
    }
  }
  std::vector<NeededSet> sets;
  for (const auto& [name, is_optional] : optional) sets.push_back({name, is_optional});
  return sets;
}

void add_set(DataInventory& inventory, const std::string& name, const Spec& spec) {
  const auto folder = locate_dataset(name, spec.data_root);
  inventory.sets[name] = {name, folder, fingerprint_dataset(*find_dataset(name), folder)};
}

}  // namespace

DataInventory take_inventory(const Spec& spec) {
  DataInventory inventory;
  for (const auto& set : needed_sets(spec)) {
    if (set.optional && find_dataset_folder(set.name, spec.data_root).empty()) continue;
    add_set(inventory, set.name, spec);
  }
  return inventory;
}

DataInventory take_partial_inventory(const Spec& spec, std::vector<std::string>& missing) {
  DataInventory inventory;
  for (const auto& set : needed_sets(spec)) {
    if (set.optional && find_dataset_folder(set.name, spec.data_root).empty()) continue;
    try {
      add_set(inventory, set.name, spec);
    } catch (const IoError& error) {
      missing.emplace_back(error.what());
    }
  }
  return inventory;
}

std::vector<std::string> left_out_ood(const Spec& spec, const DataInventory& data) {
  std::vector<std::string> names;
  for (const auto& set : needed_sets(spec)) {
    if (set.optional && !data.sets.contains(set.name)) names.push_back(set.name);
  }
  return names;
}

std::string DataInventory::to_json() const {
  nlohmann::json json = nlohmann::json::object();
  for (const auto& [name, set] : sets) {
    json[name] = {{"folder", set.folder.string()}, {"fingerprint", set.fingerprint}};
  }
  return json.dump();
}

DataInventory DataInventory::from_json(std::string_view text) {
  DataInventory inventory;
  try {
    const auto object = nlohmann::json::parse(text);
    for (const auto& [name, json] : object.items()) {
      inventory.sets[name] = {name, json.at("folder").get<std::string>(),
                              json.at("fingerprint").get<std::string>()};
    }
  } catch (const nlohmann::json::exception& error) {
    throw FormatError(fmt::format("the data inventory (data.json) is damaged: {}; if the data are what they were, remove that "
                    "file: the next run writes it anew",
                    error.what()));
  }
  return inventory;
}

}  // namespace calsweep
