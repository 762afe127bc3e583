#include "orchestrator/slot_count.hpp"

#include <fmt/core.h>

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
  for (int minor = 0; minor < 64; ++minor) {
    std::error_code ignored;
    // CUDA counts the devices that are there: alone in its container, /dev/nvidia3 is its number 0.
    if (std::filesystem::exists(fmt::format("/dev/nvidia{}", minor), ignored)) {
      gpus.push_back(std::to_string(gpus.size()));
    }
  }
  return gpus;
}

// GPUs are dealt to the host's agents in turn; with more agents than GPUs they share.
std::vector<std::string> share_of_gpus(const HostResources& host, std::size_t index) {
  std::vector<std::string> mine;
  const auto n = host.gpus.size();
  const auto agents = static_cast<std::size_t>(std::max(host.agents_on_host, 1));
  for (std::size_t gpu = index; gpu < n; gpu += agents) mine.push_back(host.gpus[gpu]);
  if (mine.empty() && n > 0) mine.push_back(host.gpus[index % n]);
  return mine;
}

// Seats on one GPU for one agent: agents that share a GPU share its seats too.
std::size_t seats_per_gpu(const HostResources& host, std::size_t index, std::int32_t wanted) {
  const auto agents = static_cast<std::size_t>(std::max(host.agents_on_host, 1));
  const auto n = host.gpus.size();
  const std::size_t sharers = agents <= n ? 1 : agents / n + (index % n < agents % n ? 1 : 0);
  return std::max<std::size_t>(static_cast<std::size_t>(std::max(wanted, 1)) / sharers, 1);
}

std::vector<SeatPlan> seats_of(const HostResources& host, const SlotRequest& request,
                               std::size_t agent) {
  const auto gpus =
      request.device == "cpu" ? std::vector<std::string>() : share_of_gpus(host, agent);
  const std::int64_t share = host.cores / std::max<std::int64_t>(request.threads, 1) /
                             std::max<std::int64_t>(host.agents_on_host, 1);
  auto n_seats = static_cast<std::size_t>(std::max<std::int64_t>(share, 1));
  if (!gpus.empty()) n_seats = gpus.size() * seats_per_gpu(host, agent, request.slots_per_gpu);
  if (request.slots > 0) n_seats = static_cast<std::size_t>(request.slots);
  std::vector<SeatPlan> seats(n_seats);
  for (std::size_t seat = 0; seat < n_seats && !gpus.empty(); ++seat) {
    seats[seat].cuda_device = gpus[seat % gpus.size()];
  }
  return seats;
}

// Every agent plans the whole host in the same way and takes its own part.
void bind(std::vector<SeatPlan>& mine, const HostResources& host, const SlotRequest& request) {
  std::vector<SeatToBind> all;
  std::size_t first_of_mine = 0;
  for (std::int32_t agent = 0; agent < std::max(host.agents_on_host, 1); ++agent) {
    if (agent == host.agent_index) first_of_mine = all.size();
    for (const SeatPlan& seat : seats_of(host, request, static_cast<std::size_t>(agent))) {
      all.push_back({seat.cuda_device});
    }
  }
  const auto bound = bind_seats(host.topology, request.bind, request.threads, all);
  for (std::size_t seat = 0; seat < mine.size(); ++seat) {
    mine[seat].cpus = bound[first_of_mine + seat];
  }
}

}  // namespace

HostResources look_at_host(std::int32_t agents_on_host, std::int32_t agent_index) {
  HostTopology topology = read_topology();
  const auto cores = std::max<std::int64_t>(static_cast<std::int64_t>(topology.cpus.size()), 1);
  return {visible_gpus(), cores, agents_on_host, agent_index, std::move(topology)};
}

AgentPlan plan_agent(const HostResources& host, const SlotRequest& request) {
  const std::string& device = request.device;
  if (device != "auto" && device != "cpu" && device != "cuda") {
    throw UsageError(fmt::format("unknown device '{}'; expected auto, cpu or cuda", device));
  }
  const bool on_gpus = device != "cpu" && !host.gpus.empty();
  if (device == "cuda" && !on_gpus) {
    throw UsageError(
        fmt::format("device cuda was asked for, but {} shows no NVIDIA GPU (CUDA_VISIBLE_DEVICES, "
                    "/dev/nvidia*); use --device cpu, or run where there is one",
                    host_name()));
  }
  // A trainer sees one GPU only, so that one is number 0 to it.
  const std::string trainer_device = !on_gpus ? "cpu" : device == "cuda" ? "cuda:0" : "auto";
  AgentPlan plan{on_gpus ? "cuda" : "cpu", trainer_device,
                 seats_of(host, request, static_cast<std::size_t>(host.agent_index))};
  bind(plan.seats, host, request);
  return plan;
}

}  // namespace calsweep::orchestrator
