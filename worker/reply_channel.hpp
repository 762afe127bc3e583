// The trainer's end of the pipe to its agent: one line per reply on file descriptor 3.
#pragma once

#include "sweeps/trainer_protocol.hpp"

namespace calsweep::worker {

class ReplyChannel {
 public:
  explicit ReplyChannel(int fd) : fd_(fd) {}
  /// Writes the whole line. If nobody reads any more, ends the process: an orphan must not train.
  void send(const TrainerReply& reply);

 private:
  int fd_;
};

}  // namespace calsweep::worker
