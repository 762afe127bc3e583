#include "worker/stage_file.hpp"

#include <torch/csrc/jit/serialization/pickle.h>

#include <cstring>
#include <string>

#include "sweeps/errors.hpp"
#include "sweeps/run_directory.hpp"

namespace calsweep::worker {
namespace {

using Dictionary = c10::impl::GenericDict;

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

[[noreturn]] void refuse(const std::filesystem::path& file, const std::string& why) {
  throw FormatError("stage file " + file.string() + " " + why);
}

c10::IValue parse(const std::filesystem::path& file) {
  const std::string content = read_file(file);
  try {
    return torch::jit::pickle_load(std::vector<char>(content.begin(), content.end()));
  } catch (const c10::Error& error) {
    refuse(file, "is damaged (" + std::string(error.what_without_backtrace()).substr(0, 120) + ")");
  }
}

c10::IValue entry(const std::filesystem::path& file, const Dictionary& dictionary,
                  const std::string& name) {
  const auto found = dictionary.find(name);
  if (found == dictionary.end()) refuse(file, "lacks " + name);
  return found->value();
}

std::string string_entry(const std::filesystem::path& file, const Dictionary& dictionary,
                         const std::string& name) {
  const c10::IValue value = entry(file, dictionary, name);
  if (!value.isString()) refuse(file, "has no text for " + name);
  return value.toStringRef();
}

at::Tensor tensor_entry(const std::filesystem::path& file, const Dictionary& dictionary,
                        const NamedTensor& expected) {
  const c10::IValue value = entry(file, dictionary, expected.name);
  if (!value.isTensor() || value.toTensor().scalar_type() != at::kFloat ||
      value.toTensor().sizes() != expected.value.sizes()) {
    refuse(file, "holds another network: " + expected.name + " differs in shape");
  }
  return value.toTensor().contiguous();
}

}  // namespace

void write_stage(const std::filesystem::path& file, const StageId& stage,
                 const std::vector<NamedTensor>& state) {
  const auto tensors = on_cpu(state);
  Dictionary dictionary(c10::StringType::get(), c10::AnyType::get());
  dictionary.insert("format", kStageFormat);
  dictionary.insert("stage", stage.str());
  dictionary.insert("checksum", checksum(tensors));
  for (const auto& [name, value] : tensors) dictionary.insert(name, value);
  const std::vector<char> bytes = torch::jit::pickle_save(c10::IValue(dictionary));
  write_file_atomically(file, std::string_view(bytes.data(), bytes.size()));
}

void read_stage(const std::filesystem::path& file, const StageId& stage,
                const std::vector<NamedTensor>& state) {
  const c10::IValue content = parse(file);
  if (!content.isGenericDict()) refuse(file, "is no stage file");
  const Dictionary dictionary = content.toGenericDict();
  const c10::IValue format = entry(file, dictionary, "format");
  if (!format.isInt() || format.toInt() != kStageFormat) refuse(file, "has another format version");
  if (string_entry(file, dictionary, "stage") != stage.str()) refuse(file, "is another stage's");
  std::vector<NamedTensor> tensors;
  for (const auto& expected : state) {
    tensors.push_back({expected.name, tensor_entry(file, dictionary, expected)});
  }
  if (string_entry(file, dictionary, "checksum") != checksum(tensors)) {
    refuse(file, "does not match its checksum");
  }
  for (std::size_t i = 0; i < state.size(); ++i) {
    at::Tensor target = state[i].value;
    target.copy_(tensors[i].value);
  }
}

}  // namespace calsweep::worker
