// How many trainers an agent runs, and on what: GPUs if wanted and visible, else a share of the
// cores.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace calsweep::orchestrator {

/// One seat for one trainer.
struct SeatPlan {
  std::string cuda_device;  ///< value for CUDA_VISIBLE_DEVICES; empty: leave as inherited
};
struct AgentPlan {
  std::string device;          ///< "cpu" or "cuda"
  std::string trainer_device;  ///< what calsweep-trainer is told: "cpu", "cuda:0" or "auto"
  std::vector<SeatPlan> seats;
};

/// What there is on this host, for one agent among several.
struct HostResources {
  std::vector<std::string> gpus;    ///< names for CUDA_VISIBLE_DEVICES
  std::int64_t cores = 1;           ///< this process may use
  std::int32_t agents_on_host = 1;  ///< with at least one slot
  std::int32_t agent_index = 0;     ///< of this one, from 0
};
HostResources look_at_host(std::int32_t agents_on_host, std::int32_t agent_index);

/// `slots` 0: one per GPU, or (cores / threads) shared among the host's agents, at least one.
/// `device`: "auto", "cpu" or "cuda". Throws UsageError for another one, or "cuda" without a GPU.
AgentPlan plan_agent(const HostResources& host, std::int32_t slots, const std::string& device,
                     std::int64_t threads);

}  // namespace calsweep::orchestrator
