#include "worker/stage_file.hpp"

#include <string>

#include "worker/pickled_dictionary.hpp"

namespace calsweep::worker {
namespace {

std::string checksum(const std::vector<NamedTensor>& tensors) {
  std::string content;
  for (const auto& [name, value] : tensors) {
    const auto bytes = static_cast<std::size_t>(value.numel()) * sizeof(float);
    content += name + '\0';
    content.append(static_cast<const char*>(value.data_ptr()), bytes);
  }
  return sha256_hex(content);
}

std::vector<NamedTensor> on_cpu(const std::vector<NamedTensor>& tensors) {
  std::vector<NamedTensor> copies;
  for (const auto& [name, value] : tensors) {
    copies.push_back({name, value.to(at::kCPU).contiguous().clone()});
  }
  return copies;
}

at::Tensor tensor_entry(const PickledFile& file, const NamedTensor& expected) {
  const c10::IValue value = file.entry(expected.name);
  if (!value.isTensor() || value.toTensor().scalar_type() != at::kFloat ||
      value.toTensor().sizes() != expected.value.sizes()) {
    file.refuse("holds another network: " + expected.name + " differs in shape");
  }
  return value.toTensor().contiguous();
}

}  // namespace

void write_stage(const std::filesystem::path& file, const StageId& stage,
                 const std::vector<NamedTensor>& state) {
  const auto tensors = on_cpu(state);
  PickledDictionary dictionary = make_dictionary();
  dictionary.insert("format", kStageFormat);
  dictionary.insert("stage", stage.str());
  dictionary.insert("checksum", checksum(tensors));
  for (const auto& [name, value] : tensors) dictionary.insert(name, value);
  write_dictionary(file, dictionary);
}

void read_stage(const std::filesystem::path& file, const StageId& stage,
                const std::vector<NamedTensor>& state) {
  const PickledFile content(file, "stage file");
  if (content.integer("format") != kStageFormat) content.refuse("has another format version");
  if (content.text("stage") != stage.str()) content.refuse("is another stage's");
  std::vector<NamedTensor> tensors;
  for (const auto& expected : state) {
    tensors.push_back({expected.name, tensor_entry(content, expected)});
  }
  if (content.text("checksum") != checksum(tensors)) content.refuse("does not match its checksum");
  for (std::size_t i = 0; i < state.size(); ++i) {
    at::Tensor target = state[i].value;
    target.copy_(tensors[i].value);
  }
}

}  // namespace calsweep::worker
