// The methods of a spec: ingredients, overrides, ensembles.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "sweeps/nearest_name.hpp"
#include "sweeps/spec_parser.hpp"

namespace calsweep {

void SpecParser::read_methods() {
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
    const auto* method = document_.table(*value, "methods." + name);
    if (method != nullptr) spec_.methods.push_back(read_method(name, *method));
  }
  if (table->empty()) document_.report(*node, "'methods' is empty: declare at least one method");
}

Method SpecParser::read_method(const std::string& name, const toml::table& table) {
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

void SpecParser::add_settings(Method& method, const toml::node& node, const std::string& section,
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
void SpecParser::read_ingredient(Method& method, const toml::node& node, const std::string& name,
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

std::optional<EnsembleRecipe> SpecParser::read_ensemble(const toml::node& node,
                                                        const std::string& method) {
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

void SpecParser::read_members(const toml::node& node, const std::string& where,
                              EnsembleRecipe& recipe) {
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
  document_.report(node, fmt::format("'{}.members' cannot be \"{}\"; {}possible: {}", where, *text,
                                     did_you_mean(nearest, '"'), fmt::join(names, ", ")));
}

void SpecParser::check_methods() {
  for (const auto& method : spec_.methods) {
    if (!method.ensemble || method.ensemble->of.empty()) continue;
    const auto& where = ensemble_of_at_.at(method.name);
    const auto base = std::find_if(spec_.methods.begin(), spec_.methods.end(),
                                   [&](const auto& m) { return m.name == method.ensemble->of; });
    if (base == spec_.methods.end()) {
      const std::string nearest = nearest_name(method.ensemble->of, method_names());
      document_.report(where,
                       fmt::format("'methods.{}.ensemble.of' names no method: \"{}\"; {}"
                                   "methods: {}",
                                   method.name, method.ensemble->of, did_you_mean(nearest, '"'),
                                   fmt::join(method_names(), ", ")));
    } else if (base->ensemble) {
      document_.report(where, fmt::format("'methods.{}' would be an ensemble of the ensemble '{}': "
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
                      method.name, method.ensemble->size, method.ensemble->of, spec_.seeds.size()));
    }
  }
}

}  // namespace calsweep
