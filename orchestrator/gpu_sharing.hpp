// More agents on a host than GPUs: a mistake of the launch, which works, slowly.
#pragma once

#include <optional>
#include <string>

#include "orchestrator/slot_count.hpp"

namespace calsweep::orchestrator {

/// What to say about it and what to do; empty where every agent has a GPU of its own, where there
/// are none, or where the CPU was asked for.
std::optional<std::string> crowded_gpus(const HostResources& host, const std::string& device);

}  // namespace calsweep::orchestrator
