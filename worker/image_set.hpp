// Images in memory, as stored on disk: bytes, one plane after another.
//
// Also owns the one rule by which a set of another shape is made to fit a network's input (used for
// out-of-distribution sets, described in docs/data.md).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace calsweep::worker {

struct ImageShape {
  std::int64_t channels = 1, height = 0, width = 0;
  std::int64_t plane() const { return height * width; }
  std::int64_t pixels() const { return channels * plane(); }
  bool operator==(const ImageShape&) const = default;
};
/// "3 x 32 x 32".
std::string to_string(const ImageShape& shape);

struct ImageSet {
  ImageShape shape;
  std::vector<std::uint8_t> pixels;  ///< [n, channels, height, width]
  std::vector<std::int32_t> labels;  ///< [n]; empty for sets that serve as OOD inputs only

  std::int64_t count() const {
    return shape.pixels() == 0 ? 0 : static_cast<std::int64_t>(pixels.size()) / shape.pixels();
  }
};

/// Makes every image have `shape`: grey is repeated over three channels; colour becomes grey by the
/// luma of ITU-R BT.601 (0.299 R + 0.587 G + 0.114 B, rounded); smaller images are framed in black
/// and larger ones cropped, both centred. Throws FormatError for other channel counts.
ImageSet adapt_images(ImageSet set, const ImageShape& shape);

}  // namespace calsweep::worker
