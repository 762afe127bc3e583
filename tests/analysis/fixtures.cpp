#include "tests/analysis/fixtures.hpp"

#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace calsweep::analysis::fixtures {
namespace {

std::string bytes_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + file.string());
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

template <class T>
std::vector<T> values_at(const std::string& bytes, std::size_t offset, std::size_t n) {
  std::vector<T> values(n);
  if (bytes.size() < offset + n * sizeof(T)) throw std::runtime_error("fixture too short");
  std::memcpy(values.data(), bytes.data() + offset, n * sizeof(T));
  return values;
}

template <class T>
std::vector<T> load_npy(const std::filesystem::path& file) {
  const auto bytes = bytes_of(file);
  const auto header = values_at<std::uint16_t>(bytes, 8, 1)[0];
  const std::size_t start = 10U + header;
  return values_at<T>(bytes, start, (bytes.size() - start) / sizeof(T));
}

}  // namespace

std::filesystem::path data_folder() {
  return std::filesystem::path(CALSWEEP_SOURCE_DIR) / "tests/analysis/data";
}

std::filesystem::path records_folder() {
  return std::filesystem::path(CALSWEEP_SOURCE_DIR) / "../shared/data/records";
}

const nlohmann::json& reference() {
  static const auto parsed = nlohmann::json::parse(bytes_of(data_folder() / "reference.json"));
  return parsed;
}

ConfidenceRecord load_confidence_record(const std::string& name) {
  constexpr std::size_t kRows = 10000;
  const auto bytes = bytes_of(data_folder() / (name + ".confidence.bin"));
  return {values_at<float>(bytes, 0, kRows),
          values_at<std::uint8_t>(bytes, kRows * sizeof(float), kRows)};
}

SoftmaxRecord load_softmax_record(const std::string& name) {
  SoftmaxRecord record;
  record.probabilities = load_npy<float>(records_folder() / (name + ".probs.npy"));
  for (const auto label : load_npy<std::int64_t>(records_folder() / (name + ".labels.npy"))) {
    record.labels.push_back(static_cast<std::int32_t>(label));
  }
  return record;
}

}  // namespace calsweep::analysis::fixtures
