#include "sweeps/odin_set.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "sweeps/errors.hpp"

namespace calsweep {
namespace {

constexpr std::string_view kOodPrefix = "ood/";
constexpr std::string_view kExample = "odin/T=1000,eps=0.0014/test";

[[noreturn]] void refuse(std::string_view name, std::string_view why) {
  throw FormatError(
      fmt::format("logit set \"{}\": {}; a name like \"{}\" is expected", name, why, kExample));
}

bool is_plain_set(std::string_view set) {
  if (set == "test" || set == "validation") return true;
  if (!set.starts_with(kOodPrefix)) return false;
  const auto entry = set.substr(kOodPrefix.size());
  return !entry.empty() && entry.find('/') == std::string_view::npos;
}

bool is_setting(double value) { return std::isfinite(value) && value > 0.0; }

/// `text` must be "<key><number>" with the number in its one canonical spelling.
double parse_number(std::string_view name, std::string_view text, std::string_view key) {
  if (!text.starts_with(key))
    refuse(name, fmt::format("\"{}\" should begin with \"{}\"", text, key));
  text.remove_prefix(key.size());
  double value = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !is_setting(value)) {
    refuse(name, fmt::format("\"{}{}\" is not a positive finite number", key, text));
  }
  const auto canonical = fmt::format("{}", value);
  if (canonical != text)
    refuse(name, fmt::format("write {}{}, not {}{}", key, canonical, key, text));
  return value;
}

}  // namespace

std::string to_string(const OdinSet& set) {
  if (!is_setting(set.temperature) || !is_setting(set.epsilon) || !is_plain_set(set.of)) {
    throw UsageError(fmt::format(
        "ODIN logits of \"{}\" at T={}, eps={}: both must be positive and finite, and the set "
        "\"test\", \"validation\" or \"ood/...\"",
        set.of, set.temperature, set.epsilon));
  }
  return fmt::format("{}T={},eps={}/{}", kOdinPrefix, set.temperature, set.epsilon, set.of);
}

std::optional<OdinSet> parse_odin_set(std::string_view name) {
  if (!name.starts_with(kOdinPrefix)) return std::nullopt;
  const auto rest = name.substr(kOdinPrefix.size());
  const auto slash = rest.find('/');
  if (slash == std::string_view::npos) refuse(name, "it names no set");
  const auto settings = rest.substr(0, slash);
  const auto comma = settings.find(',');
  if (comma == std::string_view::npos) refuse(name, "\"T=...,eps=...\" is missing");
  OdinSet set;
  set.temperature = parse_number(name, settings.substr(0, comma), "T=");
  set.epsilon = parse_number(name, settings.substr(comma + 1), "eps=");
  set.of = std::string(rest.substr(slash + 1));
  if (!is_plain_set(set.of)) {
    refuse(name, fmt::format("\"{}\" is not test, validation or ood/<set>", set.of));
  }
  return set;
}

}  // namespace calsweep
