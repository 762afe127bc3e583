// The exceptions of calsweep and the exit codes of its commands.
//
// Exceptions mean that something is broken; expected failures (a spec with mistakes, a trial that
// diverges) are values. The text of every exception says what was attempted, on which object, why
// it failed and what to do.
#pragma once

#include <stdexcept>
#include <string>

namespace calsweep {

class CalsweepError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A file, a pipe, a socket or a database could not be read or written.
class IoError : public CalsweepError {
 public:
  using CalsweepError::CalsweepError;
};

/// A file was read, but its content is damaged or not what it should be.
class FormatError : public CalsweepError {
 public:
  using CalsweepError::CalsweepError;
};

/// The user asked for something that cannot be done as asked (exit code 2).
class UsageError : public CalsweepError {
 public:
  using CalsweepError::CalsweepError;
};

/// Exit codes of every calsweep command, documented in docs/commands.md.
enum ExitCode : int {
  kExitDone = 0,        ///< everything asked for is done
  kExitFailures = 1,    ///< done, but some trials were set aside
  kExitUsage = 2,       ///< bad spec, bad arguments, wrong directory
  kExitInternal = 3,    ///< I/O error or internal error
  kExitIncomplete = 75  ///< stopped before the end: run the same command again
};

}  // namespace calsweep

/// For programmer errors that no input may reach; always on.
#define CALSWEEP_CHECK(condition, message)                                                 \
  do {                                                                                     \
    if (!(condition)) ::calsweep::check_failed(#condition, (message), __FILE__, __LINE__); \
  } while (false)

namespace calsweep {
[[noreturn]] void check_failed(const char* condition, const std::string& message, const char* file,
                               int line);
}  // namespace calsweep
