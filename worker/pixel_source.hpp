// Images in device memory, and how a batch of network inputs is made of them.
//
// Pixels stay as the bytes they are on disk; a batch is an index gather, then
// value * scale + shift per channel, with scale = 1 / (255 std) and shift = -mean / std.
// A set that is read often and is small may be normalised ahead: same numbers, one pass less.
#pragma once

#include <ATen/ATen.h>

#include <array>

#include "worker/image_set.hpp"

namespace calsweep::worker {

/// Per channel, of pixels scaled to [0, 1]. The defaults leave them so.
struct Normalization {
  std::array<double, 3> mean{0.0, 0.0, 0.0}, std{1.0, 1.0, 1.0};
  bool operator==(const Normalization&) const = default;
};

class PixelSource {
 public:
  PixelSource() = default;
  /// pixels: [N, D] uint8 on the device where batches are wanted; D = shape.pixels().
  PixelSource(at::Tensor pixels, const ImageShape& shape, const Normalization& normalization);

  std::int64_t count() const { return pixels_.size(0); }
  std::int64_t values_per_image() const { return pixels_.size(1); }
  at::Device device() const { return pixels_.device(); }

  /// A source of these rows only, in this order.
  PixelSource select(const at::Tensor& rows) const;
  /// Converts everything to float32 now if that takes at most `max_bytes`.
  void normalize_ahead(std::int64_t max_bytes);

  /// rows: [M] int64; out: [M, D] float32, contiguous.
  void gather(const at::Tensor& rows, at::Tensor out) const;
  /// Images begin … begin+n-1 as [n, D] float32; valid until the next call.
  at::Tensor slice(std::int64_t begin, std::int64_t n) const;

 private:
  void convert(const at::Tensor& bytes, at::Tensor& out) const;

  at::Tensor pixels_;           // [N, D] uint8, or float32 once normalised ahead
  at::Tensor scale_, shift_;    // [1, channels, 1]
  mutable at::Tensor staging_;  // bytes of the batch being made
  mutable at::Tensor sliced_;
};

}  // namespace calsweep::worker
