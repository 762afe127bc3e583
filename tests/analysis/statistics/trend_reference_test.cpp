#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "tests/analysis/statistics/trend_reference.hpp"

namespace calsweep::analysis::fixtures {

const nlohmann::json& trend_reference() {
  static const nlohmann::json reference = [] {
    std::ifstream file(std::string(CALSWEEP_ROOM_DIR) + "/trend_reference.json");
    return nlohmann::json::parse(file);
  }();
  return reference;
}

double relative_error(double a, double b) {
  return b == 0.0 ? std::abs(a) : std::abs(a - b) / std::abs(b);
}

Blocks blocks_of(const nlohmann::json& reference_case) {
  return {reference_case["k"].get<std::size_t>(),
          reference_case["values"].get<std::vector<double>>()};
}

TEST(TrendReferenceTest, names_the_versions_it_was_made_with) {
  EXPECT_TRUE(trend_reference()["versions"]["scipy"].is_string());
}

}  // namespace calsweep::analysis::fixtures
