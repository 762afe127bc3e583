#include "sweeps/settings.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "sweeps/errors.hpp"
#include "sweeps/json_integer.hpp"

namespace calsweep {
namespace {

std::string shortest(double value) {
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return {buffer, end};
}

std::string json_text(const std::string& text) { return nlohmann::json(text).dump(); }

std::size_t index_of(std::string_view path) {
  const int index = find_setting(path);
  CALSWEEP_CHECK(index >= 0, fmt::format("there is no setting '{}'", path));
  return static_cast<std::size_t>(index);
}

std::size_t ingredient_index(std::string_view name) {
  const auto names = ingredient_names();
  const auto at = std::find(names.begin(), names.end(), name);
  CALSWEEP_CHECK(at != names.end(), fmt::format("there is no ingredient '{}'", name));
  return static_cast<std::size_t>(at - names.begin());
}

SettingValue value_from_json(const nlohmann::json& json, const SettingKey& key) {
  switch (key.type) {
    case SettingType::Boolean:
      return json.get<bool>();
    case SettingType::Integer:
      return integer_from<std::int64_t>(json, std::string(key.path).c_str());
    case SettingType::Real:
      return json.get<double>();
    case SettingType::Text:
      return json.get<std::string>();
    case SettingType::TextList:
      return json.get<std::vector<std::string>>();
  }
  return {};
}

}  // namespace

int find_setting(std::string_view path) {
  const auto keys = setting_keys();
  const auto at = std::lower_bound(keys.begin(), keys.end(), path,
                                   [](const SettingKey& key, auto p) { return key.path < p; });
  return at != keys.end() && at->path == path ? static_cast<int>(at - keys.begin()) : -1;
}

std::string canonical_text(const SettingValue& value) {
  struct Visitor {
    std::string operator()(bool v) const { return v ? "true" : "false"; }
    std::string operator()(std::int64_t v) const { return std::to_string(v); }
    std::string operator()(double v) const {
      std::string text = shortest(v);
      if (text.find_first_of(".en") == std::string::npos) text += ".0";
      return text;
    }
    std::string operator()(const std::string& v) const { return json_text(v); }
    std::string operator()(const std::vector<std::string>& v) const {
      std::string text = "[";
      for (const auto& item : v) text += (text.size() > 1 ? "," : "") + json_text(item);
      return text + "]";
    }
  };
  return std::visit(Visitor{}, value);
}

std::string display_text(const SettingValue& value) {
  struct Visitor {
    std::string operator()(bool v) const { return v ? "true" : "false"; }
    std::string operator()(std::int64_t v) const { return std::to_string(v); }
    std::string operator()(double v) const { return shortest(v); }
    std::string operator()(const std::string& v) const { return v; }
    std::string operator()(const std::vector<std::string>& v) const {
      std::string text;
      for (const auto& item : v) text += (text.empty() ? "" : "+") + item;
      return text.empty() ? "none" : text;
    }
  };
  return std::visit(Visitor{}, value);
}

Settings::Settings() : ingredients_(ingredient_names().size(), false) {
  const auto keys = setting_keys();
  values_.reserve(keys.size());
  for (const auto& key : keys) values_.push_back(key.default_value);
}

void Settings::set(std::string_view path, SettingValue value) {
  const std::size_t index = index_of(path);
  if (setting_keys()[index].type == SettingType::Real) {
    if (const auto* whole = std::get_if<std::int64_t>(&value)) {
      value = static_cast<double>(*whole);
    }
  }
  CALSWEEP_CHECK(value.index() == values_[index].index(),
                 fmt::format("setting '{}' got a value of another type", path));
  values_[index] = std::move(value);
}

void Settings::turn_on(std::string_view ingredient) {
  ingredients_[ingredient_index(ingredient)] = true;
}
bool Settings::has(std::string_view ingredient) const {
  return ingredients_[ingredient_index(ingredient)];
}

const SettingValue& Settings::value(std::string_view path) const { return values_[index_of(path)]; }
bool Settings::boolean(std::string_view path) const { return std::get<bool>(value(path)); }
std::int64_t Settings::integer(std::string_view path) const {
  return std::get<std::int64_t>(value(path));
}
double Settings::real(std::string_view path) const { return std::get<double>(value(path)); }
const std::string& Settings::text(std::string_view path) const {
  return std::get<std::string>(value(path));
}
const std::vector<std::string>& Settings::texts(std::string_view path) const {
  return std::get<std::vector<std::string>>(value(path));
}

std::string Settings::canonical() const {
  const auto keys = setting_keys();
  std::string json = "{";
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (!keys[i].ingredient.empty() && !has(keys[i].ingredient)) continue;
    if (json.size() > 1) json += ',';
    json += '"';
    json += keys[i].path;
    json += "\":";
    json += canonical_text(values_[i]);
  }
  return json + "}";
}

Settings Settings::from_canonical(std::string_view text) {
  Settings settings;
  try {
    const auto object = nlohmann::json::parse(text);
    for (const auto& [path, json] : object.items()) {
      const int index = find_setting(path);
      if (index < 0) throw FormatError("settings name the unknown key '" + path + "'");
      const SettingKey& key = setting_keys()[static_cast<std::size_t>(index)];
      settings.values_[static_cast<std::size_t>(index)] = value_from_json(json, key);
      if (!key.ingredient.empty()) settings.turn_on(key.ingredient);
    }
  } catch (const nlohmann::json::exception& error) {
    throw FormatError(std::string("settings are not readable: ") + error.what());
  }
  return settings;
}

}  // namespace calsweep
