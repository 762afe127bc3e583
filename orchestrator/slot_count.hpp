// How many trainers an agent runs, and on what: GPUs if wanted and visible, else a share of the
// cores; and which CPUs each of them is bound to (core_binding.hpp).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "orchestrator/core_binding.hpp"

namespace calsweep::orchestrator {

/// One seat for one trainer.
struct SeatPlan {
  std::string cuda_device;  ///< value for CUDA_VISIBLE_DEVICES; empty: leave as inherited
  CpuList cpus;             ///< to bind the trainer to; empty: leave as inherited
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
  HostTopology topology;            ///< empty: nothing is bound to NUMA nodes
};
HostResources look_at_host(std::int32_t agents_on_host, std::int32_t agent_index);

/// What the user asked for.
struct SlotRequest {
  std::int32_t slots = 0;          ///< per agent; 0: as many as fit
  std::int32_t slots_per_gpu = 1;  ///< where `slots` is 0 and there are GPUs
  std::string device = "auto";     ///< "auto", "cpu" or "cuda"
  std::int64_t threads = 1;        ///< of each trainer
  BindMode bind = BindMode::Auto;
};

/// Without a number of slots: `slots_per_gpu` for each GPU, or (cores / threads) shared among the
/// host's agents, at least one. Throws UsageError for another device, for "cuda" without a GPU, and
/// if the seats of all agents of this host need more cores than BindMode::Cores finds.
AgentPlan plan_agent(const HostResources& host, const SlotRequest& request);

}  // namespace calsweep::orchestrator
