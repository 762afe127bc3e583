#include "worker/gzip_file.hpp"

#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "sweeps/errors.hpp"

namespace calsweep::worker {
namespace {
constexpr std::uint64_t kChunk = 16U << 20U;
}

GzipFile::GzipFile(std::filesystem::path path) : path_(std::move(path)) {
  errno = 0;
  file_ = gzopen(path_.c_str(), "rbe");
  if (file_ == nullptr) {
    throw IoError("cannot open data file " + path_.string() + ": " +
                  (errno != 0 ? std::strerror(errno) : "out of memory"));
  }
  gzbuffer(file_, 1U << 18U);
}

GzipFile::~GzipFile() { gzclose(file_); }

std::size_t GzipFile::read_some(std::span<std::uint8_t> buffer) {
  errno = 0;
  const int n = gzread(file_, buffer.data(), static_cast<unsigned>(buffer.size()));
  int code = Z_OK;
  const char* text = gzerror(file_, &code);
  if (code == Z_ERRNO) {
    throw IoError("cannot read data file " + path_.string() + ": " + std::strerror(errno));
  }
  if (n < 0 || (code != Z_OK && code != Z_STREAM_END)) {
    throw FormatError("data file " + path_.string() + " is damaged or cut short (" + text +
                      "); fetch it again");
  }
  return static_cast<std::size_t>(n);
}

std::vector<std::uint8_t> GzipFile::read(std::uint64_t size) {
  std::vector<std::uint8_t> bytes;
  while (bytes.size() < size) {
    const std::size_t had = bytes.size();
    const std::size_t want = static_cast<std::size_t>(std::min<std::uint64_t>(kChunk, size - had));
    bytes.resize(had + want);
    const std::size_t got = read_some(std::span(bytes).subspan(had));
    if (got < want) {
      throw FormatError("data file " + path_.string() + " is cut short: its header promises " +
                        std::to_string(size) + " more bytes, " + std::to_string(had + got) +
                        " are there; fetch it again");
    }
  }
  return bytes;
}

std::vector<std::uint8_t> GzipFile::read_rest() {
  std::vector<std::uint8_t> bytes;
  std::size_t used = 0;
  for (;;) {
    bytes.resize(used + kChunk);
    const std::size_t got = read_some(std::span(bytes).subspan(used));
    used += got;
    if (got < kChunk) break;
  }
  bytes.resize(used);
  return bytes;
}

void GzipFile::expect_end() {
  std::uint8_t extra = 0;
  if (read_some(std::span(&extra, 1)) != 0) {
    throw FormatError("data file " + path_.string() +
                      " is longer than its header says; fetch it again");
  }
}

}  // namespace calsweep::worker
