// `calsweep doctor`: GPUs and their users, left-over trainers, cores, memory, trainer, data sets.
#include <fmt/core.h>
#include <pwd.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "orchestrator/doctor.hpp"
#include "orchestrator/helper_program.hpp"
#include "sweeps/datasets.hpp"
#include "sweeps/version.hpp"

namespace calsweep::orchestrator {
namespace {

namespace fs = std::filesystem;

constexpr double kGibibyte = 1024.0 * 1024.0 * 1024.0;

std::vector<std::string> fields_of(const std::string& line) {
  std::vector<std::string> fields;
  std::istringstream stream(line);
  for (std::string field; std::getline(stream, field, ',');) fields.push_back(trimmed(field));
  return fields;
}

std::string first_line_in(const fs::path& file) {
  std::ifstream stream(file);
  std::string line;
  std::getline(stream, line);
  return line;
}

// "user name" who owns a process; empty if it is gone (or hidden, as in another namespace).
std::string owner_of(const std::string& pid) {
  struct stat info {};
  if (::stat(("/proc/" + pid).c_str(), &info) != 0) return "";
  const passwd* user = ::getpwuid(info.st_uid);
  return user == nullptr ? std::to_string(info.st_uid) : user->pw_name;
}

bool is_mine(const std::string& pid) {
  struct stat info {};
  return ::stat(("/proc/" + pid).c_str(), &info) == 0 && info.st_uid == ::geteuid();
}

HelperResult ask_nvidia(const std::string& query) {
  return run_helper({"nvidia-smi", query, "--format=csv,noheader,nounits"},
                    {.timeout_seconds = 20.0});
}

Finding examine_gpu(const std::vector<std::string>& gpu) {
  const auto& [index, name, used, total, busy] = std::tie(gpu[0], gpu[1], gpu[2], gpu[3], gpu[4]);
  const auto text = fmt::format("{}: {} of {} MiB in use, {} % busy", name, used, total, busy);
  const bool taken =
      std::atof(used.c_str()) > 0.1 * std::atof(total.c_str()) || std::atoi(busy.c_str()) > 10;
  if (!taken) return {Verdict::Ok, "GPU " + index, text, ""};
  return {Verdict::Warning, "GPU " + index, text,
          "someone computes there; hide it with CUDA_VISIBLE_DEVICES, or wait"};
}

Finding examine_gpu_process(const std::vector<std::string>& process) {
  const auto& pid = process[0];
  const auto owner = owner_of(pid);
  const auto text = fmt::format("process {} ({}, {} MiB){}", pid, process[1], process[2],
                                owner.empty() ? "" : " of " + owner);
  if (owner.empty() || !is_mine(pid)) {
    return {Verdict::Warning, "GPU process", text,
            "not yours: share out the GPUs, or use another node"};
  }
  return {Verdict::Warning, "GPU process", text, "yours: if it is not meant to run, end it"};
}

std::vector<Finding> examine_gpus() {
  const auto gpus = ask_nvidia("--query-gpu=index,name,memory.used,memory.total,utilization.gpu");
  if (gpus.end == HelperResult::End::NotFound) {
    std::error_code ignored;
    if (fs::exists("/dev/nvidia0", ignored)) {
      return {{Verdict::Warning, "GPUs", "there is /dev/nvidia0, but no nvidia-smi to ask",
               "install it, or look yourself who uses the GPU"}};
    }
    return {{Verdict::Ok, "GPUs", "none here; trainers use the cores", ""}};
  }
  if (!gpus.succeeded()) {
    return {{Verdict::Failure, "GPUs",
             fmt::format("nvidia-smi fails: {}", trimmed(gpus.output + gpus.errors)),
             "the driver is not well: reboot this node or leave it out (sbatch --exclude)"}};
  }
  std::vector<Finding> findings;
  std::istringstream lines(gpus.output);
  for (std::string line; std::getline(lines, line);) {
    if (const auto gpu = fields_of(line); gpu.size() == 5) findings.push_back(examine_gpu(gpu));
  }
  std::istringstream users(ask_nvidia("--query-compute-apps=pid,process_name,used_memory").output);
  for (std::string line; std::getline(users, line);) {
    if (const auto user = fields_of(line); user.size() == 3)
      findings.push_back(examine_gpu_process(user));
  }
  return findings;
}

std::string command_name(const std::string& pid) { return first_line_in("/proc/" + pid + "/comm"); }

std::string parent_of(const std::string& pid) {
  const auto stat = first_line_in("/proc/" + pid + "/stat");
  const auto name_end = stat.rfind(')');
  if (name_end == std::string::npos) return "";
  std::istringstream fields(stat.substr(name_end + 1));
  std::string state, parent;
  fields >> state >> parent;
  return state == "Z" ? "" : parent;
}

Finding examine_orphans() {
  std::string orphans;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const auto pid = entry.path().filename().string();
    if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
    if (command_name(pid) != std::string("calsweep-trainer").substr(0, 15)) continue;
    const auto parent = parent_of(pid);
    if (!parent.empty() && command_name(parent) != "calsweep") orphans += " " + pid;
  }
  if (orphans.empty()) return {Verdict::Ok, "trainers", "none without its calsweep", ""};
  return {Verdict::Warning, "trainers", "left over, their calsweep is gone:" + orphans,
          "if nobody debugs them: kill" + orphans};
}

// The smallest memory limit of a control group above this process, in bytes; 0: none.
double memory_limit() {
  double limit = 0.0;
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const auto name = line.find(':'), path = line.rfind(':');
    const auto controllers = line.substr(name + 1, path - name - 1);
    const bool unified = controllers.empty();
    if (!unified && controllers.find("memory") == std::string::npos) continue;
    const fs::path root = unified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
    const char* file = unified ? "memory.max" : "memory.limit_in_bytes";
    for (fs::path group = root / fs::path(line.substr(path + 1)).relative_path();;
         group = group.parent_path()) {
      const double bytes = std::atof(first_line_in(group / file).c_str());
      if (bytes > 0.0 && bytes < 1e17 && (limit == 0.0 || bytes < limit)) limit = bytes;
      if (group == root || !group.has_relative_path()) break;
    }
  }
  return limit;
}

double available_memory() {
  std::ifstream memory("/proc/meminfo");
  for (std::string line; std::getline(memory, line);) {
    if (line.starts_with("MemAvailable:")) return std::atof(line.c_str() + 13) * 1024.0;
  }
  return 0.0;
}

Finding examine_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  const int mine = ::sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  const long all = ::sysconf(_SC_NPROCESSORS_ONLN);
  if (mine < all && mine == 1) {
    return {Verdict::Warning, "cores", fmt::format("this process may use 1 of {}", all),
            "mpirun binds ranks unless told --bind-to none; a job gets more with --cpus-per-task"};
  }
  return {Verdict::Ok, "cores", fmt::format("{} of {} may be used", mine, all), ""};
}

Finding examine_memory() {
  const double limit = memory_limit(), available = available_memory();
  auto text = fmt::format("{:.1f} GiB available", available / kGibibyte);
  if (limit > 0.0)
    text += fmt::format(", limited to {:.1f} GiB by a control group", limit / kGibibyte);
  const double usable = limit > 0.0 ? std::min(limit, available) : available;
  if (usable > 2.0 * kGibibyte) return {Verdict::Ok, "memory", text, ""};
  return {Verdict::Warning, "memory", "only " + text, "ask for more (--mem), or use fewer slots"};
}

Finding examine_trainer(const fs::path& trainer) {
  const auto answer = run_helper({trainer.string(), "--version"}, {.timeout_seconds = 120.0});
  if (answer.end == HelperResult::End::NotFound) {
    return {Verdict::Failure, "trainer", fmt::format("{} is not there", trainer.string()),
            "build it (./quickstart does), or name another with calsweep run --trainer"};
  }
  if (!answer.succeeded()) {
    return {Verdict::Failure, "trainer",
            fmt::format("{} does not start: {}", trainer.string(), trimmed(answer.errors)),
            "a missing library? ask ldd; nodes may have others than this host"};
  }
  const auto said = trimmed(answer.output);
  if (said.find(std::string(version())) == std::string::npos) {
    return {Verdict::Warning, "trainer",
            fmt::format("{}, but this is calsweep {}", said, version()),
            "build both together (ninja in the build folder)"};
  }
  return {Verdict::Ok, "trainer", said, ""};
}

Finding examine_data() {
  std::string found, missing;
  for (const auto& set : known_datasets()) {
    const bool here = !find_dataset_folder(set.name, "").empty();
    (here ? found : missing) += (here ? found : missing).empty() ? "" : ", ";
    (here ? found : missing) += set.name;
  }
  if (!found.empty()) {
    return {Verdict::Ok, "data sets",
            found + (missing.empty() ? "" : fmt::format(" (not here: {})", missing)), ""};
  }
  return {Verdict::Warning, "data sets", fmt::format("none found (known: {})", missing),
          "set CALSWEEP_DATA to the folder that holds them; docs/data.md says how to get them"};
}

}  // namespace

std::vector<Finding> examine_machine() {
  auto findings = examine_gpus();
  findings.push_back(examine_orphans());
  findings.push_back(examine_cores());
  findings.push_back(examine_memory());
  return findings;
}

std::vector<Finding> examine_software(const fs::path& trainer) {
  return {examine_trainer(trainer), examine_data()};
}

}  // namespace calsweep::orchestrator
