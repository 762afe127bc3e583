// Parses a spec: TOML in, a checked Spec or every mistake out.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "sweeps/analysis_options.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/imported/manifest.hpp"
#include "sweeps/nearest_name.hpp"
#include "sweeps/run_directory.hpp"
#include "sweeps/spec_parser.hpp"

namespace calsweep {
namespace {

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

}  // namespace

Names to_names(std::span<const std::string_view> names) { return {names.begin(), names.end()}; }

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 64 && text.front() != '-' && text.front() != '.' &&
         text.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
             std::string_view::npos;
}

SpecParser::SpecParser(std::string_view text, const std::string& file) : document_(text, file) {
  spec_.source_text = std::string(text);
}

std::variant<Spec, std::vector<Diagnostic>> SpecParser::parse() {
  if (document_.parsed()) {
    read_top_level();
    check_methods();
    check_grid();
    if (document_.diagnostics().empty()) check_cells();
  }
  auto diagnostics = document_.diagnostics();
  if (!diagnostics.empty()) return diagnostics;
  return std::move(spec_);
}

void SpecParser::read_top_level() {
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

void SpecParser::read_name() {
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

void SpecParser::read_optional_text(std::string_view name, std::string& target) {
  if (const auto* node = root_node(name)) target = document_.text(*node, name).value_or("");
}

void SpecParser::read_seeds() {
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
  if (!node->is_integer()) {
    document_.report(*node, fmt::format("'seeds' must be an integer (their number) or a list of "
                                        "integers, not {}",
                                        kind_of(*node)));
    return;
  }
  const auto count = document_.integer(*node, "seeds", 1, 1'000'000);
  for (std::int64_t seed = 0; seed < count.value_or(0); ++seed) spec_.seeds.push_back(seed);
}

void SpecParser::read_section(std::string_view section) {
  const auto* node = root_node(section);
  if (node == nullptr) return;
  const auto* table = document_.table(*node, section);
  if (table == nullptr) return;
  for (const auto& [path, value] : read_settings(*table, section, fmt::format("[{}]", section))) {
    spec_.base.set(path, value);
  }
}

// The entries of one section's table, checked. Remembers where each key was given.
std::vector<std::pair<std::string, SettingValue>> SpecParser::read_settings(
    const toml::table& table, std::string_view section, const std::string& where) {
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

void SpecParser::check_ood(const toml::node& node, const std::vector<std::string>& entries) {
  Names known;
  for (const auto& set : known_datasets()) known.emplace_back(set.name);
  std::set<std::string> seen;
  for (const auto& entry : entries) {
    const OodName name = parse_ood_name(entry);
    if (find_dataset(name.set) == nullptr) {
      const std::string nearest = nearest_name(name.set, known);
      document_.report(node, fmt::format("'data.ood' names the unknown data set '{}'; {}known: {}",
                                         name.set, did_you_mean(nearest), fmt::join(known, ", ")));
    } else if (!seen.insert(name.str()).second) {
      document_.report(node, fmt::format("'data.ood' names '{}' twice", name.str()));
    }
  }
}

void SpecParser::read_execution() {
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
    } else if (name == "checkpoint_seconds") {
      e.checkpoint_seconds =
          document_.real(*value, "execution.checkpoint_seconds", 0.1, 86400).value_or(60);
    } else if (name == "threads") {
      e.threads = document_.integer(*value, "execution.threads", 1, 1024).value_or(1);
    } else {
      document_.report_unknown(*key, "[execution]",
                               {"checkpoint_seconds", "fuse", "heartbeat_seconds", "max_attempts",
                                "threads", "unit_seconds"});
    }
  }
}

void SpecParser::read_analysis() {
  if (const auto* node = root_node("analysis")) {
    spec_.analysis = read_analysis_options(document_, *node, method_names());
  }
  auto& reference = spec_.analysis.reference;
  if (reference.empty() && !spec_.methods.empty()) reference = spec_.methods.front().name;
}

Names SpecParser::method_names() const {
  Names names;  // as declared, also those with mistakes in them
  for (const auto& [name, where] : method_at_) names.push_back(name);
  return names;
}

std::string Diagnostic::str() const {
  if (line == 0) return fmt::format("{}: {}", file, message);
  return fmt::format("{}:{}:{}: {}", file, line, column, message);
}

std::variant<Spec, std::vector<Diagnostic>> parse_spec(std::string_view toml,
                                                       const std::string& file_name) {
  return SpecParser(toml, file_name).parse();
}

Spec load_spec(const std::filesystem::path& file) {
  const std::string text_of_file = read_file(file);
  if (imported::is_manifest(text_of_file)) {
    throw UsageError(
        fmt::format("{} declares [[record]]s of networks that were trained elsewhere: there is "
                    "nothing to plan or to train; `calsweep import` reads it, `calsweep analyze` "
                    "goes on from there",
                    file.string()));
  }
  auto parsed = parse_spec(text_of_file, file.string());
  if (auto* spec = std::get_if<Spec>(&parsed)) return std::move(*spec);
  throw_mistakes(std::get<std::vector<Diagnostic>>(parsed), file.string());
}

}  // namespace calsweep
