// Cases of sorted_reference.json (made by make_sorted_reference.py) as profiles.
#pragma once

#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "analysis/metrics/confidence_profile.hpp"

namespace calsweep::analysis::fixtures {

inline const nlohmann::json& sorted_reference() {
  static const auto parsed =
      nlohmann::json::parse(std::ifstream(CALSWEEP_ROOM_DIR "/sorted_reference.json"));
  return parsed;
}

inline ConfidenceProfile profile_of(const nlohmann::json& test_case) {
  const auto confidence = test_case["confidence"].get<std::vector<double>>();
  const auto correct = test_case["correct"].get<std::vector<std::uint8_t>>();
  return ConfidenceProfile::from_rows(std::span<const double>(confidence), correct);
}

}  // namespace calsweep::analysis::fixtures
