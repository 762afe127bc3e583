// SIGINT, SIGTERM, SIGHUP and the chosen warning signal only count; the loops look at the count and
// stop in an orderly way.
#pragma once

#include <string>
#include <string_view>

namespace calsweep::orchestrator {

/// "USR1", "SIGUSR1" or "10" -> 10. Throws UsageError for anything that cannot serve as a warning.
int signal_number(std::string_view name);

/// Installs the handlers and ignores SIGPIPE (a trainer may die while it is written to).
/// `warning_signal`: the batch system's "your time is nearly up"; 0: none.
void watch_stop_signals(int warning_signal = 0);
/// How many have come since.
int stop_signals_seen();
/// A second SIGINT came: somebody at a terminal does not want to wait.
bool stop_at_once_asked();
/// True if one of those came that a launcher lets a SIGKILL follow (SIGINT, SIGTERM, SIGHUP).
bool a_kill_may_follow();
/// The last one, for people: "SIGTERM"; "" if none came.
std::string last_stop_signal();
/// For tests: as if none had come.
void forget_stop_signals();

}  // namespace calsweep::orchestrator
