#include "orchestrator/gpu_sharing.hpp"

#include <fmt/core.h>

#include "orchestrator/utc_time.hpp"

namespace calsweep::orchestrator {

std::optional<std::string> crowded_gpus(const HostResources& host, const std::string& device) {
  const auto n_gpus = static_cast<std::int64_t>(host.gpus.size());
  if (device == "cpu" || n_gpus == 0 || host.agents_on_host <= n_gpus) return std::nullopt;
  return fmt::format(
      "{} agents share {} GPU{} on {}: each has a trainer, so GPUs are oversubscribed. One rank "
      "per "
      "host serves all its GPUs (mpirun --map-by node, srun --distribution=cyclic); to share a GPU "
      "on purpose, say --slots-per-gpu instead",
      host.agents_on_host, n_gpus, n_gpus == 1 ? "" : "s", host_name());
}

}  // namespace calsweep::orchestrator
