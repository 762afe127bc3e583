#include "worker/image_set.hpp"

#include <algorithm>

#include "sweeps/errors.hpp"

namespace calsweep::worker {
namespace {

using Bytes = std::vector<std::uint8_t>;

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

Bytes repeat_grey(const ImageSet& set) {
  const std::size_t plane = size(set.shape.plane());
  Bytes out;
  out.reserve(set.pixels.size() * 3);
  for (std::size_t begin = 0; begin < set.pixels.size(); begin += plane) {
    const auto first = set.pixels.begin() + static_cast<std::ptrdiff_t>(begin);
    for (int channel = 0; channel < 3; ++channel) {
      out.insert(out.end(), first, first + static_cast<std::ptrdiff_t>(plane));
    }
  }
  return out;
}

Bytes luma(const ImageSet& set) {
  const std::size_t plane = size(set.shape.plane());
  Bytes out;
  out.reserve(set.pixels.size() / 3);
  for (std::size_t begin = 0; begin < set.pixels.size(); begin += 3 * plane) {
    const std::uint8_t* red = set.pixels.data() + begin;
    for (std::size_t i = 0; i < plane; ++i) {
      const unsigned weighted = 299U * red[i] + 587U * red[plane + i] + 114U * red[2 * plane + i];
      out.push_back(static_cast<std::uint8_t>((weighted + 500U) / 1000U));
    }
  }
  return out;
}

/// Where the common part of a length lies: centred in both.
struct Overlap {
  std::int64_t from, to, length;
};
Overlap centred(std::int64_t from_length, std::int64_t to_length) {
  const std::int64_t length = std::min(from_length, to_length);
  return {(from_length - length) / 2, (to_length - length) / 2, length};
}

Bytes frame_or_crop(const ImageSet& set, std::int64_t height, std::int64_t width) {
  const Overlap rows = centred(set.shape.height, height);
  const Overlap columns = centred(set.shape.width, width);
  const std::int64_t planes = set.count() * set.shape.channels;
  Bytes out(size(planes * height * width), 0);
  for (std::int64_t plane = 0; plane < planes; ++plane) {
    for (std::int64_t row = 0; row < rows.length; ++row) {
      const auto* source = set.pixels.data() + plane * set.shape.plane() +
                           (rows.from + row) * set.shape.width + columns.from;
      auto* target = out.data() + (plane * height + rows.to + row) * width + columns.to;
      std::copy_n(source, columns.length, target);
    }
  }
  return out;
}

}  // namespace

std::string to_string(const ImageShape& shape) {
  return std::to_string(shape.channels) + " x " + std::to_string(shape.height) + " x " +
         std::to_string(shape.width);
}

ImageSet adapt_images(ImageSet set, const ImageShape& shape) {
  if (set.shape.channels == 1 && shape.channels == 3) {
    set.pixels = repeat_grey(set);
  } else if (set.shape.channels == 3 && shape.channels == 1) {
    set.pixels = luma(set);
  } else if (set.shape.channels != shape.channels) {
    throw FormatError("cannot turn images of " + to_string(set.shape) + " into " +
                      to_string(shape) + ": only 1 and 3 channels are converted");
  }
  set.shape.channels = shape.channels;
  if (set.shape != shape) {
    set.pixels = frame_or_crop(set, shape.height, shape.width);
    set.shape = shape;
  }
  return set;
}

}  // namespace calsweep::worker
