#include "sweeps/unit_file_block.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include "sweeps/errors.hpp"
#include "sweeps/sha256.hpp"
#include "sweeps/unit_file.hpp"

namespace calsweep {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "calsweep unit file, format ";

std::string text_of(const UserBlock& block) {
  std::string text =
      fmt::format("{}{}\nsha256 of the bytes after this block of {} bytes:\n{}\nfile size: {}\n",
                  kMagic, block.format, kUserBlockBytes, block.checksum, block.bytes);
  text.resize(kUserBlockBytes, ' ');
  text.back() = '\n';
  return text;
}

[[noreturn]] void cannot(std::string_view what, const fs::path& path) {
  throw IoError(fmt::format("cannot {} {}: {}", what, path.string(), std::strerror(errno)));
}

}  // namespace

void refuse_unit_file(const fs::path& path, const std::string& why) {
  throw FormatError(fmt::format(
      "the unit file {} is not usable: {}; `calsweep run` with the same spec trains its "
      "trials again (and `calsweep import` with the same manifest imports its record again)",
      path.string(), why));
}

UserBlock read_user_block(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) cannot("open", path);
  std::string text(kUserBlockBytes, '\0');
  const ssize_t n = ::read(fd, text.data(), text.size());
  struct stat status {};
  ::fstat(fd, &status);
  ::close(fd);
  if (n != static_cast<ssize_t>(kUserBlockBytes)) {
    refuse_unit_file(path, "it is shorter than its header");
  }
  if (!text.starts_with(kMagic)) refuse_unit_file(path, "it is no unit file of calsweep");
  const int format = std::atoi(text.c_str() + kMagic.size());
  if (format < 1 || format > kNewestUnitFileFormat) {
    refuse_unit_file(path, fmt::format("it has format {}, this program reads formats 1 to {}",
                                       format, kNewestUnitFileFormat));
  }
  const auto sum_at = text.find(":\n");
  const auto size_at = text.find("file size: ");
  if (sum_at == std::string::npos || size_at == std::string::npos) {
    refuse_unit_file(path, "its header is damaged");
  }
  const UserBlock block{format, text.substr(sum_at + 2, 64),
                        std::atoll(text.c_str() + size_at + 11)};
  if (block.bytes != status.st_size) {
    refuse_unit_file(path,
                     fmt::format("it has {} bytes instead of {}", status.st_size, block.bytes));
  }
  return block;
}

std::string checksum_behind_block(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) cannot("open", path);
  Sha256 sum;
  std::vector<char> buffer(1 << 20);
  ssize_t n = 0;
  off_t at = kUserBlockBytes;
  while ((n = ::pread(fd, buffer.data(), buffer.size(), at)) > 0) {
    sum.update(buffer.data(), static_cast<std::size_t>(n));
    at += n;
  }
  ::close(fd);
  if (n < 0) cannot("read", path);
  return sum.hex();
}

void write_user_block(const fs::path& path, const UserBlock& block) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  const std::string text = text_of(block);
  const bool ok =
      fd >= 0 && ::pwrite(fd, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
  const int code = errno;
  if (fd >= 0) ::close(fd);
  errno = code;
  if (!ok) cannot("write the header of", path);
}

bool unit_file_belies_its_checksum(const fs::path& path) {
  try {
    return checksum_behind_block(path) != read_user_block(path).checksum;
  } catch (const CalsweepError&) {
    return false;
  }
}

bool unit_file_is_intact(const fs::path& path) {
  try {
    return checksum_behind_block(path) == read_user_block(path).checksum;
  } catch (const CalsweepError&) {
    return false;
  }
}

}  // namespace calsweep
