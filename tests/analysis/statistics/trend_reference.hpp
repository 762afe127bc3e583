// Reads trend_reference.json, which make_trend_reference.py wrote.
#pragma once

#include <nlohmann/json.hpp>

#include "analysis/statistics/blocks.hpp"

namespace calsweep::analysis::fixtures {

const nlohmann::json& trend_reference();

/// Relative distance of `a` from `b`; absolute where b is zero.
double relative_error(double a, double b);

/// From a case with "k" and "values".
Blocks blocks_of(const nlohmann::json& reference_case);

}  // namespace calsweep::analysis::fixtures
