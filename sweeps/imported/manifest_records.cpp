// The [[record]] tables of a manifest.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <set>

#include "sweeps/axis_names.hpp"
#include "sweeps/imported/manifest_parser.hpp"
#include "sweeps/spec_parser.hpp"

namespace calsweep::imported {
namespace {

// An axis becomes a column of results.db.
bool is_axis_name(std::string_view text) {
  return !text.empty() && text.size() <= 64 && !(text.front() >= '0' && text.front() <= '9') &&
         text.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
             std::string_view::npos;
}

std::string lower_case(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::string kind_of_value(const SettingValue& value) {
  static constexpr const char* kKinds[] = {"true/false", "integers", "numbers", "texts", "lists"};
  return kKinds[value.index()];
}

}  // namespace

void ManifestParser::read_record(const toml::table& table) {
  const std::size_t mistakes = document_.diagnostics().size();
  Record record;
  record.line = static_cast<std::uint32_t>(table.source().begin.line);
  record.tolerance = default_tolerance_;
  static const Names kKeys = {"method",    "seed", "seeds",      "cell", "outputs",
                              "tolerance", "test", "validation", "ood",  "odin"};
  for (const auto& [key, node] : in_file_order(table)) {
    if (std::find(kKeys.begin(), kKeys.end(), key->str()) == kKeys.end()) {
      document_.report_unknown(*key, "[[record]]", kKeys);
    }
  }
  read_method(table, record);
  auto outputs = default_outputs_;
  if (const auto* node = table.get("outputs")) outputs = read_outputs(*node, "record.outputs");
  if (!outputs && !table.contains("outputs")) {
    document_.report(table,
                     "the record does not say what its numbers are: outputs = \"logits\" or "
                     "outputs = \"probabilities\" (calsweep never guesses)");
  }
  record.outputs = outputs.value_or(Outputs::Logits);
  if (const auto* node = table.get("tolerance")) {
    record.tolerance = document_.real(*node, "record.tolerance", 0.0, 0.01).value_or(0.0);
  }
  const auto seeds = read_seeds(table);
  read_cell(table, record);
  read_splits(table, record);
  if (document_.diagnostics().size() == mistakes) add_records(record, seeds, table);
}

void ManifestParser::read_method(const toml::table& table, Record& record) {
  const auto* node = table.get("method");
  if (node == nullptr) {
    document_.report(table, "the record lacks 'method': which model or method made its outputs");
    return;
  }
  record.method = document_.text(*node, "record.method").value_or("x");
  if (!is_name(record.method)) {
    document_.report(*node, fmt::format("'{}' cannot name a method: use letters, digits, '-', '_', "
                                        "'.'",
                                        record.method));
  }
}

std::optional<Outputs> ManifestParser::read_outputs(const toml::node& node,
                                                    std::string_view where) {
  const auto text = document_.text(node, where);
  if (!text) return {};
  for (const auto outputs : {Outputs::Logits, Outputs::Probabilities}) {
    if (to_string(outputs) == *text) return outputs;
  }
  const auto nearest = nearest_name(*text, {"logits", "probabilities"});
  document_.report(node, fmt::format("'{}' cannot be \"{}\"; {}possible: logits, probabilities",
                                     where, *text, did_you_mean(nearest, '"')));
  return {};
}

std::vector<std::int64_t> ManifestParser::read_seeds(const toml::table& table) {
  const auto* one = table.get("seed");
  const auto* many = table.get("seeds");
  if (one != nullptr && many != nullptr) {
    document_.report(*many, "the record has both 'seed' and 'seeds': give one of them");
  }
  if (one != nullptr) return {document_.integer(*one, "record.seed", 0, INT64_MAX).value_or(0)};
  if (many == nullptr) return {0};
  return read_seed_list(*many);
}

std::vector<std::int64_t> ManifestParser::read_seed_list(const toml::node& node) {
  std::vector<std::int64_t> seeds;
  if (const auto* list = node.as_array(); list != nullptr && !list->empty()) {
    for (const auto& item : *list) {
      if (const auto seed = document_.integer(item, "record.seeds", 0, INT64_MAX)) {
        seeds.push_back(*seed);
      }
    }
  } else if (const auto n = document_.integer(node, "record.seeds", 1, 1'000'000)) {
    for (std::int64_t seed = 0; seed < *n; ++seed) seeds.push_back(seed);
  }
  return seeds;
}

// The first record says which axes there are, in its order.
void ManifestParser::adopt_axes(const toml::table& cell) {
  for (const auto& [key, node] : in_file_order(cell)) {
    const std::string name(key->str());
    if (!is_axis_name(name)) {
      document_.report(key->source(), fmt::format("'{}' cannot be an axis, which becomes a column: "
                                                  "use letters, digits and '_', not beginning with "
                                                  "a digit",
                                                  name));
    } else if (reserved_axis_names().contains(lower_case(name)) ||
               std::any_of(manifest_.axes.begin(), manifest_.axes.end(), [&](const auto& other) {
                 return lower_case(other) == lower_case(name);
               })) {
      document_.report(key->source(),
                       fmt::format("'{}' cannot be an axis: results.db has another column of that "
                                   "name (upper and lower case are one)",
                                   name));
    }
    manifest_.axes.push_back(name);
  }
}

void ManifestParser::read_cell(const toml::table& table, Record& record) {
  static const toml::table kNone;
  const auto* node = table.get("cell");
  const auto* cell = node == nullptr ? &kNone : document_.table(*node, "record.cell");
  if (cell == nullptr) return;
  if (!axes_are_known_) adopt_axes(*cell);
  axes_are_known_ = true;
  for (const auto& axis : manifest_.axes) {
    const auto* value = cell->get(axis);
    if (value == nullptr) {
      document_.report(table, fmt::format("the record's cell lacks '{}': all records have the axes "
                                          "of the first ({})",
                                          axis, fmt::join(manifest_.axes, ", ")));
      continue;
    }
    if (auto point = coordinate(*value, axis)) record.cell.push_back(std::move(*point));
  }
  for (const auto& [key, value] : in_file_order(*cell)) {
    const auto& axes = manifest_.axes;
    if (std::find(axes.begin(), axes.end(), key->str()) != axes.end()) continue;
    document_.report(
        key->source(),
        fmt::format("the axis '{}' is not one of the first record, which has {}", key->str(),
                    axes.empty() ? "none" : fmt::format("{}", fmt::join(axes, ", "))));
  }
}

std::optional<SettingValue> ManifestParser::coordinate(const toml::node& node,
                                                       const std::string& axis) {
  if (node.is_boolean()) return node.as_boolean()->get();
  if (node.is_integer()) return node.as_integer()->get();
  if (node.is_string()) return node.as_string()->get();
  if (node.is_floating_point()) {
    return document_.real(node, "record.cell." + axis, -1e300, 1e300);
  }
  document_.report(node, fmt::format("'record.cell.{}' is {}: a coordinate is a text, a number or "
                                     "true/false",
                                     axis, kind_of(node)));
  return {};
}

void ManifestParser::add_records(const Record& declared, const std::vector<std::int64_t>& seeds,
                                 const toml::table& table) {
  const std::size_t mistakes = document_.diagnostics().size();
  for (const auto seed : seeds) {
    Record record = declared;
    record.seed = seed;
    for (auto& split : record.splits) {
      const bool shared = seeds.size() > 1 && split.source.find("{seed}") == std::string::npos;
      if (shared) {
        document_.report(table, fmt::format("the outputs of '{}' would be the same for all {} "
                                            "seeds: write {{seed}} into the name of the file",
                                            split.set, seeds.size()));
      }
      split.source = filled_in(split.source, record, table);
      split.labels = filled_in(split.labels, record, table);
    }
    const auto [at, is_new] = line_of_key_.emplace(record.key(manifest_.axes), record.line);
    if (!is_new) {
      document_.report(table,
                       fmt::format("the record of line {} has the same method, cell and seed "
                                   "({}): give the second another seed",
                                   at->second, seed));
    }
    if (document_.diagnostics().size() > mistakes) return;
    manifest_.records.push_back(std::move(record));
  }
  const Names names = method_names();
  if (std::find(names.begin(), names.end(), declared.method) != names.end()) return;
  manifest_.spec.methods.push_back({});
  manifest_.spec.methods.back().name = declared.method;
}

// {seed}, {method} and {AXIS} in names of files.
std::string ManifestParser::filled_in(const std::string& source, const Record& record,
                                      const toml::table& table) {
  std::string text;
  std::size_t at = 0;
  for (std::size_t open; (open = source.find('{', at)) != std::string::npos;) {
    const auto close = source.find('}', open);
    if (close == std::string::npos) break;
    const std::string name = source.substr(open + 1, close - open - 1);
    const auto axis = std::find(manifest_.axes.begin(), manifest_.axes.end(), name);
    text += source.substr(at, open - at);
    if (name == "seed") {
      text += std::to_string(record.seed);
    } else if (name == "method") {
      text += record.method;
    } else if (axis != manifest_.axes.end()) {
      text += display_text(record.cell[static_cast<std::size_t>(axis - manifest_.axes.begin())]);
    } else {
      document_.report(table, fmt::format("'{{{}}}' in \"{}\" stands for nothing: {{seed}}, "
                                          "{{method}} and the axes can be filled in",
                                          name, source));
    }
    at = close + 1;
  }
  return text + source.substr(at);
}

// An axis is a column: one type. Integers among reals become reals.
void ManifestParser::check_axis_types() {
  for (std::size_t a = 0; a < manifest_.axes.size(); ++a) {
    std::set<std::size_t> kinds;
    for (const auto& record : manifest_.records) kinds.insert(record.cell[a].index());
    if (kinds.size() < 2) continue;
    const std::set<std::size_t> numbers = {SettingValue(std::int64_t{}).index(),
                                           SettingValue(double{}).index()};
    for (auto& record : manifest_.records) {
      auto& value = record.cell[a];
      if (kinds == numbers) {
        if (const auto* integer = std::get_if<std::int64_t>(&value)) {
          value = static_cast<double>(*integer);
        }
      } else if (value.index() != manifest_.records.front().cell[a].index()) {
        document_.report({{record.line, 1}, {record.line, 1}, nullptr},
                         fmt::format("the axis '{}' is of {} here and of {} in the first record",
                                     manifest_.axes[a], kind_of_value(value),
                                     kind_of_value(manifest_.records.front().cell[a])));
      }
    }
  }
}

}  // namespace calsweep::imported
