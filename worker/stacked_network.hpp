// K networks of one shape as one: what the training loop needs of an architecture.
//
// Every tensor carries the network axis; K = 1 is the ordinary case and not another implementation.
// Networks never meet in a reduction, so a NaN of one stays its own. A new architecture derives
// from StackedNetwork (it may use autograd inside backward()) and gets a branch in make_network().
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <vector>

#include "sweeps/random.hpp"
#include "sweeps/settings.hpp"

namespace calsweep::worker {

struct NamedTensor {
  std::string name;
  at::Tensor value;
};

class StackedNetwork {
 public:
  virtual ~StackedNetwork() = default;

  /// Training mode. inputs: [K, B, D] float32, kept until backward(). Returns [B, K, C] logits that
  /// stay valid until the next call.
  virtual const at::Tensor& forward(const at::Tensor& inputs) = 0;
  /// logit_gradients: [B, K, C], of the sum over networks of each one's loss. Overwrites
  /// gradients().
  virtual void backward(const at::Tensor& logit_gradients) = 0;
  /// Evaluation mode, the same inputs for all networks. inputs: [B, D]. Returns [B, K, C].
  virtual at::Tensor evaluate(const at::Tensor& inputs) = 0;

  /// All parameters, and their gradients, as one flat tensor each.
  virtual const at::Tensor& parameters() const = 0;
  virtual const at::Tensor& gradients() const = 0;

  /// Draws initial weights of network k, layer by layer on the CPU, the same on every device.
  virtual void initialize(std::int64_t k, Random& random) = 0;
  /// Parameters and buffers of network k: views, shaped as torch.nn shapes them ("linear0_weight",
  /// "norm0_running_mean", …).
  virtual std::vector<NamedTensor> state(std::int64_t k) = 0;
};

/// n_inputs: values per image; settings: model.*.
std::unique_ptr<StackedNetwork> make_network(const Settings& settings, std::int64_t networks,
                                             std::int64_t n_inputs, std::int64_t n_classes,
                                             at::Device device);

}  // namespace calsweep::worker
