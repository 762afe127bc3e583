#include "worker/stop_request.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>

#include "sweeps/errors.hpp"

namespace calsweep::worker {
namespace {

volatile std::sig_atomic_t stop_was_requested = 0;
volatile int wake_fd = -1;

extern "C" void note_stop(int) {
  const int kept = errno;
  const std::uint64_t one = 1;
  stop_was_requested = 1;
  // What a full eventfd would not take has been said before.
  [[maybe_unused]] const ssize_t ignored = ::write(wake_fd, &one, sizeof one);
  errno = kept;
}

}  // namespace

StopRequest::StopRequest() {
  CALSWEEP_CHECK(wake_fd < 0, "one StopRequest at a time");
  stop_was_requested = 0;
  wake_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  struct sigaction action {};
  action.sa_handler = note_stop;
  action.sa_flags = SA_RESTART;
  if (wake_fd < 0 || ::sigaction(SIGTERM, &action, nullptr) != 0) {
    throw IoError(std::string("cannot watch for SIGTERM: ") + std::strerror(errno));
  }
}

StopRequest::~StopRequest() {
  std::signal(SIGTERM, SIG_DFL);
  ::close(wake_fd);
  wake_fd = -1;
}

bool StopRequest::made() const { return stop_was_requested != 0; }

bool StopRequest::wait_for_input(int fd) const {
  std::array<pollfd, 2> files = {pollfd{wake_fd, POLLIN, 0}, pollfd{fd, POLLIN, 0}};
  while (::poll(files.data(), files.size(), -1) < 0) {
    if (errno == EINTR) continue;
    throw IoError(std::string("cannot wait for commands: ") + std::strerror(errno));
  }
  return !made();
}

std::optional<std::string> CommandLines::next() {
  for (;;) {
    const auto end = buffer_.find('\n');
    if (end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return line;
    }
    if (!stop_.wait_for_input(fd_)) return std::nullopt;
    std::array<char, 65536> part;
    const ssize_t n = ::read(fd_, part.data(), part.size());
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n <= 0) return std::nullopt;
    buffer_.append(part.data(), static_cast<std::size_t>(n));
  }
}

}  // namespace calsweep::worker
