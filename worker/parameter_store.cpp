#include "worker/parameter_store.hpp"

namespace calsweep::worker {
namespace {

constexpr std::int64_t kAlignment = 16;  // floats: 64 bytes

std::int64_t count(const std::vector<std::int64_t>& shape) {
  std::int64_t n = 1;
  for (const auto size : shape) n *= size;
  return n;
}

std::int64_t padded(std::int64_t n) { return (n + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

ParameterStore::ParameterStore(const std::vector<std::vector<std::int64_t>>& shapes,
                               at::Device device) {
  std::int64_t total = 0;
  for (const auto& shape : shapes) {
    total += padded(count(shape));
  }
  const auto options = at::TensorOptions().dtype(at::kFloat).device(device);
  values_ = at::zeros({total}, options);
  gradients_ = at::zeros({total}, options);
  std::int64_t begin = 0;
  for (const auto& shape : shapes) {
    const std::int64_t n = count(shape);
    views_.push_back(
        {values_.narrow(0, begin, n).view(shape), gradients_.narrow(0, begin, n).view(shape)});
    begin += padded(n);
  }
}

}  // namespace calsweep::worker
