#include "orchestrator/oom_kills.hpp"

#include <fstream>
#include <string>

namespace calsweep::orchestrator {

std::int64_t oom_kills_on_this_host() {
  std::ifstream counters("/proc/vmstat");
  std::string name;
  for (std::int64_t value = 0; counters >> name >> value;) {
    if (name == "oom_kill") return value;
  }
  return 0;
}

}  // namespace calsweep::orchestrator
