// Training steps per second of the trainer's own loop on synthetic CIFAR-shaped data.
//
//   bench-steps --depth D --networks K --seconds S [--images N] [--threads T] [--device DEVICE]
//
// Prints one number: steps per second of the stack (each step moves all K networks). Driven by
// steps_vs_pytorch.py; everything but the pixels is what a trial does.
#include <c10/core/InferenceMode.h>

#include <chrono>
#include <iostream>
#include <map>
#include <string>

#include "worker/batches.hpp"
#include "worker/torch_runtime.hpp"
#include "worker/training_step.hpp"

namespace {

using namespace calsweep;
using namespace calsweep::worker;
using Clock = std::chrono::steady_clock;

constexpr std::int64_t kClasses = 10;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

Settings make_settings(std::int64_t depth) {
  Settings settings;
  settings.set("data.dataset", std::string("cifar-10"));
  settings.set("model.depth", depth);
  return settings;
}

std::vector<StackMember> make_members(std::int64_t networks) {
  std::vector<StackMember> members(static_cast<std::size_t>(networks));
  for (std::size_t k = 0; k < members.size(); ++k) members[k].seed = static_cast<std::int64_t>(k);
  return members;
}

/// Runs whole epochs for at least `seconds` after one to warm up; returns steps per second.
double measure(std::int64_t depth, std::int64_t networks, std::int64_t images, double seconds,
               at::Device device) {
  const Settings settings = make_settings(depth);
  const auto members = make_members(networks);
  const ImageShape shape{3, 32, 32};
  at::Tensor pixels =
      at::randint(256, {images, shape.pixels()}, at::TensorOptions().dtype(at::kByte));
  const Normalization normalization{{0.49, 0.48, 0.45}, {0.20, 0.20, 0.20}};
  PixelSource source(pixels.to(device), shape, normalization);
  source.normalize_ahead(std::int64_t{160} << 20);
  std::vector<std::int32_t> labels;
  std::vector<std::int64_t> rows;
  for (std::int64_t i = 0; i < images; ++i) {
    labels.push_back(static_cast<std::int32_t>(i % kClasses));
    rows.push_back(i);
  }
  auto network = make_network(settings, networks, shape.pixels(), kClasses, device);
  for (std::size_t k = 0; k < members.size(); ++k) {
    Random random = generator_for(members[k], "init");
    network->initialize(static_cast<std::int64_t>(k), random);
  }
  TaskBatches batches(
      source, labels, kClasses,
      BatchOrder(std::vector(members.size(), rows), members, 128, /*drop_last=*/false),
      make_ingredients(settings, members, device));
  Trainer trainer(*network, make_optimizer(task_optimizer(settings), network->parameters(),
                                           network->gradients()));
  std::int64_t steps = 0;
  const auto epoch = [&] {
    const auto n = batches.begin_epoch().steps();
    at::Tensor losses = at::zeros({n, networks}, network->parameters().options());
    for (std::int64_t step = 0; step < n; ++step) trainer.step(batches.next(), 2e-5, losses[step]);
    losses.to(at::kCPU);
    steps += n;
  };
  epoch();
  steps = 0;
  const auto start = Clock::now();
  while (seconds_since(start) < seconds) epoch();
  return static_cast<double>(steps) / seconds_since(start);
}

}  // namespace

int main(int argc, char** argv) {
  std::map<std::string, std::string> options = {{"--depth", "2"},   {"--networks", "1"},
                                                {"--seconds", "3"}, {"--images", "4000"},
                                                {"--threads", "1"}, {"--device", "cpu"}};
  for (int i = 1; i + 1 < argc; i += 2) options[argv[i]] = argv[i + 1];
  const at::Device device = set_up_torch(options["--device"], std::stoi(options["--threads"]));
  const c10::InferenceMode no_autograd;
  std::cout << measure(std::stol(options["--depth"]), std::stol(options["--networks"]),
                       std::stol(options["--images"]), std::stod(options["--seconds"]), device)
            << std::endl;
}
