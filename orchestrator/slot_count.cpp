#include "orchestrator/slot_count.hpp"

#include <fmt/core.h>
#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "orchestrator/utc_time.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::orchestrator {
namespace {

std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) {
    // "-1" and what follows it hide devices, as CUDA reads the variable.
    if (part == "-1") break;
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

std::vector<std::string> visible_gpus() {
  if (const char* visible = std::getenv("CUDA_VISIBLE_DEVICES")) return split_list(visible);
  std::vector<std::string> gpus;
  for (int i = 0; i < 64; ++i) {
    const std::string name = std::to_string(i);
    std::error_code ignored;
    if (std::filesystem::exists("/dev/nvidia" + name, ignored)) gpus.push_back(name);
  }
  return gpus;
}

std::int64_t usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return ::sched_getaffinity(0, sizeof set, &set) == 0 ? std::max(CPU_COUNT(&set), 1) : 1;
}

// GPUs are dealt to the host's agents in turn; with more agents than GPUs they share.
std::vector<std::string> share_of_gpus(const HostResources& host) {
  std::vector<std::string> mine;
  const auto n = host.gpus.size();
  const auto index = static_cast<std::size_t>(host.agent_index);
  const auto agents = static_cast<std::size_t>(std::max(host.agents_on_host, 1));
  for (std::size_t gpu = index; gpu < n; gpu += agents) mine.push_back(host.gpus[gpu]);
  if (mine.empty() && n > 0) mine.push_back(host.gpus[index % n]);
  return mine;
}

}  // namespace

HostResources look_at_host(std::int32_t agents_on_host, std::int32_t agent_index) {
  return {visible_gpus(), usable_cores(), agents_on_host, agent_index};
}

AgentPlan plan_agent(const HostResources& host, std::int32_t slots, const std::string& device,
                     std::int64_t threads) {
  if (device != "auto" && device != "cpu" && device != "cuda") {
    throw UsageError(fmt::format("unknown device '{}'; expected auto, cpu or cuda", device));
  }
  const auto gpus = device == "cpu" ? std::vector<std::string>() : share_of_gpus(host);
  if (device == "cuda" && gpus.empty()) {
    throw UsageError(
        fmt::format("device cuda was asked for, but {} shows no NVIDIA GPU (CUDA_VISIBLE_DEVICES, "
                    "/dev/nvidia*); use --device cpu, or run where there is one",
                    host_name()));
  }
  // A trainer sees one GPU only, so that one is number 0 to it.
  const std::string trainer_device = gpus.empty() ? "cpu" : device == "cuda" ? "cuda:0" : "auto";
  AgentPlan plan{gpus.empty() ? "cpu" : "cuda", trainer_device, {}};
  const std::int64_t share = host.cores / std::max<std::int64_t>(threads, 1) /
                             std::max<std::int64_t>(host.agents_on_host, 1);
  const auto automatic =
      gpus.empty() ? static_cast<std::size_t>(std::max<std::int64_t>(share, 1)) : gpus.size();
  plan.seats.resize(slots > 0 ? static_cast<std::size_t>(slots) : automatic);
  for (std::size_t seat = 0; seat < plan.seats.size() && !gpus.empty(); ++seat) {
    plan.seats[seat].cuda_device = gpus[seat % gpus.size()];
  }
  return plan;
}

}  // namespace calsweep::orchestrator
