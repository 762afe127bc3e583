// Reading the reference files and making inputs, for the calibrator tests.
#pragma once

#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/calibrators/calibrator.hpp"
#include "sweeps/random.hpp"

namespace calsweep::analysis {

inline nlohmann::json read_reference(const std::string& file) {
  return nlohmann::json::parse(std::ifstream(std::string(CALSWEEP_ROOM_DIR) + "/" + file));
}
inline const nlohmann::json& reference() {
  static const auto parsed = read_reference("reference.json");
  return parsed;
}
inline const nlohmann::json& affine_reference() {
  static const auto parsed = read_reference("affine_reference.json");
  return parsed;
}
inline const nlohmann::json& score_map_reference() {
  static const auto parsed = read_reference("score_map_reference.json");
  return parsed;
}

/// n rows of K logits with labels.
struct Rows {
  std::int64_t k = 0;
  std::vector<float> logits;
  std::vector<std::int32_t> labels;

  static Rows of(const nlohmann::json& item) {
    Rows rows{item["k"], {}, item["labels"]};
    for (const int z64 : item["z64"]) rows.logits.push_back(static_cast<float>(z64) / 64.0F);
    return rows;
  }
};

/// Normal logits of the given scale; labels drawn from softmax(sharpness * z), so that the true T
/// is 1 / sharpness.
Rows drawn_rows(std::int64_t n, std::int64_t k, double scale, double sharpness,
                std::string_view purpose);

inline CalibratorFit fit(std::string_view name, const Rows& rows,
                         const CalibratorOptions& options = {}) {
  return fit_calibrator(name, rows.logits, rows.k, rows.labels, "test", options);
}

/// The value of a parameter or weight; fails the test if there is none.
double parameter(const FittedCalibrator& calibrator, std::string_view name);

/// Mean NLL of the outputs, by hand.
double nll_of(const CalibratedOutputs& outputs, const std::vector<std::int32_t>& labels);

}  // namespace calsweep::analysis
