// MPI from MPI_Init to MPI_Finalize, as a value. Errors are returned, not fatal; one thread calls
// it. The only collective calls are made here, at start-up.
#pragma once

#include <cstdint>

namespace calsweep::orchestrator {

class MpiSession {
 public:
  /// MPI_Init_thread (funneled) and who is where. Throws CalsweepError if MPI does not start.
  MpiSession();
  /// Finalizes unless finalize() or abandon() was called. Never throws.
  ~MpiSession();
  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }
  int ranks_on_host() const { return ranks_on_host_; }
  int rank_on_host() const { return rank_on_host_; }
  /// True if rank 0 runs on this host.
  bool rank_zero_here() const { return rank_zero_here_; }

  /// Every rank must get here; only after all peers said goodbye.
  void finalize();
  /// A peer is gone: MPI_Finalize might never return, so it is left out.
  void abandon() { open_ = false; }
  /// The last resort: ends every rank of the job.
  [[noreturn]] void abort(int exit_code);

 private:
  int rank_ = 0, size_ = 1, ranks_on_host_ = 1, rank_on_host_ = 0;
  bool rank_zero_here_ = true, open_ = false;
};

}  // namespace calsweep::orchestrator
