// Integers out of JSON that somebody else wrote. For .cpp files that read messages and files.
//
// nlohmann::json casts a number of any size or kind to the type asked for: a float out of range is
// undefined behaviour, a larger integer loses its upper bits. Here both are errors.
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>

#include "sweeps/errors.hpp"

namespace calsweep {

/// Throws FormatError if `value` is no integer or does not fit. `name` is for the message.
template <class Integer>
Integer integer_from(const nlohmann::json& value, const char* name) {
  if (!value.is_number_integer()) {
    throw FormatError(fmt::format("'{}' is no integer", name));
  }
  // Numbers beyond int64 are stored as unsigned ones; nothing of ours is as large.
  const bool too_large = value.is_number_unsigned() &&
                         value.get<std::uint64_t>() >
                             static_cast<std::uint64_t>(std::numeric_limits<Integer>::max());
  const auto number = too_large ? 0 : value.get<std::int64_t>();
  if (too_large || number < std::numeric_limits<Integer>::min() ||
      number > std::numeric_limits<Integer>::max()) {
    throw FormatError(fmt::format("'{}' is out of range", name));
  }
  return static_cast<Integer>(number);
}

/// The same for a member of an object, which must be there (nlohmann::json::exception otherwise).
template <class Integer>
Integer integer_at(const nlohmann::json& object, const char* key) {
  return integer_from<Integer>(object.at(key), key);
}

}  // namespace calsweep
