// A number, or the reason why there is none. The reason ends up beside the NULL in results.db.
#pragma once

#include <cmath>
#include <limits>
#include <string>
#include <utility>

namespace calsweep::analysis {

/// `value` is finite exactly if `null_reason` is empty; else it is NaN.
struct Measured {
  double value = std::numeric_limits<double>::quiet_NaN();
  std::string null_reason = "not computed";

  /// A value that is not finite becomes "not finite": infinities never enter results.db.
  static Measured of(double value) {
    if (!std::isfinite(value)) return none("not finite");
    return {value, ""};
  }
  static Measured none(std::string reason) {
    return {std::numeric_limits<double>::quiet_NaN(), std::move(reason)};
  }
  bool has_value() const { return null_reason.empty(); }
};

}  // namespace calsweep::analysis
