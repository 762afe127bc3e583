#include "orchestrator/progress_display.hpp"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "sweeps/log.hpp"

namespace calsweep::orchestrator {
namespace {

constexpr double kPlainSeconds = 30.0;
constexpr std::size_t kBarWidth = 24;
constexpr std::size_t kMaxSlotLines = 8;

std::size_t n_drawn = 0;  // lines of ours below the cursor; one display per process

// Removes the live lines, so that a log line takes their place.
void clear_lines() {
  if (n_drawn == 0) return;
  std::fputs(fmt::format("\x1b[{}F\x1b[J", n_drawn).c_str(), stderr);
  n_drawn = 0;
}

std::string bar(double fraction) {
  const auto filled = static_cast<std::size_t>(fraction * static_cast<double>(kBarWidth));
  return std::string(std::min(filled, kBarWidth), '#') +
         std::string(kBarWidth - std::min(filled, kBarWidth), '.');
}

// The percentage is of what this run had to do, the counts are of the whole sweep.
std::string_view of_what(const RunStatus& s) {
  return s.trials_reused > 0 ? " of the rest" : "";
}

std::string counts(const RunStatus& s) {
  return fmt::format("{}/{} trials done, {} running, {} failed", s.trials_done, s.trials,
                     s.trials_running, s.trials_set_aside);
}

std::string remaining(const RunStatus& s) {
  if (s.units_done + s.units_set_aside == s.units)
    return "took " + format_duration(s.elapsed_seconds);
  if (s.left_seconds <= 0.0) return "time left unknown";
  return fmt::format("{} left ({} to {})", format_duration(s.left_seconds),
                     format_duration(s.left_low_seconds), format_duration(s.left_high_seconds));
}

// Cuts at `columns` bytes without splitting a UTF-8 character.
std::string cut(std::string text, std::size_t columns) {
  if (text.size() <= columns) return text;
  std::size_t end = columns;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  text.resize(end);
  return text;
}

std::size_t terminal_columns() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20) return size.ws_col - 1U;
  return 79;
}

}  // namespace

DisplayMode choose_display() {
  const char* terminal = std::getenv("TERM");
  const bool capable = terminal != nullptr && std::string_view(terminal) != "dumb";
  return ::isatty(STDERR_FILENO) != 0 && capable ? DisplayMode::Live : DisplayMode::Plain;
}

std::vector<std::string> live_lines(const RunStatus& s, std::size_t columns) {
  std::vector<std::string> lines;
  lines.push_back(cut(
      fmt::format("[{}] {:3.0f} %  {}", bar(s.work_fraction), 100.0 * s.work_fraction, counts(s)),
      columns));
  lines.push_back(
      cut(fmt::format("{:.2f} trials/s, {}", s.trials_per_second, remaining(s)), columns));
  if (s.slots.size() > kMaxSlotLines) return lines;
  for (const SlotStatus& slot : s.slots) {
    const auto seat = fmt::format("  {} {}/{}", slot.host, slot.agent, slot.slot);
    if (!slot.usable) {
      lines.push_back(cut(seat + "  out of the run", columns));
    } else if (slot.unit.empty()) {
      lines.push_back(cut(seat + "  idle", columns));
    } else {
      lines.push_back(cut(fmt::format("{} {:3.0f} %  {}", seat, 100.0 * slot.fraction,
                                      slot.doing.empty() ? "starting" : slot.doing),
                          columns));
    }
  }
  return lines;
}

std::string plain_line(const RunStatus& s) {
  return fmt::format("{:.0f} %{}: {}, {:.2f} trials/s, {}", 100.0 * s.work_fraction, of_what(s), counts(s),
                     s.trials_per_second, remaining(s));
}

ProgressDisplay::ProgressDisplay(DisplayMode mode) : mode_(mode) {
  if (mode_ == DisplayMode::Live) log::set_line_hook(clear_lines);
}

ProgressDisplay::~ProgressDisplay() {
  if (mode_ != DisplayMode::Live) return;
  clear_lines();
  std::fflush(stderr);
  log::set_line_hook(nullptr);
}

void ProgressDisplay::update(const RunStatus& status, double now) {
  if (mode_ == DisplayMode::Off) return;
  if (mode_ == DisplayMode::Live) {
    draw(live_lines(status, terminal_columns()));
    return;
  }
  const auto tenth = static_cast<std::int64_t>(10.0 * status.work_fraction);
  const bool first = last_tenth_ < 0;
  if (!first && tenth == last_tenth_ && now - last_plain_at_ < kPlainSeconds) return;
  last_tenth_ = tenth;
  last_plain_at_ = now;
  if (!first) log::info(plain_line(status));
}

void ProgressDisplay::draw(const std::vector<std::string>& lines) {
  clear_lines();
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
  n_drawn = lines.size();
}

}  // namespace calsweep::orchestrator
