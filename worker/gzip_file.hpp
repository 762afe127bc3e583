// A file that may be gzip-compressed or plain, read from front to back (zlib).
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

struct gzFile_s;

namespace calsweep::worker {

class GzipFile {
 public:
  /// Throws IoError.
  explicit GzipFile(std::filesystem::path path);
  ~GzipFile();
  GzipFile(const GzipFile&) = delete;
  GzipFile& operator=(const GzipFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  /// Exactly `size` bytes. Throws FormatError if the file ends before or is damaged. A size that a
  /// damaged header made up costs no more memory than the file has bytes.
  std::vector<std::uint8_t> read(std::uint64_t size);
  /// Everything that is left.
  std::vector<std::uint8_t> read_rest();
  /// Throws FormatError unless the file ends here (which also checks gzip's checksum).
  void expect_end();

 private:
  std::size_t read_some(std::span<std::uint8_t> buffer);

  std::filesystem::path path_;
  gzFile_s* file_;
};

}  // namespace calsweep::worker
