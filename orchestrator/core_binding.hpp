// Which CPUs each trainer of a host may use: the host's topology read from the kernel, and a pure
// function from topology, seats and wish to a list of CPUs per seat.
//
// CPUs are what the kernel numbers: with simultaneous multithreading, two of them share a core. All
// agents of a host are planned together, from the same facts, so that they agree without a word.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace calsweep::orchestrator {

enum class BindMode {
  Auto,   ///< Numa if this process may use CPUs of several NUMA nodes, else None
  None,   ///< trainers inherit what the agent may use
  Cores,  ///< each seat its own CPUs, as many as its trainer has threads
  Numa    ///< each seat all CPUs of one NUMA node: of its GPU's, else spread evenly
};
/// "auto", "none", "cores" or "numa". Throws UsageError for anything else.
BindMode bind_mode_from(std::string_view text);

using CpuList = std::vector<int>;  ///< ascending

struct HostTopology {
  CpuList cpus;                             ///< this process may use
  std::vector<CpuList> nodes;               ///< of those, by NUMA node; nodes without any left out
  std::map<std::string, std::size_t> gpus;  ///< GPU -> index into `nodes`, where it is known
};

/// Where the kernel tells about itself; tests have their own.
struct KernelFolders {
  std::filesystem::path sys = "/sys", proc = "/proc", dev = "/dev";
};
/// CPUs of this process, NUMA nodes, and the node of every NVIDIA GPU both by number (order of the
/// PCI bus, as CUDA counts equal GPUs) and by UUID. What cannot be read is left out.
HostTopology read_topology(const KernelFolders& kernel = {});
HostTopology read_topology(const KernelFolders& kernel, CpuList allowed);

/// The kernel's notation "0-3,8": empty for text that is none.
CpuList parse_cpu_list(std::string_view text);
std::string to_string(const CpuList& cpus);  ///< the same notation

struct SeatToBind {
  std::string gpu;  ///< as in HostTopology::gpus; empty: a CPU seat
};
/// CPUs for every seat of a host, in the order of `seats`; an empty list: not bound. Throws
/// UsageError if Cores needs more CPUs than there are.
std::vector<CpuList> bind_seats(const HostTopology& host, BindMode mode, std::int64_t threads,
                                const std::vector<SeatToBind>& seats);

}  // namespace calsweep::orchestrator
