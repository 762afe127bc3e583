// Texts between ranks. Only MPI_Isend, MPI_Improbe, MPI_Imrecv and MPI_Test: a blocking receive
// burns a core, and so does a blocking send to a peer that sleeps; one to a dead peer never
// returns.
#pragma once

#include <memory>

#include "orchestrator/channel.hpp"
#include "orchestrator/mpi_session.hpp"

namespace calsweep::orchestrator {

class MpiChannel : public Channel {
 public:
  /// `session` must outlive it.
  explicit MpiChannel(MpiSession& session);
  /// Undelivered texts (to dead peers) are given up.
  ~MpiChannel() override;

  void send(int peer, std::string text) override;
  std::optional<Incoming> receive() override;
  std::size_t n_undelivered() override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace calsweep::orchestrator
