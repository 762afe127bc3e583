// Entry points and top level of a manifest.
#include "sweeps/imported/manifest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "sweeps/analysis_options.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/imported/manifest_parser.hpp"
#include "sweeps/run_directory.hpp"
#include "sweeps/spec_parser.hpp"

namespace calsweep::imported {

std::string Record::key(const std::vector<std::string>& axes) const {
  std::string text = "method=" + method;
  for (std::size_t a = 0; a < axes.size(); ++a) {
    text += fmt::format("|{}={}", axes[a], canonical_text(cell[a]));
  }
  return text + fmt::format("|seed={}", seed);
}

ManifestParser::ManifestParser(std::string_view text, const std::string& file)
    : document_(text, file) {
  manifest_.spec.source_text = std::string(text);
}

std::variant<Manifest, std::vector<Diagnostic>> ManifestParser::parse() {
  if (document_.parsed()) read_top_level();
  auto diagnostics = document_.diagnostics();
  if (!diagnostics.empty()) return diagnostics;
  return std::move(manifest_);
}

void ManifestParser::read_top_level() {
  if (document_.root().contains("methods")) {
    document_.report(document_.root(),
                     "this is the spec of a sweep, to be trained by `calsweep run`; "
                     "a manifest has [[record]] tables (docs/import.md)");
    return;
  }
  static const Names kNames = {"name",      "description", "folder",   "outputs",
                               "tolerance", "record",      "ensemble", "analysis"};
  for (const auto& [key, node] : in_file_order(document_.root())) {
    if (std::find(kNames.begin(), kNames.end(), key->str()) == kNames.end()) {
      document_.report_unknown(*key, "the manifest", kNames);
    }
  }
  read_name();
  const auto text = [&](std::string_view name, std::string& target) {
    if (const auto* node = root_node(name)) target = document_.text(*node, name).value_or("");
  };
  text("description", manifest_.spec.description);
  text("folder", manifest_.folder);
  if (const auto* node = root_node("outputs")) default_outputs_ = read_outputs(*node, "outputs");
  if (const auto* node = root_node("tolerance")) {
    default_tolerance_ = document_.real(*node, "tolerance", 0.0, 0.01).value_or(0.0);
  }
  read_each("record", [this](const toml::table& table) { read_record(table); });
  if (manifest_.records.empty() && document_.diagnostics().empty()) {
    document_.report(document_.root(),
                     "there is no [[record]]: nothing to import (to train a sweep: calsweep run)");
  }
  check_axis_types();
  read_each("ensemble", [this](const toml::table& table) { read_ensemble(table); });
  read_analysis();
  std::set<std::int64_t> seeds;
  for (const auto& record : manifest_.records) seeds.insert(record.seed);
  manifest_.spec.seeds.assign(seeds.begin(), seeds.end());
}

void ManifestParser::read_name() {
  const auto* node = root_node("name");
  if (node == nullptr) {
    document_.report(document_.root(),
                     "'name' is missing: give the import a name, as in name = \"two-classifiers\"");
    return;
  }
  manifest_.spec.name = document_.text(*node, "name").value_or("x");
  if (is_name(manifest_.spec.name)) return;
  document_.report(*node,
                   fmt::format("name = \"{}\" cannot name a directory: use up to 64 letters, "
                               "digits, '-', '_' and '.', not starting with '-' or '.'",
                               manifest_.spec.name));
}

void ManifestParser::read_analysis() {
  auto& spec = manifest_.spec;
  if (const auto* node = root_node("analysis")) {
    spec.analysis = read_analysis_options(document_, *node, method_names());
  }
  if (spec.analysis.reference.empty() && !spec.methods.empty()) {
    spec.analysis.reference = spec.methods.front().name;
  }
}

Names ManifestParser::method_names() const {
  Names names;
  for (const auto& method : manifest_.spec.methods) names.push_back(method.name);
  return names;
}

bool is_manifest(std::string_view toml) {
  const SpecDocument document(toml, "");
  return document.parsed() && document.root().contains("record");
}

std::variant<Manifest, std::vector<Diagnostic>> parse_manifest(std::string_view toml,
                                                               const std::string& file_name) {
  return ManifestParser(toml, file_name).parse();
}

Manifest load_manifest(const std::filesystem::path& file) {
  auto parsed = parse_manifest(read_file(file), file.string());
  if (auto* manifest = std::get_if<Manifest>(&parsed)) return std::move(*manifest);
  throw_mistakes(std::get<std::vector<Diagnostic>>(parsed), file.string());
}

}  // namespace calsweep::imported
