// The MLP's shape from its settings, initial weights, and state by name.
#include <cmath>

#include "sweeps/errors.hpp"
#include "worker/stacked_mlp.hpp"

namespace calsweep::worker {
namespace {

double weight_std(const MlpShape& shape, std::int64_t layer) {
  const auto in = static_cast<double>(shape.fan_in(layer));
  const auto out = static_cast<double>(shape.fan_out(layer));
  return std::sqrt(2.0 / (shape.initialization == Initialization::HeNormal ? in : in + out));
}

}  // namespace

void StackedMlp::initialize(std::int64_t k, Random& random) {
  const auto draw = [&](at::Tensor target, auto next) {
    at::Tensor drawn = at::empty(target.sizes(), at::TensorOptions().dtype(at::kFloat));
    float* values = drawn.data_ptr<float>();
    for (std::int64_t i = 0; i < drawn.numel(); ++i) values[i] = static_cast<float>(next());
    target.copy_(drawn);
  };
  for (std::int64_t i = 0; i < shape_.depth; ++i) {
    const Layer& layer = layers_[static_cast<std::size_t>(i)];
    const at::Tensor weight = layer.weight.value[k], bias = layer.bias.value[k];
    if (shape_.initialization == Initialization::TorchDefault) {
      const double bound = 1.0 / std::sqrt(static_cast<double>(shape_.fan_in(i)));
      const auto uniform = [&] { return (2.0 * random.uniform() - 1.0) * bound; };
      draw(weight, uniform);
      draw(bias, uniform);
      continue;
    }
    const double std = weight_std(shape_, i);
    draw(weight, [&] { return random.normal() * std; });
    bias.zero_();
  }
}

std::vector<NamedTensor> StackedMlp::state(std::int64_t k) {
  std::vector<NamedTensor> tensors;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    const std::string linear = "linear" + std::to_string(i) + "_";
    tensors.push_back({linear + "weight", layer.weight.value[k]});
    tensors.push_back({linear + "bias", layer.bias.value[k]});
    if (!layer.running_mean.defined()) continue;
    const std::string norm = "norm" + std::to_string(i) + "_";
    const std::int64_t begin = k * shape_.width;
    tensors.push_back({norm + "weight", layer.scale.value[k]});
    tensors.push_back({norm + "bias", layer.shift.value[k]});
    tensors.push_back({norm + "running_mean", layer.running_mean.narrow(0, begin, shape_.width)});
    tensors.push_back({norm + "running_var", layer.running_var.narrow(0, begin, shape_.width)});
  }
  return tensors;
}

MlpShape mlp_shape(const Settings& settings, std::int64_t networks, std::int64_t n_inputs,
                   std::int64_t n_classes) {
  MlpShape shape;
  shape.networks = networks;
  shape.inputs = n_inputs;
  shape.classes = n_classes;
  shape.depth = settings.integer("model.depth");
  shape.width = settings.integer("model.width");
  const std::string& activation = settings.text("model.activation");
  if (activation == "tanh") shape.activation = Activation::Tanh;
  if (activation == "gelu") shape.activation = Activation::Gelu;
  if (settings.text("model.normalization_position") == "before-activation") {
    shape.norm = NormPosition::BeforeActivation;
  }
  if (settings.text("model.normalization") == "none") shape.norm = NormPosition::None;
  const std::string& initialization = settings.text("model.initialization");
  if (initialization == "xavier-normal") shape.initialization = Initialization::XavierNormal;
  if (initialization == "torch-default") shape.initialization = Initialization::TorchDefault;
  return shape;
}

std::unique_ptr<StackedNetwork> make_network(const Settings& settings, std::int64_t networks,
                                             std::int64_t n_inputs, std::int64_t n_classes,
                                             at::Device device) {
  const std::string& architecture = settings.text("model.architecture");
  if (architecture == "mlp") {
    return std::make_unique<StackedMlp>(mlp_shape(settings, networks, n_inputs, n_classes), device);
  }
  throw FormatError("this trainer has no architecture '" + architecture + "'");
}

}  // namespace calsweep::worker
