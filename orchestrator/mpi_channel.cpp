#include "orchestrator/mpi_channel.hpp"

#include <mpi.h>

#include <algorithm>
#include <list>

#include "sweeps/errors.hpp"

namespace calsweep::orchestrator {
namespace {

constexpr int kTag = 1;

void check(int code, const char* what) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw CalsweepError(std::string("MPI failed to ") + what + ": " + text);
}

bool is_complete(MPI_Request& request, const char* what) {
  int done = 0;
  check(MPI_Test(&request, &done, MPI_STATUS_IGNORE), what);
  return done != 0;
}

}  // namespace

struct MpiChannel::Impl {
  // In a list: MPI holds pointers into the texts.
  struct Transfer {
    int peer = 0;
    std::string text;
    MPI_Request request = MPI_REQUEST_NULL;
  };
  std::list<Transfer> outgoing, incoming;

  void test_outgoing() {
    outgoing.remove_if([](Transfer& transfer) { return is_complete(transfer.request, "send"); });
  }
  void start_incoming();
};

MpiChannel::MpiChannel(MpiSession&) : impl_(std::make_unique<Impl>()) {}

MpiChannel::~MpiChannel() {
  // MPI may still read the buffers of texts nobody took: they are left to the end of the process.
  if (impl_ && !(impl_->outgoing.empty() && impl_->incoming.empty()))
    static_cast<void>(impl_.release());
}

void MpiChannel::send(int peer, std::string text) {
  impl_->test_outgoing();
  auto& transfer = impl_->outgoing.emplace_back(Impl::Transfer{peer, std::move(text)});
  check(MPI_Isend(transfer.text.data(), static_cast<int>(transfer.text.size()), MPI_CHAR, peer,
                  kTag, MPI_COMM_WORLD, &transfer.request),
        "send");
}

void MpiChannel::Impl::start_incoming() {
  while (true) {
    int found = 0;
    MPI_Message message = MPI_MESSAGE_NULL;
    MPI_Status status;
    check(MPI_Improbe(MPI_ANY_SOURCE, kTag, MPI_COMM_WORLD, &found, &message, &status), "probe");
    if (found == 0) return;
    int bytes = 0;
    check(MPI_Get_count(&status, MPI_CHAR, &bytes), "size a message");
    auto& transfer = incoming.emplace_back();
    transfer.peer = status.MPI_SOURCE;
    transfer.text.resize(static_cast<std::size_t>(bytes));
    check(MPI_Imrecv(transfer.text.data(), bytes, MPI_CHAR, &message, &transfer.request),
          "receive");
  }
}

std::optional<Channel::Incoming> MpiChannel::receive() {
  impl_->test_outgoing();
  impl_->start_incoming();
  // A later text of one peer must not overtake an earlier one that is still coming in.
  std::list<Impl::Transfer>& incoming = impl_->incoming;
  for (auto it = incoming.begin(); it != incoming.end(); ++it) {
    const bool overtakes = std::any_of(incoming.begin(), it, [&](const Impl::Transfer& earlier) {
      return earlier.peer == it->peer;
    });
    if (overtakes || !is_complete(it->request, "receive")) continue;
    Incoming taken{it->peer, std::move(it->text)};
    incoming.erase(it);
    return taken;
  }
  return std::nullopt;
}

std::size_t MpiChannel::n_undelivered() {
  impl_->test_outgoing();
  return impl_->outgoing.size();
}

}  // namespace calsweep::orchestrator
