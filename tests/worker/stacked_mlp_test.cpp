// The stacked network and the optimisers against LibTorch's own modules, autograd and torch::optim.
#include "worker/stacked_mlp.hpp"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "worker/optimizer.hpp"
#include "worker/training_step.hpp"

namespace calsweep::worker {
namespace {

constexpr std::int64_t kInputs = 12, kWidth = 9, kClassCount = 4;

MlpShape small_shape(std::int64_t networks, std::int64_t depth) {
  MlpShape shape;
  shape.networks = networks;
  shape.inputs = kInputs;
  shape.classes = kClassCount;
  shape.depth = depth;
  shape.width = kWidth;
  return shape;
}

void add_activation(torch::nn::Sequential& net, Activation activation) {
  if (activation == Activation::Relu) net->push_back(torch::nn::ReLU());
  if (activation == Activation::Tanh) net->push_back(torch::nn::Tanh());
  if (activation == Activation::Gelu) net->push_back(torch::nn::GELU());
}

/// The same network out of LibTorch's modules.
torch::nn::Sequential reference_net(const MlpShape& shape) {
  torch::nn::Sequential net;
  for (std::int64_t layer = 0; layer < shape.depth; ++layer) {
    net->push_back(torch::nn::Linear(shape.fan_in(layer), shape.fan_out(layer)));
    if (layer + 1 == shape.depth) break;
    if (shape.norm == NormPosition::BeforeActivation) {
      net->push_back(torch::nn::BatchNorm1d(shape.width));
    }
    add_activation(net, shape.activation);
    if (shape.norm == NormPosition::AfterActivation) {
      net->push_back(torch::nn::BatchNorm1d(shape.width));
    }
  }
  return net;
}

/// Its tensors in the order of StackedNetwork::state().
std::vector<torch::Tensor> reference_state(torch::nn::Sequential& net) {
  std::vector<torch::Tensor> linear, all, pending;
  for (const auto& module : *net) {
    if (auto* l = module.ptr()->as<torch::nn::LinearImpl>()) {
      all.insert(all.end(), {l->weight, l->bias});
    }
    if (auto* n = module.ptr()->as<torch::nn::BatchNorm1dImpl>()) {
      all.insert(all.end(), {n->weight, n->bias, n->running_mean, n->running_var});
    }
  }
  return all;
}

std::unique_ptr<torch::optim::Optimizer> reference_optimizer(const OptimizerOptions& options,
                                                             torch::nn::Sequential& net,
                                                             double rate) {
  if (options.kind == OptimizerKind::Adam) {
    return std::make_unique<torch::optim::Adam>(net->parameters(),
                                                torch::optim::AdamOptions(rate)
                                                    .betas({options.beta1, options.beta2})
                                                    .eps(options.epsilon)
                                                    .weight_decay(options.weight_decay));
  }
  return std::make_unique<torch::optim::SGD>(
      net->parameters(),
      torch::optim::SGDOptions(rate).momentum(options.momentum).weight_decay(options.weight_decay));
}

torch::Tensor one_hot_targets(const torch::Tensor& labels) {
  return torch::one_hot(labels, kClassCount).to(torch::kFloat);
}

/// K networks, each with weights of its own, trained beside K references on batches of their own
/// (the last one smaller), compared after every step.
void expect_equal_to_reference(MlpShape shape, const OptimizerOptions& options, Kernel kernel) {
  torch::set_num_threads(1);
  torch::manual_seed(7);
  const double rate = 0.01;
  StackedMlp net(shape, at::kCPU);
  std::vector<torch::nn::Sequential> references;
  std::vector<std::unique_ptr<torch::optim::Optimizer>> optimizers;
  for (std::int64_t k = 0; k < shape.networks; ++k) {
    Random random(static_cast<std::uint64_t>(k) + 1);
    net.initialize(k, random);
    references.push_back(reference_net(shape));
    const auto ours = net.state(k);
    const auto theirs = reference_state(references.back());
    ASSERT_EQ(ours.size(), theirs.size());
    const torch::NoGradGuard no_grad;
    for (std::size_t i = 0; i < ours.size(); ++i) theirs[i].copy_(ours[i].value);
    optimizers.push_back(reference_optimizer(options, references.back(), rate));
  }
  Trainer trainer(net, make_optimizer(options, net.parameters(), net.gradients(), kernel));
  for (const std::int64_t size : {32, 32, 32, 32, 7}) {
    Batch batch;
    batch.inputs = torch::randn({shape.networks, size, kInputs});
    const auto labels = torch::randint(kClassCount, {size, shape.networks});
    batch.targets = one_hot_targets(labels);
    const auto losses = torch::zeros({shape.networks});
    trainer.step(batch, rate, losses);
    for (std::int64_t k = 0; k < shape.networks; ++k) {
      auto& optimizer = *optimizers[static_cast<std::size_t>(k)];
      auto& reference = references[static_cast<std::size_t>(k)];
      optimizer.zero_grad();
      const auto loss = torch::nn::functional::cross_entropy(reference->forward(batch.inputs[k]),
                                                             labels.select(1, k));
      loss.backward();
      optimizer.step();
      EXPECT_NEAR(losses[k].item<double>(), loss.item<double>(), 1e-5);
      const auto ours = net.state(k);
      const auto theirs = reference_state(reference);
      for (std::size_t i = 0; i < ours.size(); ++i) {
        EXPECT_TRUE(torch::allclose(ours[i].value, theirs[i], 1e-4, 1e-5))
            << ours[i].name << " of network " << k << " differs by "
            << (ours[i].value - theirs[i]).abs().max().item<double>();
      }
    }
  }
  const auto images = torch::randn({50, kInputs});
  const auto logits = net.evaluate(images);
  for (std::int64_t k = 0; k < shape.networks; ++k) {
    auto& reference = references[static_cast<std::size_t>(k)];
    reference->eval();
    EXPECT_TRUE(torch::allclose(logits.select(1, k), reference->forward(images), 1e-4, 1e-5));
  }
}

OptimizerOptions adam() {
  OptimizerOptions options;
  options.weight_decay = 1e-3;
  return options;
}

OptimizerOptions sgd(double momentum) {
  OptimizerOptions options;
  options.kind = OptimizerKind::Sgd;
  options.weight_decay = 1e-3;
  options.momentum = momentum;
  return options;
}

TEST(StackedMlpTest, the_papers_network_with_adam_equals_torch) {
  expect_equal_to_reference(small_shape(1, 2), adam(), Kernel::FusedIfPresent);
  expect_equal_to_reference(small_shape(1, 6), adam(), Kernel::FusedIfPresent);
}

TEST(StackedMlpTest, each_of_three_stacked_networks_equals_its_own_torch_network) {
  expect_equal_to_reference(small_shape(3, 3), adam(), Kernel::FusedIfPresent);
}

TEST(StackedMlpTest, adam_without_the_fused_kernel_equals_torch) {
  expect_equal_to_reference(small_shape(2, 3), adam(), Kernel::Plain);
}

TEST(StackedMlpTest, adams_own_constants_are_honoured) {
  OptimizerOptions options;
  options.beta1 = 0.5;
  options.beta2 = 0.9;
  options.epsilon = 1e-3;
  expect_equal_to_reference(small_shape(1, 2), options, Kernel::FusedIfPresent);
  expect_equal_to_reference(small_shape(1, 2), options, Kernel::Plain);
}

TEST(StackedMlpTest, sgd_equals_torch_with_and_without_momentum) {
  for (const auto kernel : {Kernel::FusedIfPresent, Kernel::Plain}) {
    expect_equal_to_reference(small_shape(2, 3), sgd(0.9), kernel);
    expect_equal_to_reference(small_shape(2, 3), sgd(0.0), kernel);
  }
}

// With SGD: a bias in front of the normalisation has no gradient, and Adam would blow up its
// rounding.
TEST(StackedMlpTest, every_activation_and_norm_position_equals_torch) {
  for (const auto activation : {Activation::Relu, Activation::Tanh, Activation::Gelu}) {
    for (const auto norm :
         {NormPosition::None, NormPosition::AfterActivation, NormPosition::BeforeActivation}) {
      MlpShape shape = small_shape(2, 4);
      shape.activation = activation;
      shape.norm = norm;
      expect_equal_to_reference(shape, sgd(0.9), Kernel::FusedIfPresent);
    }
  }
}

TEST(StackedMlpTest, depth_one_is_softmax_regression) {
  expect_equal_to_reference(small_shape(2, 1), adam(), Kernel::FusedIfPresent);
}

TEST(StackedMlpTest, he_initialisation_has_the_stated_spread_in_every_layer) {
  MlpShape shape = small_shape(1, 3);
  shape.inputs = 400;
  shape.width = 300;
  StackedMlp net(shape, at::kCPU);
  Random random(3);
  net.initialize(0, random);
  for (const auto& [name, value] : net.state(0)) {
    if (value.dim() == 2) {
      const double expected = std::sqrt(2.0 / static_cast<double>(value.size(1)));
      EXPECT_NEAR(value.std().item<double>() / expected, 1.0, 0.05) << name;
      EXPECT_NEAR(value.mean().item<double>() / expected, 0.0, 0.05) << name;
    } else if (name.ends_with("_bias") || name.ends_with("_mean")) {
      EXPECT_EQ(value.abs().max().item<double>(), 0.0) << name;
    } else {
      EXPECT_EQ((value - 1).abs().max().item<double>(), 0.0) << name;
    }
  }
}

TEST(StackedMlpTest, torch_default_initialisation_stays_in_its_bounds) {
  MlpShape shape = small_shape(1, 2);
  shape.initialization = Initialization::TorchDefault;
  StackedMlp net(shape, at::kCPU);
  Random random(3);
  net.initialize(0, random);
  const auto state = net.state(0);
  const double bound = 1.0 / std::sqrt(static_cast<double>(kInputs));
  EXPECT_LE(state[0].value.abs().max().item<double>(), bound);
  EXPECT_GT(state[0].value.abs().max().item<double>(), 0.9 * bound);
  EXPECT_GT(state[1].value.abs().max().item<double>(), 0.0);
}

/// Three networks after a few steps, the middle one's first weights multiplied by `factor`.
std::vector<torch::Tensor> train_three(double factor) {
  StackedMlp net(small_shape(3, 3), at::kCPU);
  for (std::int64_t k = 0; k < 3; ++k) {
    Random random(static_cast<std::uint64_t>(k) + 1);
    net.initialize(k, random);
  }
  net.state(1)[0].value.mul_(factor);
  Trainer trainer(net, make_optimizer(adam(), net.parameters(), net.gradients()));
  torch::manual_seed(1);
  auto losses = torch::zeros({3});
  for (int step = 0; step < 5; ++step) {
    Batch batch;
    batch.inputs = torch::randn({3, 16, kInputs});
    batch.targets = one_hot_targets(torch::randint(kClassCount, {16, 3}));
    trainer.step(batch, 0.01, losses);
  }
  const auto logits = net.evaluate(torch::randn({20, kInputs}));
  return {logits.select(1, 0).clone(), logits.select(1, 1).clone(), logits.select(1, 2).clone(),
          losses};
}

TEST(StackedMlpTest, a_network_that_diverges_leaves_its_neighbours_bit_for_bit_alone) {
  const auto sound = train_three(1.0), broken = train_three(1e38);
  EXPECT_FALSE(broken[1].isfinite().all().item<bool>());
  EXPECT_FALSE(broken[3][1].isfinite().item<bool>());
  EXPECT_TRUE(torch::equal(sound[0], broken[0]));
  EXPECT_TRUE(torch::equal(sound[2], broken[2]));
  EXPECT_TRUE(sound[3][0].equal(broken[3][0]));
}

TEST(StackedMlpTest, a_batch_of_one_image_is_normalised_with_the_running_statistics) {
  StackedMlp net(small_shape(2, 3), at::kCPU);
  for (std::int64_t k = 0; k < 2; ++k) {
    Random random(static_cast<std::uint64_t>(k) + 1);
    net.initialize(k, random);
  }
  const auto image = torch::randn({1, kInputs});
  const auto expected = net.evaluate(image);
  const auto before = net.state(0).back().value.clone();
  const auto& logits = net.forward(image.expand({2, 1, kInputs}).contiguous());
  EXPECT_TRUE(torch::allclose(logits, expected, 1e-5, 1e-6));
  net.backward(torch::ones_like(logits));
  EXPECT_TRUE(net.gradients().isfinite().all().item<bool>());
  EXPECT_TRUE(torch::equal(net.state(0).back().value, before));
}

TEST(SoftCrossEntropyTest, value_and_gradient_equal_autograd_for_soft_targets) {
  torch::manual_seed(2);
  const auto logits = (torch::randn({8, 2, kClassCount}) * 3).requires_grad_();
  const auto targets = torch::softmax(torch::randn({8, 2, kClassCount}), 2);
  auto losses = torch::zeros({2});
  SoftCrossEntropy loss;
  at::Tensor gradient;
  {
    const torch::NoGradGuard no_grad;
    gradient = loss(logits, targets, losses);
  }
  auto expected = torch::zeros({});
  for (std::int64_t k = 0; k < 2; ++k) {
    const auto own =
        torch::nn::functional::cross_entropy(logits.select(1, k), targets.select(1, k));
    EXPECT_NEAR(losses[k].item<double>(), own.item<double>(), 1e-6);
    expected = expected + own;
  }
  expected.backward();
  EXPECT_TRUE(torch::allclose(gradient, logits.grad(), 1e-5, 1e-7));
}

}  // namespace
}  // namespace calsweep::worker
