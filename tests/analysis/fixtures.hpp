// Reads the committed fixtures and, where it lies beside the checkout, the shared data.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace calsweep::analysis::fixtures {

std::filesystem::path data_folder();     ///< tests/analysis/data
std::filesystem::path records_folder();  ///< ../shared/data/records beside the source tree
const nlohmann::json& reference();       ///< data/reference.json

struct ConfidenceRecord {
  std::vector<float> confidence;
  std::vector<std::uint8_t> correct;
};
ConfidenceRecord load_confidence_record(const std::string& name);

struct SoftmaxRecord {
  std::vector<float> probabilities;  ///< [n, n_classes]
  std::vector<std::int32_t> labels;
  std::int64_t n_classes = 10;
};
/// From `<name>.probs.npy` and `<name>.labels.npy` (C order, float32 and int64).
SoftmaxRecord load_softmax_record(const std::string& name);

}  // namespace calsweep::analysis::fixtures
