// What a run shows while it runs: on a terminal a few lines that are rewritten in place, in a log a
// plain line at every 10 % and otherwise every 30 s. On stderr; log lines go above it.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "orchestrator/status_file.hpp"

namespace calsweep::orchestrator {

enum class DisplayMode { Off, Plain, Live };
/// Live if stderr is a terminal that can move its cursor, else Plain.
DisplayMode choose_display();

/// The lines of the live display, no longer than `columns`. A line per slot if there are at most 8.
std::vector<std::string> live_lines(const RunStatus& status, std::size_t columns);
/// The line for a log.
std::string plain_line(const RunStatus& status);

class ProgressDisplay {
 public:
  explicit ProgressDisplay(DisplayMode mode);
  ~ProgressDisplay();  ///< removes the live lines
  ProgressDisplay(const ProgressDisplay&) = delete;
  ProgressDisplay& operator=(const ProgressDisplay&) = delete;

  /// Shows a new state; `now` in steady seconds.
  void update(const RunStatus& status, double now);

 private:
  void draw(const std::vector<std::string>& lines);

  DisplayMode mode_;
  double last_plain_at_ = -1e9;
  std::int64_t last_tenth_ = -1;
};

}  // namespace calsweep::orchestrator
