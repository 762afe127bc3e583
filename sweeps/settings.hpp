// What can be set for a trial: one table of keys, and the values a trial has for them.
//
// The table is the single place that names a key, its type, default, limits, unit and meaning: the
// spec parser checks against it, the written reference (docs/spec-reference.md) is printed from it,
// the canonical form that trial ids hash is made from it, and the trainer reads its settings
// through it. Adding a key = adding a row here and reading it where it matters.
//
// Keys of an ingredient ("noise_warmup.samples") exist for a trial only while that ingredient is
// on.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace calsweep {

using SettingValue =
    std::variant<bool, std::int64_t, double, std::string, std::vector<std::string>>;

enum class SettingType { Boolean, Integer, Real, Text, TextList };

struct SettingKey {
  std::string_view path;  ///< dotted, e.g. "model.depth"
  SettingType type;
  SettingValue default_value;
  double minimum = -std::numeric_limits<double>::infinity();  ///< inclusive
  double maximum = std::numeric_limits<double>::infinity();   ///< inclusive
  bool minimum_excluded = false;
  std::vector<std::string_view> choices;  ///< for Text: the allowed values; empty = any
  std::string_view unit;                  ///< e.g. "images"; empty = none
  std::string_view meaning;               ///< one sentence for the reference
  std::string_view ingredient;            ///< "noise_warmup", "mixup", …; empty = always present
};

/// All keys, sorted by path.
std::span<const SettingKey> setting_keys();
/// All ingredient names, sorted.
std::span<const std::string_view> ingredient_names();
/// The sections that hold keys of every trial: "data", "logging", "model", "training".
std::span<const std::string_view> section_names();

/// Index into setting_keys(), or -1.
int find_setting(std::string_view path);

/// One value as canonical text: integers plain, reals shortest round-trip with a point or exponent,
/// texts as JSON strings.
std::string canonical_text(const SettingValue& value);
/// One value as people write it: texts without quotes, "2000", "0.001".
std::string display_text(const SettingValue& value);

/// The complete settings of one recipe (a cell × method): every key of setting_keys().
class Settings {
 public:
  Settings();  ///< all defaults, no ingredient on

  /// The value must have the key's type (an integer is taken for a Real). CALSWEEP_CHECKs
  /// otherwise: checking user input is the spec parser's job.
  void set(std::string_view path, SettingValue value);
  void turn_on(std::string_view ingredient);

  bool has(std::string_view ingredient) const;
  bool boolean(std::string_view path) const;
  std::int64_t integer(std::string_view path) const;
  double real(std::string_view path) const;
  const std::string& text(std::string_view path) const;
  const std::vector<std::string>& texts(std::string_view path) const;
  const SettingValue& value(std::string_view path) const;

  /// JSON object, keys sorted, one line, no spaces; keys of ingredients that are off are left out.
  /// The same settings give the same bytes on every machine.
  std::string canonical() const;
  /// Reads what canonical() wrote. Throws FormatError for unknown keys or wrong types.
  static Settings from_canonical(std::string_view json);

  bool operator==(const Settings&) const = default;

 private:
  std::vector<SettingValue> values_;  // by index in setting_keys()
  std::vector<bool> ingredients_;     // by index in ingredient_names()
};

}  // namespace calsweep
