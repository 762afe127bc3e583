#include "worker/reply_channel.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string_view>

#include "sweeps/errors.hpp"

namespace calsweep::worker {

void ReplyChannel::send(const TrainerReply& reply) {
  std::string line = encode(reply);
  if (!line.ends_with('\n')) line += '\n';
  std::string_view left = line;
  while (!left.empty()) {
    const ssize_t n = ::write(fd_, left.data(), left.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) std::_Exit(kExitIncomplete);
    left.remove_prefix(static_cast<std::size_t>(n));
  }
}

}  // namespace calsweep::worker
