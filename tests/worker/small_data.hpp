// Small data sets and folders that tests make for themselves.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace calsweep::worker::testing {

namespace fs = std::filesystem;
using Bytes = std::vector<std::uint8_t>;

/// A folder that is gone when the test is over.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (fs::temp_directory_path() / "calsweep-test-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

inline void write_bytes(const fs::path& file, const Bytes& bytes) {
  fs::create_directories(file.parent_path());
  std::ofstream out(file, std::ios::binary);
  for (const auto byte : bytes) out.put(static_cast<char>(byte));
}

inline Bytes read_bytes(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline void write_gzip(const fs::path& file, const Bytes& bytes) {
  fs::create_directories(file.parent_path());
  gzFile out = gzopen(file.c_str(), "wb");
  gzwrite(out, bytes.data(), static_cast<unsigned>(bytes.size()));
  gzclose(out);
}

/// An IDX header: magic number and dimensions, big-endian.
inline Bytes idx_header(std::initializer_list<std::uint32_t> words) {
  Bytes bytes;
  for (const auto word : words) {
    for (const unsigned shift : {24U, 16U, 8U, 0U}) {
      bytes.push_back(static_cast<std::uint8_t>((word >> shift) & 0xFFU));
    }
  }
  return bytes;
}

inline Bytes operator+(Bytes left, const Bytes& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

inline Bytes idx_images(std::uint32_t n, std::uint32_t height, std::uint32_t width,
                        const Bytes& pixels) {
  return idx_header({0x803, n, height, width}) + pixels;
}

inline Bytes idx_labels(const Bytes& labels) {
  return idx_header({0x801, static_cast<std::uint32_t>(labels.size())}) + labels;
}

/// n images of 28 x 28 whose brightest row tells the class, with some noise: learnable in seconds.
inline void write_split(const fs::path& folder, const std::string& prefix, std::uint32_t n) {
  Bytes pixels, labels;
  std::uint32_t noise = 12345 + n;
  for (std::uint32_t i = 0; i < n; ++i) {
    const std::uint32_t label = (i * 7) % 10;
    labels.push_back(static_cast<std::uint8_t>(label));
    for (std::uint32_t p = 0; p < 28 * 28; ++p) {
      noise = noise * 1664525U + 1013904223U;
      const bool bright = p / 28 == 2 * label + 4;
      pixels.push_back(static_cast<std::uint8_t>((noise >> 24U) / 2U + (bright ? 100U : 0U)));
    }
  }
  write_gzip(folder / (prefix + "-images-idx3-ubyte.gz"), idx_images(n, 28, 28, pixels));
  write_gzip(folder / (prefix + "-labels-idx1-ubyte.gz"), idx_labels(labels));
}

/// A data root with a small "fashion-mnist" and, for OOD, a small "mnist".
inline void write_small_data(const fs::path& root) {
  for (const char* name : {"fashion-mnist", "mnist"}) {
    write_split(root / name, "train", 300);
    write_split(root / name, "t10k", 120);
  }
}

}  // namespace calsweep::worker::testing
