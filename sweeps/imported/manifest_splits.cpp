// The splits of a record: which file holds which set.
#include <fmt/format.h>

#include <algorithm>

#include "sweeps/imported/file_reference.hpp"
#include "sweeps/imported/manifest_parser.hpp"
#include "sweeps/odin_set.hpp"
#include "sweeps/spec_parser.hpp"

namespace calsweep::imported {
namespace {

constexpr std::string_view kExample =
    "[record.test] with outputs = \"probs.npy\" and labels = \"labels.npy\"";

bool takes_labels(std::string_view set) {
  return !set.starts_with("ood/") && !set.starts_with(kOdinPrefix);
}

}  // namespace

void ManifestParser::read_splits(const toml::table& table, Record& record) {
  if (!table.contains("test")) {
    document_.report(table, fmt::format("the record has no test split: add {}", kExample));
  }
  for (const char* set : {"test", "validation"}) {
    if (const auto* node = table.get(set)) read_split(*node, set, record);
  }
  if (const auto* ood = table.get("ood")) read_ood_splits(*ood, "", record);
  if (const auto* odin = table.get("odin")) read_odin(*odin, record);
  std::sort(record.splits.begin(), record.splits.end(),
            [](const auto& a, const auto& b) { return a.set < b.set; });
}

void ManifestParser::read_ood_splits(const toml::node& node, const std::string& prefix,
                                     Record& record) {
  const auto* sets = document_.table(node, "record.ood");
  if (sets == nullptr) return;
  for (const auto& [key, value] : in_file_order(*sets)) {
    const std::string name(key->str());
    if (!is_name(name)) {
      document_.report(key->source(), fmt::format("'{}' cannot name an out-of-distribution set: "
                                                  "use letters, digits, '-', '_', '.'",
                                                  name));
    }
    read_split(*value, prefix + "ood/" + name, record);
  }
}

// [[record.odin]]: one setting, and the logits of the perturbed inputs of some sets.
void ManifestParser::read_odin(const toml::node& node, Record& record) {
  if (record.outputs != Outputs::Logits) {
    document_.report(node,
                     "'record.odin' needs outputs = \"logits\": the score of ODIN divides "
                     "logits by a temperature");
    return;
  }
  const auto* list = node.as_array();
  if (list == nullptr) {
    if (const auto* table = document_.table(node, "record.odin")) read_odin_setting(*table, record);
    return;
  }
  for (const auto& item : *list) {
    if (const auto* table = document_.table(item, "record.odin")) read_odin_setting(*table, record);
  }
}

void ManifestParser::read_odin_setting(const toml::table& table, Record& record) {
  OdinSet setting{0.0, 0.0, "test"};
  const auto number = [&](const char* key, double& value) {
    const auto* node = table.get(key);
    if (node != nullptr) {
      value =
          document_.real(*node, fmt::format("record.odin.{}", key), 1e-300, 1e300).value_or(1.0);
      return;
    }
    value = 1.0;
    document_.report(table, fmt::format("'record.odin' lacks '{}', with which its logits were "
                                        "made, as in {} = {}",
                                        key, key, key[0] == 't' ? "1000" : "0.0014"));
  };
  number("temperature", setting.temperature);
  number("epsilon", setting.epsilon);
  const std::string name = to_string(setting);
  const std::string prefix = name.substr(0, name.size() - setting.of.size());
  const std::size_t first = record.splits.size();
  for (const auto& [key, node] : in_file_order(table)) {
    if (key->str() == "test" || key->str() == "validation") {
      read_split(*node, prefix + std::string(key->str()), record);
    } else if (key->str() == "ood") {
      read_ood_splits(*node, prefix, record);
    } else if (key->str() != "temperature" && key->str() != "epsilon") {
      document_.report_unknown(*key, "[[record.odin]]",
                               {"epsilon", "ood", "temperature", "test", "validation"});
    }
  }
  check_odin_splits(table, first, record);
}

// Rows of ODIN are those of another set of the record.
void ManifestParser::check_odin_splits(const toml::table& table, std::size_t first,
                                       const Record& record) {
  const auto has = [&](const std::string& set, std::size_t end) {
    return std::any_of(record.splits.begin(),
                       record.splits.begin() + static_cast<std::ptrdiff_t>(end),
                       [&](const auto& split) { return split.set == set; });
  };
  if (first == record.splits.size()) {
    document_.report(table,
                     "'record.odin' names no set: add test = \"odin.npy\" and the "
                     "out-of-distribution sets, as in ood.svhn = \"odin.svhn.npy\"");
  }
  for (std::size_t s = first; s < record.splits.size(); ++s) {
    const auto& set = record.splits[s].set;
    const std::string base = parse_odin_set(set)->of;
    if (has(set, s)) {
      document_.report(table, fmt::format("'{}' is given twice", set));
    } else if (!has(base, first)) {
      document_.report(table, fmt::format("ODIN logits of '{}', but the record has no such set: "
                                          "give its unperturbed outputs, too",
                                          base));
    }
  }
}

void ManifestParser::read_split(const toml::node& node, const std::string& set, Record& record) {
  Split split;
  split.set = set;
  if (!takes_labels(set) && node.is_string()) {  // ood.svhn = "svhn.npy"
    split.source = node.as_string()->get();
    check_source(node, split.source, set + " outputs");
  } else if (const auto* table = node.as_table()) {
    read_split_table(*table, split);
  } else {
    document_.report(node, fmt::format("'record.{}' must be a table, as in {}, not {}", set,
                                       kExample, kind_of(node)));
  }
  record.splits.push_back(std::move(split));
}

void ManifestParser::read_split_table(const toml::table& table, Split& split) {
  const bool labelled = takes_labels(split.set);
  for (const auto& [key, node] : in_file_order(table)) {
    if (key->str() == "outputs") {
      split.source = document_.text(*node, split.set + ".outputs").value_or("x.npy");
      check_source(*node, split.source, split.set + ".outputs");
    } else if (key->str() == "labels" && !labelled) {
      document_.report(key->source(),
                       split.set.starts_with(kOdinPrefix)
                           ? fmt::format("'{}' takes no labels: they are those of the set that was "
                                         "perturbed",
                                         split.set)
                           : fmt::format("'{}' is out of distribution: its inputs belong to no "
                                         "class, so it takes no labels",
                                         split.set));
    } else if (key->str() == "labels") {
      split.labels = document_.text(*node, split.set + ".labels").value_or("x.npy");
      check_source(*node, split.labels, split.set + ".labels");
    } else if (key->str() == "header") {
      if (node->is_boolean())
        split.header = node->as_boolean()->get();
      else
        document_.report(*node, "'header' must be true or false");
    } else {
      document_.report_unknown(*key, fmt::format("the split '{}'", split.set),
                               {"header", "labels", "outputs"});
    }
  }
  const auto lacks = [&](const char* what) {
    document_.report(table, fmt::format("the split '{}' lacks '{}': a file, as in {} = \"{}.npy\"",
                                        split.set, what, what, what));
  };
  if (!table.contains("outputs")) lacks("outputs");
  if (labelled && !table.contains("labels")) lacks("labels");
}

void ManifestParser::check_source(const toml::node& node, const std::string& source,
                                  const std::string& what) {
  if (source == "logits" || source == "probabilities") {
    document_.report(node, fmt::format("'{}' is the file of the numbers; what they are is said "
                                       "above it, in the record: outputs = \"{}\"",
                                       what, source));
    return;
  }
  const auto problem = problem_of_reference(source);
  if (!problem.empty()) document_.report(node, fmt::format("'{}': {}", what, problem));
}

}  // namespace calsweep::imported
