#include "orchestrator/trainer_process.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "orchestrator/core_binding.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/trainer_protocol.hpp"

extern char** environ;

namespace calsweep::orchestrator {
namespace {

constexpr std::size_t kLongestLine = std::size_t{64} << 20;

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { reset(); }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    reset();
    fd_ = std::exchange(other.fd_, -1);
    return *this;
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  void reset() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_ = -1;
};

struct Pipe {
  Descriptor read_end, write_end;
};

// All descriptors lie above 9, so that the child's dup2 onto 0-3 never hits one of them.
Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    throw IoError(fmt::format("cannot make a pipe to a trainer: {}", std::strerror(errno)));
  }
  const Descriptor low_read(ends[0]), low_write(ends[1]);
  Pipe pipe{Descriptor(::fcntl(low_read.get(), F_DUPFD_CLOEXEC, 10)),
            Descriptor(::fcntl(low_write.get(), F_DUPFD_CLOEXEC, 10))};
  if (pipe.read_end.get() < 0 || pipe.write_end.get() < 0) {
    throw IoError(fmt::format("cannot make a pipe to a trainer: {}", std::strerror(errno)));
  }
  return pipe;
}

bool belongs_to_launcher(std::string_view variable) {
  for (const std::string_view prefix : {"OMPI_", "PMIX_", "PMI_", "ORTE_", "OPAL_", "SLURM_"}) {
    if (variable.starts_with(prefix)) return true;
  }
  return false;
}

std::vector<std::string> make_environment(const std::map<std::string, std::string>& added) {
  std::vector<std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::string name(text.substr(0, text.find('=')));
    if (!belongs_to_launcher(name) && !added.contains(name)) variables.emplace_back(text);
  }
  for (const auto& [name, value] : added) variables.push_back(name + "=" + value);
  return variables;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

// A CPU mask of any size for sched_setaffinity; empty: nothing to bind to.
std::vector<unsigned long> cpu_mask(const std::vector<int>& cpus) {
  constexpr std::size_t kBits = 8 * sizeof(unsigned long);
  std::vector<unsigned long> mask;
  for (const int cpu : cpus) {
    const auto at = static_cast<std::size_t>(cpu);
    if (mask.size() <= at / kBits) mask.resize(at / kBits + 1, 0);
    mask[at / kBits] |= 1UL << (at % kBits);
  }
  return mask;
}

struct ChildPlan {
  const char* program;
  char* const* arguments;
  char* const* environment;
  int command_fd, reply_fd, log_fd, error_fd;
  pid_t parent;
  const unsigned long* cpus;
  std::size_t cpus_bytes;  // 0: not bound
};

// Between fork and exec: async-signal-safe calls only. A failure is reported as an errno.
[[noreturn]] void become_trainer(const ChildPlan& plan) {
  const auto give_up = [&] {
    const int code = errno;
    const ssize_t ignored = ::write(plan.error_fd, &code, sizeof code);
    static_cast<void>(ignored);
    ::_exit(127);
  };
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != plan.parent) ::_exit(127);
  ::setpgid(0, 0);
  if (plan.cpus_bytes > 0 &&
      ::syscall(SYS_sched_setaffinity, 0, plan.cpus_bytes, plan.cpus) != 0) {
    give_up();
  }
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
  // Slurm sends a step's signals to every descendant: the agent is the one who reacts.
  ::signal(SIGUSR1, SIG_IGN);
  ::signal(SIGUSR2, SIG_IGN);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (::dup2(plan.command_fd, 0) < 0 || ::dup2(plan.log_fd, 1) < 0 || ::dup2(plan.log_fd, 2) < 0 ||
      ::dup2(plan.reply_fd, kTrainerReplyFd) < 0) {
    give_up();
  }
  ::close_range(kTrainerReplyFd + 1, ~0U, CLOSE_RANGE_CLOEXEC);
  ::execve(plan.program, plan.arguments, plan.environment);
  give_up();
  ::_exit(127);
}

}  // namespace

std::string describe_wait_status(int status) {
  if (WIFEXITED(status)) return fmt::format("exit code {}", WEXITSTATUS(status));
  if (!WIFSIGNALED(status)) return "ended";
  const int signal = WTERMSIG(status);
  const char* name = ::sigabbrev_np(signal);
  return name == nullptr ? fmt::format("killed by signal {}", signal)
                         : fmt::format("killed by signal {} (SIG{})", signal, name);
}

TrainerProcess::TrainerProcess(const TrainerStart& start) {
  if (::access(start.program.c_str(), X_OK) != 0) {
    throw IoError(fmt::format(
        "cannot start the trainer {}: {}; build calsweep-trainer, or name it with --trainer",
        start.program.string(), std::strerror(errno)));
  }
  start_child(start);
}

void TrainerProcess::start_child(const TrainerStart& start) {
  Pipe commands = make_pipe(), replies = make_pipe(), error = make_pipe();
  const Descriptor low_log(
      ::open(start.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
  const Descriptor log(::fcntl(low_log.get(), F_DUPFD_CLOEXEC, 10));
  if (log.get() < 0) {
    throw IoError(
        fmt::format("cannot write the log {}: {}", start.log.string(), std::strerror(errno)));
  }
  std::vector<std::string> arguments = start.arguments;
  arguments.insert(arguments.begin(), start.program.string());
  std::vector<std::string> environment = make_environment(start.environment);
  const auto argument_pointers = pointers(arguments);
  const auto environment_pointers = pointers(environment);
  const std::vector<unsigned long> mask = cpu_mask(start.cpus);
  const ChildPlan plan{start.program.c_str(),       argument_pointers.data(),
                       environment_pointers.data(), commands.read_end.get(),
                       replies.write_end.get(),     log.get(),
                       error.write_end.get(),       ::getpid(),
                       mask.data(),                 mask.size() * sizeof mask[0]};
  pid_ = ::fork();
  if (pid_ < 0) throw IoError(fmt::format("cannot fork a trainer: {}", std::strerror(errno)));
  if (pid_ == 0) become_trainer(plan);
  ::setpgid(pid_, pid_);  // also here, so that a kill of the group never comes too early
  error.write_end.reset();
  int code = 0;
  // Returns at exec (end of file) or with the child's errno: milliseconds.
  while (::read(error.read_end.get(), &code, sizeof code) < 0 && errno == EINTR) {
  }
  if (code != 0) {
    kill();
    throw IoError(fmt::format("cannot start the trainer {}{}: {}", start.program.string(),
                              start.cpus.empty() ? "" : " bound to CPUs " + to_string(start.cpus),
                              std::strerror(code)));
  }
  command_fd_ = commands.write_end.release();
  reply_fd_ = replies.read_end.release();
  ::fcntl(command_fd_, F_SETFL, O_NONBLOCK);
  ::fcntl(reply_fd_, F_SETFL, O_NONBLOCK);
}

TrainerProcess::~TrainerProcess() {
  kill();
  if (command_fd_ >= 0) ::close(command_fd_);
  if (reply_fd_ >= 0) ::close(reply_fd_);
}

void TrainerProcess::send_line(std::string_view line) {
  pending_.append(line);
  pending_ += '\n';
  write_pending();
}

void TrainerProcess::write_pending() {
  while (!pending_.empty() && command_fd_ >= 0) {
    const ssize_t n = ::write(command_fd_, pending_.data(), pending_.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) {
      pending_.clear();  // the child is gone; ended() will say how
      return;
    }
    pending_.erase(0, static_cast<std::size_t>(n));
  }
}

void TrainerProcess::read_available(std::vector<std::string>& lines) {
  std::array<char, 65536> buffer;
  while (true) {
    const ssize_t n = ::read(reply_fd_, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    partial_line_.append(buffer.data(), static_cast<std::size_t>(n));
    std::size_t end = 0;
    while ((end = partial_line_.find('\n')) != std::string::npos) {
      lines.push_back(partial_line_.substr(0, end));
      partial_line_.erase(0, end + 1);
    }
    if (partial_line_.size() > kLongestLine) {
      throw FormatError("a trainer sent an endless line");
    }
  }
}

std::vector<std::string> TrainerProcess::exchange() {
  std::vector<std::string> lines;
  write_pending();
  read_available(lines);
  return lines;
}

std::optional<std::string> TrainerProcess::ended() {
  if (pid_ < 0) return how_ended_;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
  ::kill(-pid_, SIGKILL);  // whatever it may have started
  pid_ = -1;
  how_ended_ = describe_wait_status(status);
  return how_ended_;
}

void TrainerProcess::ask_to_stop() {
  if (pid_ > 0) ::kill(pid_, SIGTERM);
}

void TrainerProcess::kill() {
  if (pid_ < 0) return;
  ::kill(-pid_, SIGKILL);
  ::kill(pid_, SIGKILL);
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  how_ended_ = describe_wait_status(status);
  pid_ = -1;
}

}  // namespace calsweep::orchestrator
