// Whether the kernel killed for memory: what tells such a SIGKILL from any other.
#pragma once

#include <cstdint>

namespace calsweep::orchestrator {

/// Processes the kernel has killed for lack of memory since boot, in any control group (oom_kill in
/// /proc/vmstat); 0 if the kernel does not say.
std::int64_t oom_kills_on_this_host();

}  // namespace calsweep::orchestrator
