// One flat tensor for all parameters of a stack and one for their gradients.
//
// Layers hold views. The optimiser then updates everything in one pass over one tensor, and no
// gradient is allocated while training.
#pragma once

#include <ATen/ATen.h>

#include <vector>

namespace calsweep::worker {

struct ParameterView {
  at::Tensor value, gradient;
};

class ParameterStore {
 public:
  /// One view per shape, in that order; zeros; each begins on a 64-byte boundary.
  ParameterStore(const std::vector<std::vector<std::int64_t>>& shapes, at::Device device);

  const ParameterView& operator[](std::size_t i) const { return views_[i]; }
  const at::Tensor& values() const { return values_; }
  const at::Tensor& gradients() const { return gradients_; }

 private:
  at::Tensor values_, gradients_;
  std::vector<ParameterView> views_;
};

}  // namespace calsweep::worker
