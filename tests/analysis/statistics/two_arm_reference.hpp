// Reads two_arm_reference.json, which make_two_arm_reference.py wrote.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "analysis/measured.hpp"
#include "analysis/statistics/alternative.hpp"

namespace calsweep::analysis::fixtures {

/// The cases of one test.
const nlohmann::json& two_arm_cases(const std::string& test);

/// In the order of the reference file.
inline constexpr Alternative kAlternatives[] = {Alternative::TwoSided, Alternative::Greater,
                                                Alternative::Less};

/// p within 1e-12 relative (1e-15 absolute), log10 p its logarithm.
void expect_p(const Measured& p, const Measured& log10_p, double expected);

}  // namespace calsweep::analysis::fixtures
