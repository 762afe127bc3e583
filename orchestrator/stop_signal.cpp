#include "orchestrator/stop_signal.hpp"

#include <fmt/core.h>
#include <signal.h>
#include <string.h>

#include <array>
#include <atomic>
#include <charconv>

#include "sweeps/errors.hpp"

namespace calsweep::orchestrator {
namespace {

constexpr std::array kAlways = {SIGINT, SIGTERM, SIGHUP};

std::atomic<int> n_seen{0};
std::atomic<int> n_interrupts{0};
std::atomic<bool> kill_may_follow{false};
std::atomic<int> last_seen{0};

void count_signal(int signal) {
  last_seen = signal;
  if (signal == SIGINT) ++n_interrupts;
  if (signal == SIGINT || signal == SIGTERM || signal == SIGHUP) kill_may_follow = true;
  ++n_seen;
}

void watch(int signal) {
  struct sigaction action {};
  action.sa_handler = count_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  ::sigaction(signal, &action, nullptr);
}

bool is_ignored(int signal) {
  struct sigaction present {};
  ::sigaction(signal, nullptr, &present);
  return present.sa_handler == SIG_IGN;
}

}  // namespace

int signal_number(std::string_view name) {
  const std::string_view bare = name.starts_with("SIG") ? name.substr(3) : name;
  int number = 0;
  const auto [end, error] = std::from_chars(bare.data(), bare.data() + bare.size(), number);
  const bool is_number = error == std::errc() && end == bare.data() + bare.size();
  for (int signal = 1; signal < NSIG; ++signal) {
    const char* known = ::sigabbrev_np(signal);
    if (known == nullptr || (is_number ? signal != number : bare != known)) continue;
    if (signal == SIGKILL || signal == SIGSTOP || signal == SIGCHLD || signal == SIGSEGV) break;
    return signal;
  }
  throw UsageError(fmt::format(
      "'{}' cannot serve as the stop signal: give a name such as USR1, USR2 or TERM", name));
}

void watch_stop_signals(int warning_signal) {
  for (const int signal : kAlways) {
    // nohup and background jobs of a shell ignore some of them: that stays so.
    if (!is_ignored(signal)) watch(signal);
  }
  if (warning_signal != 0) watch(warning_signal);
  ::signal(SIGPIPE, SIG_IGN);
}

int stop_signals_seen() { return n_seen; }
bool stop_at_once_asked() { return n_interrupts >= 2; }
bool a_kill_may_follow() { return kill_may_follow; }

std::string last_stop_signal() {
  const int signal = last_seen;
  const char* name = signal == 0 ? nullptr : ::sigabbrev_np(signal);
  return name == nullptr ? "" : std::string("SIG") + name;
}

void forget_stop_signals() {
  n_seen = 0;
  n_interrupts = 0;
  kill_may_follow = false;
}

}  // namespace calsweep::orchestrator
