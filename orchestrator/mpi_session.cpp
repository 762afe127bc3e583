#include "orchestrator/mpi_session.hpp"

#include <mpi.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>

#include "sweeps/errors.hpp"

namespace calsweep::orchestrator {

namespace {

// A rank or node that dies while MPI starts leaves the others waiting in it for ever.
constexpr unsigned kStartSeconds = 90;

void give_up_starting(int) {
  static constexpr char text[] =
      "calsweep: MPI did not start within 90 s: a rank or node was lost while it did; run the same "
      "command again\n";
  const ssize_t ignored = ::write(STDERR_FILENO, text, sizeof text - 1);
  static_cast<void>(ignored);
  ::_exit(kExitIncomplete);
}

}  // namespace

MpiSession::MpiSession() {
  // Without these a waiting rank takes the processor from a trainer, and the loss of a peer makes
  // MPI_Finalize wait for ever. What the user set counts.
  ::setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0);
  ::setenv("OMPI_MCA_async_mpi_finalize", "1", 0);
  ::signal(SIGALRM, give_up_starting);
  ::alarm(kStartSeconds);
  int provided = 0;
  if (MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS) {
    throw CalsweepError("MPI does not start: see the messages above; try `mpirun -n 2 hostname`");
  }
  open_ = true;
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
  MPI_Comm_size(MPI_COMM_WORLD, &size_);
  MPI_Comm host = MPI_COMM_NULL;
  MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &host);
  MPI_Comm_rank(host, &rank_on_host_);
  MPI_Comm_size(host, &ranks_on_host_);
  int lowest = rank_;
  MPI_Allreduce(&rank_, &lowest, 1, MPI_INT, MPI_MIN, host);
  rank_zero_here_ = lowest == 0;
  MPI_Comm_free(&host);
  ::alarm(0);
}

MpiSession::~MpiSession() { finalize(); }

void MpiSession::finalize() {
  if (!open_) return;
  open_ = false;
  MPI_Finalize();
}

void MpiSession::abort(int exit_code) {
  MPI_Abort(MPI_COMM_WORLD, exit_code);
  std::_Exit(exit_code);
}

}  // namespace calsweep::orchestrator
