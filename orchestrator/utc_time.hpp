// Wall-clock time as text, for the ledger, the status file and the lock; and a monotonic clock for
// everything that measures.
#pragma once

#include <string>

namespace calsweep::orchestrator {

/// Now, "2026-11-22T12:00:01.123Z".
std::string utc_now();
/// Seconds since 1970, UTC.
double unix_seconds();
/// Monotonic seconds; the zero is arbitrary.
double steady_seconds();
/// This host's name.
std::string host_name();

}  // namespace calsweep::orchestrator
