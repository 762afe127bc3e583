#include "cli/named_file.hpp"

#include <fmt/core.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "sweeps/errors.hpp"

namespace calsweep::cli {

namespace fs = std::filesystem;

const fs::path& named_file(const fs::path& file, const std::string& what) {
  std::error_code ignored;
  if (fs::is_directory(file, ignored)) {
    throw UsageError(fmt::format("{} is a directory, not {}", file.string(), what));
  }
  errno = 0;
  if (!std::ifstream(file).good()) {
    throw UsageError(
        fmt::format("cannot open {}, {}: {}", file.string(), what, std::strerror(errno)));
  }
  return file;
}

}  // namespace calsweep::cli
