#include "orchestrator/local_channel.hpp"

namespace calsweep::orchestrator {

void LocalChannelPair::End::send(int, std::string text) { outgoing_.push_back(std::move(text)); }

std::optional<Channel::Incoming> LocalChannelPair::End::receive() {
  if (incoming_.empty()) return std::nullopt;
  Incoming taken{0, std::move(incoming_.front())};
  incoming_.pop_front();
  return taken;
}

}  // namespace calsweep::orchestrator
