#include "orchestrator/core_binding.hpp"

#include <fmt/core.h>
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <set>

#include "orchestrator/utc_time.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::orchestrator {
namespace {

namespace fs = std::filesystem;

constexpr int kMostCpus = 1 << 16;  // a larger number is damage, not a machine

CpuList allowed_cpus() {
  for (int n = 1024; n <= kMostCpus; n *= 2) {
    cpu_set_t* set = CPU_ALLOC(static_cast<std::size_t>(n));
    if (set == nullptr) return {};
    const std::size_t bytes = CPU_ALLOC_SIZE(static_cast<std::size_t>(n));
    CpuList cpus;
    const bool ok = ::sched_getaffinity(0, bytes, set) == 0;
    const bool larger = !ok && errno == EINVAL;  // the kernel knows more CPUs than fit
    for (int cpu = 0; ok && cpu < n; ++cpu) {
      if (CPU_ISSET_S(static_cast<std::size_t>(cpu), bytes, set)) cpus.push_back(cpu);
    }
    CPU_FREE(set);
    if (!larger) return cpus;
  }
  return {};
}

std::string first_line(const fs::path& file) {
  std::ifstream stream(file);
  std::string line;
  std::getline(stream, line);
  return line;
}

std::optional<int> number_in(std::string_view text) {
  int value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value).ptr;
  return end == text.data() ? std::nullopt : std::optional(value);
}

// Folders of `parent` whose name is `prefix` and a number, by that number.
std::map<int, fs::path> numbered_folders(const fs::path& parent, std::string_view prefix) {
  std::map<int, fs::path> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(parent, error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(prefix)) continue;
    const auto number = number_in(std::string_view(name).substr(prefix.size()));
    if (number) found[*number] = entry.path();
  }
  return found;
}

// One value of /proc/driver/nvidia/gpus/<address>/information, "Key: \t value".
std::string information(const fs::path& folder, std::string_view key) {
  std::ifstream stream(folder / "information");
  for (std::string line; std::getline(stream, line);) {
    if (!line.starts_with(key)) continue;
    const auto begin = line.find_first_not_of(": \t", key.size());
    if (begin == std::string::npos) return "";
    return line.substr(begin, line.find_last_not_of(" \t") - begin + 1);
  }
  return "";
}

// Maps numbers of the kernel's nodes to indices into `nodes`.
void add_gpus(const KernelFolders& kernel, const std::map<int, std::size_t>& node_index,
              HostTopology& host) {
  std::set<fs::path> by_address;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(kernel.proc / "driver/nvidia/gpus", error)) {
    by_address.insert(entry.path());
  }
  int number = 0;
  for (const fs::path& folder : by_address) {
    // A container shows the devices it was given only, and CUDA counts those.
    const std::string minor = information(folder, "Device Minor");
    if (!fs::exists(kernel.dev / ("nvidia" + minor), error)) continue;
    const std::string name = std::to_string(number++);
    const std::string address = information(folder, "Bus Location");
    const auto node = number_in(first_line(kernel.sys / "bus/pci/devices" / address / "numa_node"));
    if (!node || !node_index.contains(*node)) continue;  // -1: the firmware does not say
    host.gpus[name] = node_index.at(*node);
    const std::string uuid = information(folder, "GPU UUID");
    if (!uuid.empty()) host.gpus[uuid] = node_index.at(*node);
  }
}

[[noreturn]] void refuse_cores(std::size_t seats, std::size_t threads, std::size_t cpus) {
  throw UsageError(fmt::format(
      "--bind cores gives every slot its own cores, but {} slots of {} threads need {} and {} "
      "allows {}: ask for fewer slots (--slots) or threads (execution.threads), or for --bind numa "
      "or none",
      seats, threads, seats * threads, host_name(), cpus));
}

// Each seat takes `n` CPUs that nobody has yet, of its GPU's node while there are any.
std::vector<CpuList> bind_to_cores(const HostTopology& host, std::size_t n,
                                   const std::vector<SeatToBind>& seats) {
  if (seats.size() * n > host.cpus.size()) refuse_cores(seats.size(), n, host.cpus.size());
  std::set<int> left(host.cpus.begin(), host.cpus.end());
  std::vector<CpuList> bound(seats.size());
  const auto take = [&](CpuList& mine, const CpuList& from) {
    for (const int cpu : from) {
      if (mine.size() < n && left.erase(cpu) > 0) mine.push_back(cpu);
    }
  };
  // First whoever has a node to be near to; then the others, who must not take it from them.
  for (std::size_t seat = 0; seat < seats.size(); ++seat) {
    const auto gpu = host.gpus.find(seats[seat].gpu);
    if (gpu != host.gpus.end()) take(bound[seat], host.nodes[gpu->second]);
  }
  for (CpuList& mine : bound) {
    // Within one node if one has room.
    for (const CpuList& node : host.nodes) {
      const auto free =
          std::count_if(node.begin(), node.end(), [&](int cpu) { return left.contains(cpu); });
      if (mine.empty() && static_cast<std::size_t>(free) >= n) take(mine, node);
    }
    take(mine, CpuList(left.begin(), left.end()));
    std::sort(mine.begin(), mine.end());
  }
  return bound;
}

std::vector<CpuList> bind_to_nodes(const HostTopology& host, const std::vector<SeatToBind>& seats) {
  std::vector<CpuList> bound(seats.size());
  std::vector<double> load(host.nodes.size(), 0.0);  // seats per CPU
  const auto put = [&](std::size_t seat, std::size_t node) {
    bound[seat] = host.nodes[node];
    load[node] += 1.0 / static_cast<double>(host.nodes[node].size());
  };
  for (std::size_t seat = 0; seat < seats.size(); ++seat) {
    const auto gpu = host.gpus.find(seats[seat].gpu);
    if (gpu != host.gpus.end()) put(seat, gpu->second);
  }
  for (std::size_t seat = 0; seat < seats.size() && !host.nodes.empty(); ++seat) {
    if (!bound[seat].empty()) continue;
    const auto idlest = std::min_element(load.begin(), load.end());
    put(seat, static_cast<std::size_t>(idlest - load.begin()));
  }
  return bound;
}

}  // namespace

BindMode bind_mode_from(std::string_view text) {
  if (text == "auto") return BindMode::Auto;
  if (text == "none") return BindMode::None;
  if (text == "cores") return BindMode::Cores;
  if (text == "numa") return BindMode::Numa;
  throw UsageError(fmt::format("--bind knows no '{}'; expected auto, none, cores or numa", text));
}

CpuList parse_cpu_list(std::string_view text) {
  std::set<int> cpus;
  while (!text.empty()) {
    const auto part = text.substr(0, text.find(','));
    text.remove_prefix(std::min(part.size() + 1, text.size()));
    const auto dash = part.find('-');
    const auto first = number_in(part);
    const auto last = dash == std::string_view::npos ? first : number_in(part.substr(dash + 1));
    if (!first || !last || *first < 0 || *last < *first || *last >= kMostCpus) return {};
    for (int cpu = *first; cpu <= *last; ++cpu) cpus.insert(cpu);
  }
  return {cpus.begin(), cpus.end()};
}

std::string to_string(const CpuList& cpus) {
  std::string text;
  for (std::size_t i = 0; i < cpus.size();) {
    std::size_t end = i + 1;
    while (end < cpus.size() && cpus[end] == cpus[end - 1] + 1) ++end;
    text += fmt::format("{}{}", text.empty() ? "" : ",", cpus[i]);
    if (end - i > 1) text += fmt::format("-{}", cpus[end - 1]);
    i = end;
  }
  return text;
}

HostTopology read_topology(const KernelFolders& kernel) {
  return read_topology(kernel, allowed_cpus());
}

HostTopology read_topology(const KernelFolders& kernel, CpuList allowed) {
  HostTopology host;
  host.cpus = std::move(allowed);
  std::map<int, std::size_t> node_index;
  for (const auto& [number, folder] : numbered_folders(kernel.sys / "devices/system/node", "node")) {
    CpuList mine;
    const CpuList all = parse_cpu_list(first_line(folder / "cpulist"));
    std::set_intersection(all.begin(), all.end(), host.cpus.begin(), host.cpus.end(),
                          std::back_inserter(mine));
    if (mine.empty()) continue;
    node_index[number] = host.nodes.size();
    host.nodes.push_back(std::move(mine));
  }
  add_gpus(kernel, node_index, host);
  return host;
}

std::vector<CpuList> bind_seats(const HostTopology& host, BindMode mode, std::int64_t threads,
                                const std::vector<SeatToBind>& seats) {
  if (mode == BindMode::Auto) mode = host.nodes.size() > 1 ? BindMode::Numa : BindMode::None;
  if (mode == BindMode::Numa) return bind_to_nodes(host, seats);
  if (mode == BindMode::None) return std::vector<CpuList>(seats.size());
  return bind_to_cores(host, static_cast<std::size_t>(std::max<std::int64_t>(threads, 1)), seats);
}

}  // namespace calsweep::orchestrator
