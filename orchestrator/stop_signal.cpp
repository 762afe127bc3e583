#include "orchestrator/stop_signal.hpp"

#include <signal.h>
#include <string.h>

#include <atomic>

namespace calsweep::orchestrator {
namespace {

std::atomic<int> n_seen{0};
std::atomic<int> last_seen{0};

void count_signal(int signal) {
  last_seen = signal;
  ++n_seen;
}

}  // namespace

void watch_stop_signals() {
  struct sigaction action {};
  action.sa_handler = count_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction present {};
    ::sigaction(signal, nullptr, &present);
    // nohup and background jobs of a shell ignore some of them: that stays so.
    if (present.sa_handler != SIG_IGN) ::sigaction(signal, &action, nullptr);
  }
  ::signal(SIGPIPE, SIG_IGN);
}

int stop_signals_seen() { return n_seen; }

std::string last_stop_signal() {
  const int signal = last_seen;
  const char* name = signal == 0 ? nullptr : ::sigabbrev_np(signal);
  return name == nullptr ? "" : std::string("SIG") + name;
}

void forget_stop_signals() { n_seen = 0; }

}  // namespace calsweep::orchestrator
