// The multilayer perceptron: Linear, activation, BatchNorm1d per hidden layer, a linear output.
//
// Layout: activations are [B, K, C], so that to bias, activation and normalisation a stack is one
// network with K x C features; only the linear layers (batched products) know K. The backward pass
// is written out: with preallocated buffers it was measured 10-15 % faster per step than autograd
// at K = 1, and it skips the gradient of the first layer's input.
//
// BatchNorm as torch.nn.BatchNorm1d: epsilon 1e-5, momentum 0.1, affine, unbiased running variance.
// A training batch of one image, which torch refuses, is normalised with the running statistics and
// leaves them as they are.
#pragma once

#include <cstddef>
#include <map>
#include <vector>

#include "worker/parameter_store.hpp"
#include "worker/stacked_network.hpp"

namespace calsweep::worker {

enum class Activation { Relu, Tanh, Gelu };
enum class NormPosition { None, AfterActivation, BeforeActivation };
enum class Initialization { HeNormal, XavierNormal, TorchDefault };

struct MlpShape {
  std::int64_t networks = 1, inputs = 0, classes = 0;
  std::int64_t depth = 2;  ///< weight layers
  std::int64_t width = 256;
  Activation activation = Activation::Relu;
  NormPosition norm = NormPosition::AfterActivation;
  Initialization initialization = Initialization::HeNormal;

  std::int64_t fan_in(std::int64_t layer) const { return layer == 0 ? inputs : width; }
  std::int64_t fan_out(std::int64_t layer) const { return layer == depth - 1 ? classes : width; }
};
MlpShape mlp_shape(const Settings& settings, std::int64_t networks, std::int64_t n_inputs,
                   std::int64_t n_classes);

class StackedMlp final : public StackedNetwork {
 public:
  StackedMlp(const MlpShape& shape, at::Device device);

  const at::Tensor& forward(const at::Tensor& inputs) override;
  void backward(const at::Tensor& logit_gradients) override;
  at::Tensor evaluate(const at::Tensor& inputs) override;
  const at::Tensor& parameters() const override { return store_.values(); }
  const at::Tensor& gradients() const override { return store_.gradients(); }
  void initialize(std::int64_t k, Random& random) override;
  std::vector<NamedTensor> state(std::int64_t k) override;

 private:
  struct Layer {
    ParameterView weight;                  // [K, out, in]
    ParameterView bias;                    // [K, out]
    ParameterView scale, shift;            // [K, out], of the normalisation
    at::Tensor running_mean, running_var;  // [K * out]
  };
  // What one hidden layer keeps of a training batch, each [B, K, out].
  struct Kept {
    at::Tensor linear, activated, normed;  // one tensor in two roles where that is safe
    at::Tensor mean, inverse_std;          // of the batch, [K * out]
    at::Tensor gradient;
  };
  struct Workspace {
    std::vector<Kept> hidden;
    at::Tensor logits;
  };

  bool is_hidden(std::size_t layer) const { return layer + 1 < layers_.size(); }
  Workspace& workspace(std::int64_t batch);
  const at::Tensor& layer_output(const Kept& kept) const;
  void linear(std::size_t layer, const at::Tensor& in, at::Tensor& out) const;
  void hidden_forward(const Layer& layer, Kept& kept, bool use_batch_statistics);
  at::Tensor hidden_backward(const Layer& layer, Kept& kept, bool use_batch_statistics);
  void normalize(const Layer& layer, const at::Tensor& in, Kept& kept, bool use_batch_statistics);
  at::Tensor normalize_evaluation(const Layer& layer, const at::Tensor& in) const;

  MlpShape shape_;
  at::Device device_;
  ParameterStore store_;
  std::vector<Layer> layers_;
  std::map<std::int64_t, Workspace> workspaces_;  // by batch size: the usual one and the last one
  at::Tensor inputs_;
};

}  // namespace calsweep::worker
