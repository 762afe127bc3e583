// Logging: one line per event on stderr, through spdlog (kept out of this header).
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>

namespace calsweep::log {

enum class Level { Debug, Info, Warning, Error, Off };

/// Lines look like "12:00:01 warning [who] text". `who` is e.g. "coordinator", "agent 2",
/// "trainer".
void set_up(std::string_view who, Level level = Level::Info);
/// Changes only the name; the level stays.
void set_who(std::string_view who);
/// While set, lines pass through `hook` before they reach stderr (the progress display clears its
/// line).
void set_line_hook(void (*before_line)());

void debug(std::string_view text);
void info(std::string_view text);
void warning(std::string_view text);
void error(std::string_view text);

}  // namespace calsweep::log
