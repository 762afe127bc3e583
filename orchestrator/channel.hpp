// The one seam between the coordinator's side and the agents': texts to and from numbered peers.
//
// Nothing here ever blocks. A text is one or more lines of messages.hpp; the order of texts from
// one peer to another is kept. Implementations: MpiChannel (ranks), LocalChannel (one process).
#pragma once

#include <optional>
#include <string>

namespace calsweep::orchestrator {

class Channel {
 public:
  struct Incoming {
    int peer = 0;
    std::string text;
  };

  virtual ~Channel() = default;
  /// Hands a text over for delivery; returns at once.
  virtual void send(int peer, std::string text) = 0;
  /// The next text that has arrived completely, if any. Also moves outgoing texts along.
  virtual std::optional<Incoming> receive() = 0;
  /// Texts handed over and not yet taken by the transport. A dead peer's never go away.
  virtual std::size_t n_undelivered() = 0;
};

}  // namespace calsweep::orchestrator
