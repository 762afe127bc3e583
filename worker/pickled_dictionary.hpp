// Files that torch.load(file, weights_only=False) reads as a dictionary of names: how stages and
// checkpoints are stored.
#pragma once

#include <ATen/core/Dict.h>

#include <filesystem>
#include <functional>
#include <string>

namespace calsweep::worker {

using PickledDictionary = c10::impl::GenericDict;

/// Without entries; keys are texts.
PickledDictionary make_dictionary();

/// Appears complete or not at all; returns its size in bytes. Throws IoError.
std::int64_t write_dictionary(const std::filesystem::path& file, const PickledDictionary& content,
                              const std::function<void()>& pulse = {});

/// A file of names and values; `what` names it in messages ("stage file"). Every function throws
/// FormatError for damage.
class PickledFile {
 public:
  /// Throws IoError if it cannot be read.
  PickledFile(const std::filesystem::path& file, std::string what);

  const PickledDictionary& content() const { return content_; }
  c10::IValue entry(const std::string& name) const;
  std::string text(const std::string& name) const;
  std::int64_t integer(const std::string& name) const;
  /// Throws FormatError: "stage file x.pt <why>".
  [[noreturn]] void refuse(const std::string& why) const;

 private:
  std::filesystem::path file_;
  std::string what_;
  PickledDictionary content_;
};

}  // namespace calsweep::worker
