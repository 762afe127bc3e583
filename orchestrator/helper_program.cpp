#include "orchestrator/helper_program.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <thread>

#include "orchestrator/utc_time.hpp"
#include "sweeps/errors.hpp"

extern char** environ;

namespace calsweep::orchestrator {
namespace {

constexpr std::size_t kOutputLimit = 1 << 20;

struct Pipe {
  int read = -1, write = -1;
  Pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) {
      throw IoError(fmt::format("cannot make a pipe: {}", std::strerror(errno)));
    }
    read = ends[0];
    write = ends[1];
  }
  ~Pipe() {
    close_write();
    ::close(read);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  void close_write() {
    if (write >= 0) ::close(write);
    write = -1;
  }
};

std::vector<std::string> environment_for(const HelperOptions& options) {
  std::vector<std::string> entries;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text(*entry);
    const bool unwanted = std::any_of(options.unset_prefixes.begin(), options.unset_prefixes.end(),
                                      [&](const auto& prefix) { return text.starts_with(prefix); });
    if (!unwanted && !options.set.contains(text.substr(0, text.find('=')))) entries.push_back(text);
  }
  for (const auto& [name, value] : options.set) entries.push_back(name + "=" + value);
  return entries;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// In a process group of its own, with default signal handling, so that a time-out reaches its
// children and our blocked signals do not reach it.
int spawn(std::vector<std::string> arguments, const HelperOptions& options, const Pipe& output,
          const Pipe& errors, pid_t& pid) {
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&files, output.write, 1);
  ::posix_spawn_file_actions_adddup2(&files, errors.write, 2);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t signals;
  ::sigemptyset(&signals);
  ::posix_spawnattr_setsigmask(&attributes, &signals);
  ::sigfillset(&signals);
  ::posix_spawnattr_setsigdefault(&attributes, &signals);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  ::posix_spawnattr_setflags(
      &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  auto environment = environment_for(options);
  const int error = ::posix_spawnp(&pid, arguments[0].c_str(), &files, &attributes,
                                   pointers_to(arguments).data(), pointers_to(environment).data());
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&files);
  return error;
}

bool take(int fd, std::string& into) {
  std::array<char, 4096> buffer;
  const ssize_t n = ::read(fd, buffer.data(), buffer.size());
  if (n < 0 && errno == EINTR) return true;
  if (n <= 0) return false;
  if (into.size() < kOutputLimit) into.append(buffer.data(), static_cast<std::size_t>(n));
  return true;
}

// Reads both ends until they close; false if the deadline came first.
bool listen(const Pipe& output, const Pipe& errors, double deadline, HelperResult& result) {
  bool output_open = true, errors_open = true;
  while (output_open || errors_open) {
    const double left = deadline - steady_seconds();
    if (left <= 0.0) return false;
    std::array<pollfd, 2> ends{
        {{output_open ? output.read : -1, POLLIN, 0}, {errors_open ? errors.read : -1, POLLIN, 0}}};
    if (::poll(ends.data(), ends.size(), static_cast<int>(left * 1000.0) + 1) < 0) continue;
    if (ends[0].revents != 0) output_open = take(output.read, result.output);
    if (ends[1].revents != 0) errors_open = take(errors.read, result.errors);
  }
  return true;
}

// False if it still runs at the deadline.
bool reap(pid_t pid, double deadline, int& status) {
  while (true) {
    const pid_t ended = ::waitpid(pid, &status, WNOHANG);
    if (ended == pid || (ended < 0 && errno != EINTR)) return true;
    if (steady_seconds() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

}  // namespace

HelperResult run_helper(const std::vector<std::string>& arguments, const HelperOptions& options) {
  HelperResult result;
  Pipe output, errors;
  pid_t pid = -1;
  const int error = spawn(arguments, options, output, errors, pid);
  if (error != 0) {
    result.errors = std::strerror(error);
    return result;
  }
  output.close_write();
  errors.close_write();
  const double deadline = steady_seconds() + options.timeout_seconds;
  int status = 0;
  if (!listen(output, errors, deadline, result) || !reap(pid, deadline, status)) {
    ::kill(-pid, SIGKILL);
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    result.end = HelperResult::End::TimedOut;
    return result;
  }
  result.end = WIFEXITED(status) ? HelperResult::End::Exited : HelperResult::End::Killed;
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  return result;
}

bool program_exists(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "/usr/local/bin:/usr/bin:/bin" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (::access((folder + "/" + name).c_str(), X_OK) == 0) return true;
  }
  return false;
}

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

}  // namespace calsweep::orchestrator
