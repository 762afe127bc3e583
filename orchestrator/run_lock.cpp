#include "orchestrator/run_lock.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "orchestrator/utc_time.hpp"
#include "orchestrator/walltime.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/json_integer.hpp"
#include "sweeps/log.hpp"

namespace calsweep::orchestrator {
namespace {

constexpr int kLockVersion = 1;
constexpr double kBeatSeconds = 5.0;
constexpr std::size_t kContentBytes = 512;  // fixed, so that a heartbeat never changes the length

struct Holder {
  bool held = false;
  std::string host, job, since;
  std::int64_t pid = 0;
  std::string process_started;
  double heartbeat = 0.0;
};

// Field 22 of /proc/<pid>/stat: start time in clock ticks since boot; tells a reused pid apart.
// Empty for a process that is gone or only waits to be reaped.
std::string process_start(std::int64_t pid) {
  std::ifstream stat(fmt::format("/proc/{}/stat", pid));
  std::string line;
  if (!std::getline(stat, line)) return "";
  const auto name_end = line.rfind(')');
  if (name_end == std::string::npos) return "";
  std::istringstream fields(line.substr(name_end + 1));
  std::string field;
  for (int number = 3; number <= 22; ++number) {
    fields >> field;
    if (number == 3 && (field == "Z" || field == "X")) return "";
  }
  return field;
}

bool is_running(const Holder& holder) {
  const std::string started = process_start(holder.pid);
  return !started.empty() && started == holder.process_started;
}

Holder read_holder(int fd) {
  char buffer[kContentBytes + 1] = {};
  const ssize_t n = ::pread(fd, buffer, kContentBytes, 0);
  if (n <= 0) return {};
  try {
    const auto object = nlohmann::json::parse(std::string(buffer, static_cast<std::size_t>(n)));
    return {object.at("state") == "held",
            object.at("host").get<std::string>(),
            object.at("job").get<std::string>(),
            object.at("since").get<std::string>(),
            integer_at<std::int64_t>(object, "pid"),
            object.at("process_started").get<std::string>(),
            object.at("heartbeat").get<double>()};
  } catch (const nlohmann::json::exception&) {
    return {};  // torn or foreign content says nothing; the lock itself decides
  } catch (const FormatError&) {
    return {};
  }
}

std::string describe(const Holder& holder) {
  if (holder.host.empty()) return "another process";
  return fmt::format("process {} on {}{} (since {}, last sign of life {:.0f} s ago)", holder.pid,
                     holder.host, holder.job.empty() ? "" : ", job " + holder.job, holder.since,
                     unix_seconds() - holder.heartbeat);
}

[[noreturn]] void refuse_living(const std::filesystem::path& file, const Holder& holder) {
  throw UsageError(fmt::format("the run directory {} is in use by {}: wait for it, or stop it",
                               file.parent_path().string(), describe(holder)));
}

// A job that Slurm has given up may live on where the network is cut: while its heartbeat moves, it
// still writes here. One that is old by the clock needs no watching.
bool stands_still(const std::filesystem::path& file, int fd, const Holder& holder,
                  double watch_seconds) {
  if (unix_seconds() - holder.heartbeat > 3.0 * kBeatSeconds) return true;
  log::info(fmt::format("{} was held by {}; watching for {:.0f} s whether it still moves",
                        file.string(), describe(holder), watch_seconds));
  const double deadline = steady_seconds() + watch_seconds;
  while (steady_seconds() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    if (read_holder(fd).heartbeat != holder.heartbeat) return false;
  }
  return true;
}

bool job_is_over(const Holder& holder) {
  const auto state = job_state(holder.job);
  return state && !may_have_processes(*state);
}

enum class TryLock { Got, Held, Unsupported };

TryLock try_lock(int fd) {
  struct flock region {};
  region.l_type = F_WRLCK;
  region.l_whence = SEEK_SET;
  if (::fcntl(fd, F_OFD_SETLK, &region) == 0) return TryLock::Got;
  return errno == EAGAIN || errno == EACCES ? TryLock::Held : TryLock::Unsupported;
}

}  // namespace

std::string job_id() {
  for (const char* name : {"SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID"}) {
    if (const char* value = std::getenv(name)) return value;
  }
  return "";
}

RunLock::RunLock(std::filesystem::path file, const LockOptions& options)
    : file_(std::move(file)), since_(utc_now()) {
  fd_ = ::open(file_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd_ < 0) {
    throw IoError(fmt::format("cannot open the lock {}: {}; the run directory must be writable",
                              file_.string(), std::strerror(errno)));
  }
  try {
    acquire(options);
    write_content(true);
  } catch (...) {
    ::close(fd_);
    throw;
  }
}

RunLock::~RunLock() {
  try {
    write_content(false);
  } catch (const IoError&) {
    // The lock itself goes with the descriptor; the content is only for people.
  }
  ::close(fd_);
}

void RunLock::acquire(const LockOptions& options) {
  // An earlier start of this very job is about to be killed by Slurm, however long that takes.
  const bool ours = !job_id().empty() && read_holder(fd_).job == job_id();
  const double wait_seconds = ours ? options.wait_for_own_job_seconds : options.wait_seconds;
  const double deadline = steady_seconds() + wait_seconds;
  bool told = false;
  while (true) {
    const TryLock result = try_lock(fd_);
    if (result == TryLock::Unsupported) {
      log::warning(
          fmt::format("{}: no file locks here ({}); only the heartbeat guards this run "
                      "directory against a second run",
                      file_.string(), std::strerror(errno)));
    }
    if (result != TryLock::Held) return judge_previous_holder(options, result == TryLock::Got);
    if (steady_seconds() > deadline) {
      throw UsageError(
          fmt::format("the run directory {} is in use by {}: wait for it, or stop it; "
                      "`calsweep status` shows what it does",
                      file_.parent_path().string(), describe(read_holder(fd_))));
    }
    if (!told) {
      log::info(fmt::format("{} is held by {}; waiting up to {:.0f} s for it to go away",
                            file_.string(), describe(read_holder(fd_)), wait_seconds));
      told = true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

void RunLock::judge_previous_holder(const LockOptions& options, bool locked) {
  const Holder holder = read_holder(fd_);
  if (!holder.held) return;
  const bool same_job = !holder.job.empty() && holder.job == job_id();
  // On one host the lock itself is proof enough; without locks the process table is asked.
  if (holder.host == host_name() && (locked || !is_running(holder))) {
    log::info(
        fmt::format("the previous run, process {} of {}, ended without tidying up; its lock is "
                    "taken over",
                    holder.pid, holder.since));
    return;
  }
  if (same_job || job_is_over(holder)) {
    if (!stands_still(file_, fd_, holder, options.watch_seconds)) refuse_living(file_, holder);
    log::info(same_job
                  ? fmt::format("job {} was restarted; the lock of its earlier start on {} is "
                                "taken over",
                                holder.job, holder.host)
                  : fmt::format("the lock was held by {}; Slurm says that this job has ended, so "
                                "it is taken over",
                                describe(holder)));
    return;
  }
  const double silence = unix_seconds() - holder.heartbeat;
  if (silence > options.silent_seconds && options.take_over) {
    log::warning(fmt::format("the lock of {} is taken over as asked", describe(holder)));
    return;
  }
  if (silence > options.silent_seconds) {
    throw UsageError(fmt::format(
        "the run directory {} was last used by {}, which has gone silent; if it is certainly gone, "
        "run the same command with --take-over",
        file_.parent_path().string(), describe(holder)));
  }
  refuse_living(file_, holder);
}

void RunLock::write_content(bool held) {
  const nlohmann::json object = {{"version", kLockVersion},
                                 {"state", held ? "held" : "released"},
                                 {"host", host_name()},
                                 {"pid", ::getpid()},
                                 {"process_started", process_start(::getpid())},
                                 {"job", job_id()},
                                 {"since", since_},
                                 {"heartbeat", unix_seconds()}};
  std::string content = object.dump();
  content.resize(kContentBytes - 1, ' ');
  content += '\n';
  if (::pwrite(fd_, content.data(), content.size(), 0) != static_cast<ssize_t>(content.size())) {
    throw IoError(
        fmt::format("cannot write the lock {}: {}", file_.string(), std::strerror(errno)));
  }
  last_beat_ = steady_seconds();
}

void RunLock::beat() {
  if (steady_seconds() - last_beat_ < kBeatSeconds) return;
  try {
    write_content(true);
  } catch (const IoError& error) {
    last_beat_ = steady_seconds();
    log::warning(error.what());
  }
}

}  // namespace calsweep::orchestrator
