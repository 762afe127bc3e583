#include "worker/pixel_source.hpp"

#include "sweeps/errors.hpp"

namespace calsweep::worker {
namespace {

/// First n rows of a buffer that grows when it must.
at::Tensor rows_of(at::Tensor& buffer, std::int64_t n, std::int64_t width,
                   const at::TensorOptions& options) {
  if (!buffer.defined() || buffer.size(0) < n) buffer = at::empty({n, width}, options);
  return buffer.narrow(0, 0, n);
}

}  // namespace

PixelSource::PixelSource(at::Tensor pixels, const ImageShape& shape,
                         const Normalization& normalization)
    : pixels_(std::move(pixels)) {
  CALSWEEP_CHECK(pixels_.size(1) == shape.pixels(), "pixels have the given shape");
  CALSWEEP_CHECK(shape.channels <= 3, "known sets have at most three channels");
  at::Tensor scale = at::empty({1, shape.channels, 1}, at::kFloat);
  at::Tensor shift = at::empty_like(scale);
  for (std::int64_t c = 0; c < shape.channels; ++c) {
    const auto i = static_cast<std::size_t>(c);
    scale.data_ptr<float>()[c] = static_cast<float>(1.0 / (255.0 * normalization.std[i]));
    shift.data_ptr<float>()[c] = static_cast<float>(-normalization.mean[i] / normalization.std[i]);
  }
  scale_ = scale.to(pixels_.device());
  shift_ = shift.to(pixels_.device());
}

PixelSource PixelSource::select(const at::Tensor& rows) const {
  PixelSource selected = *this;
  selected.pixels_ = pixels_.index_select(0, rows);
  selected.staging_ = selected.sliced_ = at::Tensor();
  return selected;
}

void PixelSource::normalize_ahead(std::int64_t max_bytes) {
  const auto bytes = pixels_.numel() * static_cast<std::int64_t>(sizeof(float));
  if (pixels_.scalar_type() == at::kFloat || bytes > max_bytes) return;
  at::Tensor values = at::empty(pixels_.sizes(), pixels_.options().dtype(at::kFloat));
  convert(pixels_, values);
  pixels_ = std::move(values);
}

void PixelSource::convert(const at::Tensor& bytes, at::Tensor& out) const {
  out.copy_(bytes);
  out.view({out.size(0), scale_.size(1), -1}).mul_(scale_).add_(shift_);
}

void PixelSource::gather(const at::Tensor& rows, at::Tensor out) const {
  if (pixels_.scalar_type() == at::kFloat) {
    at::index_select_out(out, pixels_, 0, rows);
    return;
  }
  at::Tensor bytes = rows_of(staging_, rows.size(0), pixels_.size(1), pixels_.options());
  at::index_select_out(bytes, pixels_, 0, rows);
  convert(bytes, out);
}

at::Tensor PixelSource::slice(std::int64_t begin, std::int64_t n) const {
  const at::Tensor part = pixels_.narrow(0, begin, n);
  if (part.scalar_type() == at::kFloat) return part;
  at::Tensor out = rows_of(sliced_, n, pixels_.size(1), pixels_.options().dtype(at::kFloat));
  convert(part, out);
  return out;
}

}  // namespace calsweep::worker
