#include "worker/pickled_dictionary.hpp"

#include <torch/csrc/jit/serialization/pickle.h>

#include <new>
#include <vector>

#include "sweeps/errors.hpp"
#include "sweeps/run_directory.hpp"

namespace calsweep::worker {

PickledDictionary make_dictionary() {
  return PickledDictionary(c10::StringType::get(), c10::AnyType::get());
}

std::int64_t write_dictionary(const std::filesystem::path& file, const PickledDictionary& content,
                              const std::function<void()>& pulse) {
  const std::vector<char> bytes = torch::jit::pickle_save(c10::IValue(content));
  write_file_atomically(file, std::string_view(bytes.data(), bytes.size()), pulse);
  return static_cast<std::int64_t>(bytes.size());
}

PickledFile::PickledFile(const std::filesystem::path& file, std::string what)
    : file_(file), what_(std::move(what)), content_(make_dictionary()) {
  std::vector<char> bytes;
  {
    const std::string content = read_file(file);
    bytes.assign(content.begin(), content.end());
  }
  c10::IValue value;
  try {
    value = torch::jit::pickle_load(bytes);
  } catch (const c10::Error& error) {
    refuse("is damaged: it cannot be unpacked");
  } catch (const std::bad_alloc&) {
    throw;  // no fault of the file
  } catch (const std::exception& error) {
    refuse("is damaged: it cannot be unpacked");
  }
  if (!value.isGenericDict()) refuse("is none");
  content_ = value.toGenericDict();
  for (const auto& item : content_) {
    if (!item.key().isString()) refuse("is none");
  }
}

void PickledFile::refuse(const std::string& why) const {
  throw FormatError(what_ + " " + file_.string() + " " + why);
}

c10::IValue PickledFile::entry(const std::string& name) const {
  const auto found = content_.find(name);
  if (found == content_.end()) refuse("lacks " + name);
  return found->value();
}

std::string PickledFile::text(const std::string& name) const {
  const c10::IValue value = entry(name);
  if (!value.isString()) refuse("has no text for " + name);
  return value.toStringRef();
}

std::int64_t PickledFile::integer(const std::string& name) const {
  const c10::IValue value = entry(name);
  if (!value.isInt()) refuse("has no number for " + name);
  return value.toInt();
}

}  // namespace calsweep::worker
