// Shared by the fuzz targets: which exceptions may come out, and a file made of the input.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "sweeps/errors.hpp"

namespace calsweep::fuzzing {

inline std::string_view text(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// Runs `function`. Whatever it throws beside a CalsweepError ends the fuzzer: that is a finding.
template <class Function>
void only_our_errors(Function function) {
  try {
    function();
  } catch (const CalsweepError& error) {
    // Every message must name something; an empty one helps nobody.
    if (std::string_view(error.what()).empty()) std::abort();
  }
}

/// A folder of this process that goes with it, below $TMPDIR. (A crash leaves it: tests/fuzz/run
/// removes the whole $TMPDIR that it gave.)
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string name = std::filesystem::temp_directory_path() / "calsweep-fuzz-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  std::filesystem::path write(const std::string& name, std::string_view content) const {
    std::ofstream(path_ / name, std::ios::binary | std::ios::trunc) << content;
    return path_ / name;
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace calsweep::fuzzing
