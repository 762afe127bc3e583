// Coordinator and agent in one process: two ends of one pair of queues. Peer numbers are ignored
// (each end has exactly one peer, 0).
#pragma once

#include <deque>

#include "orchestrator/channel.hpp"

namespace calsweep::orchestrator {

/// Owns both queues; `coordinator_end()` and `agent_end()` stay valid as long as it lives.
class LocalChannelPair {
 public:
  LocalChannelPair()
      : coordinator_(to_coordinator_, to_agent_), agent_(to_agent_, to_coordinator_) {}
  LocalChannelPair(const LocalChannelPair&) = delete;
  LocalChannelPair& operator=(const LocalChannelPair&) = delete;

  Channel& coordinator_end() { return coordinator_; }
  Channel& agent_end() { return agent_; }

 private:
  class End : public Channel {
   public:
    End(std::deque<std::string>& incoming, std::deque<std::string>& outgoing)
        : incoming_(incoming), outgoing_(outgoing) {}
    void send(int peer, std::string text) override;
    std::optional<Incoming> receive() override;
    std::size_t n_undelivered() override { return outgoing_.size(); }

   private:
    std::deque<std::string>& incoming_;
    std::deque<std::string>& outgoing_;
  };

  std::deque<std::string> to_coordinator_, to_agent_;
  End coordinator_, agent_;
};

}  // namespace calsweep::orchestrator
