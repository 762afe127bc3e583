// The [[ensemble]] tables of a manifest: which imported networks are pooled.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "sweeps/imported/manifest_parser.hpp"
#include "sweeps/spec_parser.hpp"

namespace calsweep::imported {

void ManifestParser::read_ensemble(const toml::table& table) {
  Method method;
  EnsembleRecipe recipe;
  recipe.size = 0;
  recipe.members = EnsembleMembers::DisjointSeeds;
  for (const auto& [key, node] : in_file_order(table)) {
    if (key->str() == "name") {
      method.name = document_.text(*node, "ensemble.name").value_or("");
    } else if (key->str() == "of") {
      recipe.of = document_.text(*node, "ensemble.of").value_or("");
    } else if (key->str() == "size") {
      recipe.size = document_.integer(*node, "ensemble.size", 2, 1000).value_or(2);
    } else if (key->str() == "members") {
      read_members(*node, recipe);
    } else {
      document_.report_unknown(*key, "[[ensemble]]", {"members", "name", "of", "size"});
    }
  }
  for (const char* needed : {"name", "of", "size"}) {
    if (!table.contains(needed)) {
      document_.report(table, fmt::format("[[ensemble]] lacks '{}'; an example: name = \"pooled\", "
                                          "of = \"wideresnet\", size = 5",
                                          needed));
      return;
    }
  }
  method.ensemble = std::move(recipe);
  check_ensemble(method, table);
  manifest_.spec.methods.push_back(std::move(method));
}

void ManifestParser::read_members(const toml::node& node, EnsembleRecipe& recipe) {
  const auto text = document_.text(node, "ensemble.members");
  if (!text) return;
  for (const auto members : {EnsembleMembers::DisjointSeeds, EnsembleMembers::CyclicSeeds}) {
    if (to_string(members) == *text) {
      recipe.members = members;
      return;
    }
  }
  document_.report(node, fmt::format("'ensemble.members' cannot be \"{}\": imported networks are "
                                     "pooled by their seeds; possible: disjoint-seeds (no network "
                                     "used twice), cyclic-seeds",
                                     *text));
}

void ManifestParser::check_ensemble(const Method& method, const toml::table& table) {
  const Names names = method_names();
  const auto is_method = [&](const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  if (!is_name(method.name)) {
    document_.report(table, fmt::format("'{}' cannot name an ensemble: use letters, digits, '-', "
                                        "'_', '.'",
                                        method.name));
  } else if (is_method(method.name)) {
    document_.report(table, fmt::format("'{}' is already the name of a method", method.name));
  }
  std::map<std::vector<SettingValue>, std::int64_t> n_by_cell;
  for (const auto& record : manifest_.records) {
    if (record.method == method.ensemble->of) ++n_by_cell[record.cell];
  }
  if (n_by_cell.empty()) {
    const auto nearest = nearest_name(method.ensemble->of, names);
    document_.report(table, fmt::format("'ensemble.of' names no imported method: \"{}\"; {}methods "
                                        "of the records: {}",
                                        method.ensemble->of, did_you_mean(nearest, '"'),
                                        fmt::join(names, ", ")));
  }
  for (const auto& [cell, n] : n_by_cell) {
    if (n >= method.ensemble->size) continue;
    std::vector<std::string> at;
    for (std::size_t a = 0; a < cell.size(); ++a) {
      at.push_back(manifest_.axes[a] + " = " + display_text(cell[a]));
    }
    document_.report(
        table, fmt::format("the ensemble '{}' takes {} networks of '{}', but there are only {}{}{}",
                           method.name, method.ensemble->size, method.ensemble->of, n,
                           cell.empty() ? "" : " at ", fmt::join(at, ", ")));
  }
}

}  // namespace calsweep::imported
