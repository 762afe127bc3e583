#include "worker/stacked_mlp.hpp"

#include <array>

namespace calsweep::worker {
namespace {

constexpr double kEpsilon = 1e-5;
constexpr double kMomentum = 0.1;

/// Per layer: weight, bias and, where it is normalised, scale and shift.
std::vector<std::vector<std::int64_t>> parameter_shapes(const MlpShape& shape) {
  std::vector<std::vector<std::int64_t>> shapes;
  for (std::int64_t layer = 0; layer < shape.depth; ++layer) {
    const std::int64_t k = shape.networks, out = shape.fan_out(layer);
    shapes.push_back({k, out, shape.fan_in(layer)});
    shapes.push_back({k, out});
    if (layer + 1 == shape.depth || shape.norm == NormPosition::None) continue;
    shapes.push_back({k, out});
    shapes.push_back({k, out});
  }
  return shapes;
}

/// [B, K, C] seen as [K, B, C].
at::Tensor by_network(const at::Tensor& activations) { return activations.transpose(0, 1); }

/// [B, K, C] seen as [B, K * C].
at::Tensor side_by_side(const at::Tensor& activations) {
  return activations.view({activations.size(0), -1});
}

void activate(Activation activation, const at::Tensor& in, at::Tensor& out) {
  switch (activation) {
    case Activation::Relu:
      at::relu_out(out, in);
      return;
    case Activation::Tanh:
      at::tanh_out(out, in);
      return;
    case Activation::Gelu:
      at::gelu_out(out, in);
      return;
  }
}

/// gradient *= activation'(in), in place; out = activation(in).
void activate_backward(Activation activation, const at::Tensor& in, const at::Tensor& out,
                       at::Tensor& gradient) {
  switch (activation) {
    case Activation::Relu:
      at::threshold_backward_out(gradient, gradient, out, 0);
      return;
    case Activation::Tanh:
      at::tanh_backward_out(gradient, gradient, out);
      return;
    case Activation::Gelu:
      at::gelu_backward_out(gradient, gradient, in);
      return;
  }
}

/// relu and tanh need only their result afterwards, so they may overwrite their input.
bool in_place(Activation activation) { return activation != Activation::Gelu; }

}  // namespace

StackedMlp::StackedMlp(const MlpShape& shape, at::Device device)
    : shape_(shape), device_(device), store_(parameter_shapes(shape), device) {
  const auto options = at::TensorOptions().dtype(at::kFloat).device(device);
  std::size_t next = 0;
  for (std::int64_t i = 0; i < shape.depth; ++i) {
    Layer layer;
    layer.weight = store_[next++];
    layer.bias = store_[next++];
    if (i + 1 < shape.depth && shape.norm != NormPosition::None) {
      layer.scale = store_[next++];
      layer.shift = store_[next++];
      layer.scale.value.fill_(1.0);
      layer.running_mean = at::zeros({shape.networks * shape.width}, options);
      layer.running_var = at::ones({shape.networks * shape.width}, options);
    }
    layers_.push_back(std::move(layer));
  }
}

StackedMlp::Workspace& StackedMlp::workspace(std::int64_t batch) {
  const auto found = workspaces_.find(batch);
  if (found != workspaces_.end()) return found->second;
  Workspace& made = workspaces_[batch];
  const auto options = at::TensorOptions().dtype(at::kFloat).device(device_);
  const auto buffer = [&](std::int64_t features) {
    return at::empty({batch, shape_.networks, features}, options);
  };
  for (std::size_t layer = 0; is_hidden(layer); ++layer) {
    Kept kept;
    const bool norm_between = shape_.norm == NormPosition::BeforeActivation;
    kept.linear = buffer(shape_.width);
    if (shape_.norm != NormPosition::None) {
      kept.normed = buffer(shape_.width);
      kept.mean = at::empty({shape_.networks * shape_.width}, options);
      kept.inverse_std = at::empty_like(kept.mean);
    }
    const at::Tensor& before = norm_between ? kept.normed : kept.linear;
    kept.activated = in_place(shape_.activation) ? before : buffer(shape_.width);
    kept.gradient = buffer(shape_.width);
    made.hidden.push_back(std::move(kept));
  }
  made.logits = buffer(shape_.classes);
  return made;
}

const at::Tensor& StackedMlp::layer_output(const Kept& kept) const {
  return shape_.norm == NormPosition::AfterActivation ? kept.normed : kept.activated;
}

/// in: [K, B, in]; out: [B, K, out].
void StackedMlp::linear(std::size_t layer, const at::Tensor& in, at::Tensor& out) const {
  const Layer& l = layers_[layer];
  at::Tensor target = by_network(out);
  at::bmm_out(target, in, l.weight.value.transpose(1, 2));
  out.add_(l.bias.value);
}

void StackedMlp::normalize(const Layer& layer, const at::Tensor& in, Kept& kept,
                           bool use_batch_statistics) {
  at::Tensor out = side_by_side(kept.normed);
  at::native_batch_norm_out(out, kept.mean, kept.inverse_std, side_by_side(in),
                            layer.scale.value.view(-1), layer.shift.value.view(-1),
                            layer.running_mean, layer.running_var, use_batch_statistics, kMomentum,
                            kEpsilon);
}

void StackedMlp::hidden_forward(const Layer& layer, Kept& kept, bool use_batch_statistics) {
  if (shape_.norm == NormPosition::BeforeActivation) {
    normalize(layer, kept.linear, kept, use_batch_statistics);
    activate(shape_.activation, kept.normed, kept.activated);
    return;
  }
  activate(shape_.activation, kept.linear, kept.activated);
  if (shape_.norm == NormPosition::AfterActivation) {
    normalize(layer, kept.activated, kept, use_batch_statistics);
  }
}

const at::Tensor& StackedMlp::forward(const at::Tensor& inputs) {
  inputs_ = inputs;
  const std::int64_t batch = inputs.size(1);
  Workspace& space = workspace(batch);
  at::Tensor in = inputs;
  for (std::size_t i = 0; is_hidden(i); ++i) {
    Kept& kept = space.hidden[i];
    linear(i, in, kept.linear);
    hidden_forward(layers_[i], kept, batch > 1);
    in = by_network(layer_output(kept));
  }
  linear(layers_.size() - 1, in, space.logits);
  return space.logits;
}

/// Turns the gradient of a hidden layer's output, in kept.gradient, into that of its linear part.
at::Tensor StackedMlp::hidden_backward(const Layer& layer, Kept& kept, bool use_batch_statistics) {
  at::Tensor gradient = kept.gradient;
  const bool norm_first = shape_.norm == NormPosition::BeforeActivation;
  const at::Tensor& before = norm_first ? kept.normed : kept.linear;
  if (norm_first || shape_.norm == NormPosition::None) {
    activate_backward(shape_.activation, before, kept.activated, gradient);
  }
  if (shape_.norm != NormPosition::None) {
    auto [input, scale, shift] = at::native_batch_norm_backward(
        side_by_side(gradient), side_by_side(norm_first ? kept.linear : kept.activated),
        layer.scale.value.view(-1), layer.running_mean, layer.running_var, kept.mean,
        kept.inverse_std, use_batch_statistics, kEpsilon, std::array<bool, 3>{true, true, true});
    layer.scale.gradient.view(-1).copy_(scale);
    layer.shift.gradient.view(-1).copy_(shift);
    gradient = input.view(kept.linear.sizes());
  }
  if (shape_.norm == NormPosition::AfterActivation) {
    activate_backward(shape_.activation, before, kept.activated, gradient);
  }
  return gradient;
}

void StackedMlp::backward(const at::Tensor& logit_gradients) {
  const std::int64_t batch = logit_gradients.size(0);
  Workspace& space = workspace(batch);
  at::Tensor gradient = logit_gradients;  // of the layer's linear output, [B, K, out]
  for (std::size_t i = layers_.size(); i-- > 0;) {
    const Layer& layer = layers_[i];
    const at::Tensor in = i == 0 ? inputs_ : by_network(layer_output(space.hidden[i - 1]));
    at::Tensor weight_gradient = layer.weight.gradient, bias_gradient = layer.bias.gradient;
    at::bmm_out(weight_gradient, gradient.permute({1, 2, 0}), in);
    at::sum_out(bias_gradient, gradient, 0);
    if (i == 0) return;
    Kept& below = space.hidden[i - 1];
    at::Tensor target = by_network(below.gradient);
    at::bmm_out(target, by_network(gradient), layer.weight.value);
    gradient = hidden_backward(layers_[i - 1], below, batch > 1);
  }
}

at::Tensor StackedMlp::normalize_evaluation(const Layer& layer, const at::Tensor& in) const {
  const auto result = at::native_batch_norm(side_by_side(in), layer.scale.value.view(-1),
                                            layer.shift.value.view(-1), layer.running_mean,
                                            layer.running_var, false, kMomentum, kEpsilon);
  return std::get<0>(result).view(in.sizes());
}

at::Tensor StackedMlp::evaluate(const at::Tensor& inputs) {
  const std::int64_t batch = inputs.size(0), k = shape_.networks;
  const auto options = inputs.options();
  at::Tensor h;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    at::Tensor out = at::empty({batch, k, layer.bias.value.size(1)}, options);
    if (i == 0) {
      // All networks see the same images: one product for the whole stack.
      at::Tensor flat = side_by_side(out);
      at::mm_out(flat, inputs, layer.weight.value.view({-1, shape_.inputs}).t());
      out.add_(layer.bias.value);
    } else {
      linear(i, by_network(h), out);
    }
    h = std::move(out);
    if (!is_hidden(i)) break;
    if (shape_.norm == NormPosition::BeforeActivation) h = normalize_evaluation(layer, h);
    activate(shape_.activation, h, h);
    if (shape_.norm == NormPosition::AfterActivation) h = normalize_evaluation(layer, h);
  }
  return h;
}

}  // namespace calsweep::worker
