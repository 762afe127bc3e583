// SIGINT, SIGTERM and SIGHUP only count; the loops look at the count and stop in an orderly way.
#pragma once

#include <string>

namespace calsweep::orchestrator {

/// Installs the handlers and ignores SIGPIPE (a trainer may die while it is written to).
void watch_stop_signals();
/// How many have come since.
int stop_signals_seen();
/// The last one, for people: "SIGTERM"; "" if none came.
std::string last_stop_signal();
/// For tests: as if none had come.
void forget_stop_signals();

}  // namespace calsweep::orchestrator
