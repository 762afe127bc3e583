// SIGTERM as a question that is looked at between steps, and the trainer's wait for commands.
//
// The handler sets a flag and wakes the wait through an eventfd, so a signal is not missed
// whichever thread it interrupts and whenever it comes. There can be one StopRequest in a process.
#pragma once

#include <optional>
#include <string>

namespace calsweep::worker {

class StopRequest {
 public:
  /// From now on SIGTERM no longer ends the process. Throws IoError.
  StopRequest();
  ~StopRequest();
  StopRequest(const StopRequest&) = delete;
  StopRequest& operator=(const StopRequest&) = delete;

  /// True from the first SIGTERM on.
  bool made() const;
  /// Waits until `fd` can be read or has ended. False: a stop was requested first.
  bool wait_for_input(int fd) const;
};

/// Lines from a file descriptor, with the wait that a signal can end.
class CommandLines {
 public:
  CommandLines(int fd, const StopRequest& stop) : fd_(fd), stop_(stop) {}
  /// Without its newline; nothing at the end of input or once a stop is requested.
  std::optional<std::string> next();

 private:
  int fd_;
  const StopRequest& stop_;
  std::string buffer_;
};

}  // namespace calsweep::worker
