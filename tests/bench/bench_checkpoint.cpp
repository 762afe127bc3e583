// What a mid-trial checkpoint costs: time to write it, size, time to read it back.
//
//   bench-checkpoint [--depth D] [--width W] [--networks K] [--rounds N] [--folder DIR] [--device
//   DEVICE]
//
// CIFAR-shaped input, Adam, BatchNorm; the state that a stack in training has, written to DIR as a
// trainer writes it. Prints median, lowest and highest of the rounds, and the longest silence
// between two heartbeats.
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "worker/checkpoint_file.hpp"
#include "worker/optimizer.hpp"
#include "worker/stacked_network.hpp"
#include "worker/torch_runtime.hpp"

namespace {

using namespace calsweep;
using namespace calsweep::worker;
using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

void print(const std::string& what, std::vector<double> values, const std::string& unit) {
  std::sort(values.begin(), values.end());
  std::cout << what << ": " << values[values.size() / 2] << ' ' << unit << " (" << values.front()
            << " - " << values.back() << ")\n";
}

}  // namespace

int main(int argc, char** argv) {
  std::map<std::string, std::string> options = {{"--depth", "6"},    {"--width", "256"},
                                                {"--networks", "1"}, {"--rounds", "9"},
                                                {"--folder", "."},   {"--device", "cpu"}};
  for (int i = 1; i + 1 < argc; i += 2) options[argv[i]] = argv[i + 1];
  const at::Device device = set_up_torch(options["--device"], 1);
  const c10::InferenceMode no_autograd;
  Settings settings;
  settings.set("data.dataset", std::string("cifar-10"));
  settings.set("model.depth", std::int64_t{std::stol(options["--depth"])});
  settings.set("model.width", std::int64_t{std::stol(options["--width"])});
  const std::int64_t networks = std::stol(options["--networks"]);
  const auto network = make_network(settings, networks, 3 * 32 * 32, 10, device);
  network->parameters().normal_();
  const auto optimizer =
      make_optimizer(task_optimizer(settings), network->parameters(), network->gradients());
  const VisitState state = [&](StateVisitor& visitor) {
    for (std::int64_t k = 0; k < networks; ++k) {
      for (const auto& [name, value] : network->state(k)) {
        visitor.tensor("network" + std::to_string(k) + "_" + name, value);
      }
    }
    optimizer->visit_state(visitor);
  };
  const StackId id = StackId::of("bench");
  const auto file = std::filesystem::path(options["--folder"]) / "bench-checkpoint.pt";
  std::vector<double> write_ms, read_ms, silence_ms;
  std::int64_t bytes = 0;
  for (int round = 0; round < std::stoi(options["--rounds"]); ++round) {
    auto start = Clock::now(), heartbeat = start;
    double longest = 0.0;
    const auto beat = [&] {
      longest = std::max(longest, milliseconds_since(heartbeat));
      heartbeat = Clock::now();
    };
    bytes = write_checkpoint(file, {id, CheckpointKind::Training, "bench"}, state, beat);
    beat();
    write_ms.push_back(milliseconds_since(start));
    silence_ms.push_back(longest);
    start = Clock::now();
    StoredCheckpoint(file, id, "bench").restore(state);
    read_ms.push_back(milliseconds_since(start));
  }
  std::filesystem::remove(file);
  std::cout << "size: " << static_cast<double>(bytes) / 1e6 << " MB\n";
  print("write", write_ms, "ms");
  print("longest silence while writing", silence_ms, "ms");
  print("read", read_ms, "ms");
}
