#include "worker/read_images.hpp"

#include <limits>

#include "sweeps/errors.hpp"
#include "worker/gzip_file.hpp"

namespace calsweep::worker {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t kIdxImages = 0x00000803;  // unsigned bytes, three dimensions
constexpr std::uint32_t kIdxLabels = 0x00000801;  // unsigned bytes, one dimension

[[noreturn]] void refuse(const fs::path& file, const std::string& why) {
  throw FormatError("data file " + file.string() + " " + why);
}

fs::path require_file(const fs::path& folder, const std::string& name) {
  const fs::path file = find_data_file(folder, name);
  if (file.empty()) {
    throw IoError("data file " + name + " is missing from " + folder.string());
  }
  return file;
}

std::uint32_t read_big_endian(GzipFile& file) {
  const auto b = file.read(4);
  return (std::uint32_t{b[0]} << 24U) | (std::uint32_t{b[1]} << 16U) | (std::uint32_t{b[2]} << 8U) |
         std::uint32_t{b[3]};
}

void expect_magic(GzipFile& file, std::uint32_t expected, const char* what) {
  const std::uint32_t magic = read_big_endian(file);
  if (magic == expected) return;
  refuse(file.path(), std::string("is no IDX file of ") + what + ": it starts with " +
                          std::to_string(magic) + " instead of " + std::to_string(expected));
}

void check_label(const fs::path& file, std::int64_t index, std::int64_t label,
                 std::int64_t n_classes) {
  if (label < n_classes) return;
  refuse(file, "gives image " + std::to_string(index) + " the label " + std::to_string(label) +
                   ", but there are " + std::to_string(n_classes) + " classes");
}

std::vector<std::uint8_t> read_idx_images(const fs::path& path, const ImageShape& shape) {
  GzipFile file(path);
  expect_magic(file, kIdxImages, "images");
  const std::uint32_t n = read_big_endian(file);
  const std::uint32_t height = read_big_endian(file);
  const std::uint32_t width = read_big_endian(file);
  if (height != shape.height || width != shape.width) {
    refuse(path, "holds images of " + std::to_string(height) + " x " + std::to_string(width) +
                     " pixels, expected " + std::to_string(shape.height) + " x " +
                     std::to_string(shape.width));
  }
  auto pixels = file.read(std::uint64_t{n} * height * width);
  file.expect_end();
  return pixels;
}

std::vector<std::int32_t> read_idx_labels(const fs::path& path, std::int64_t n_classes) {
  GzipFile file(path);
  expect_magic(file, kIdxLabels, "labels");
  const auto bytes = file.read(read_big_endian(file));
  file.expect_end();
  std::vector<std::int32_t> labels;
  labels.reserve(bytes.size());
  for (const std::uint8_t label : bytes) {
    check_label(path, static_cast<std::int64_t>(labels.size()), label, n_classes);
    labels.push_back(label);
  }
  return labels;
}

void read_idx(const DatasetDescription& set, const fs::path& folder, const SplitFiles& files,
              ImageSet& out) {
  for (const auto& name : files.images) {
    const auto pixels = read_idx_images(require_file(folder, name), out.shape);
    out.pixels.insert(out.pixels.end(), pixels.begin(), pixels.end());
  }
  if (set.n_classes == 0 || files.labels.empty()) return;
  const fs::path path = require_file(folder, files.labels);
  out.labels = read_idx_labels(path, set.n_classes);
  if (static_cast<std::int64_t>(out.labels.size()) != out.count()) {
    refuse(path, "holds " + std::to_string(out.labels.size()) + " labels for " +
                     std::to_string(out.count()) + " images");
  }
}

/// Appends one file of records: label bytes (the last is the one used: CIFAR-100's fine label),
/// then the pixels.
void append_records(const fs::path& path, const DatasetDescription& set, ImageSet& out) {
  GzipFile file(path);
  const auto bytes = file.read_rest();
  const auto label_bytes = static_cast<std::size_t>(set.label_bytes);
  const auto pixels = static_cast<std::size_t>(out.shape.pixels());
  const std::size_t record = label_bytes + pixels;
  if (bytes.empty() || bytes.size() % record != 0) {
    refuse(path, "has " + std::to_string(bytes.size()) + " bytes, which is no whole number of " +
                     std::to_string(record) + "-byte records; fetch it again");
  }
  for (std::size_t begin = 0; begin < bytes.size(); begin += record) {
    const auto* first = bytes.data() + begin;
    if (set.n_classes > 0) {
      const std::int32_t label = first[label_bytes - 1];
      check_label(path, static_cast<std::int64_t>(begin / record), label, set.n_classes);
      out.labels.push_back(label);
    }
    out.pixels.insert(out.pixels.end(), first + label_bytes, first + record);
  }
}

}  // namespace

ImageSet read_split(const DatasetDescription& set, const fs::path& folder, Split split) {
  const SplitFiles& files = split == Split::Train ? set.train : set.test;
  ImageSet out;
  out.shape = {set.channels, set.height, set.width};
  if (set.format == DataFormat::Idx) {
    read_idx(set, folder, files, out);
  } else {
    for (const auto& name : files.images) {
      append_records(require_file(folder, name), set, out);
    }
  }
  if (out.count() == 0) {
    throw FormatError("data set " + std::string(set.name) + " in " + folder.string() +
                      " has no images in its " + (split == Split::Train ? "training" : "test") +
                      " split");
  }
  return out;
}

}  // namespace calsweep::worker
