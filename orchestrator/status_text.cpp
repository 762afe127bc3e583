// status.json for people.
#include <fmt/core.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <cmath>

#include "orchestrator/status_file.hpp"
#include "orchestrator/utc_time.hpp"

namespace calsweep::orchestrator {
namespace {

constexpr std::size_t kMostTrials = 5;   // listed of a unit
constexpr double kSilentSeconds = 15.0;  // the file is replaced about once a second

// "2026-11-22 13:41:29 UTC" of "2026-11-22T13:41:29.418Z".
std::string readable(const std::string& utc) {
  if (utc.size() < 19) return utc;
  return utc.substr(0, 10) + " " + utc.substr(11, 8) + " UTC";
}

std::string trials_line(const std::vector<std::string>& trials) {
  if (trials.empty()) return "";
  std::string text = "    trials";
  for (std::size_t i = 0; i < std::min(trials.size(), kMostTrials); ++i) text += " " + trials[i];
  return text + (trials.size() > kMostTrials ? " … (--json lists all)\n" : "\n");
}

// Only of this host can one say so at once.
bool is_gone(const RunStatus& s) {
  return s.state == RunState::Running && s.host == host_name() && s.pid > 0 &&
         ::kill(static_cast<pid_t>(s.pid), 0) != 0 && errno == ESRCH;
}

std::string headline(const RunStatus& s, double age) {
  switch (s.state) {
    case RunState::Complete:
      return fmt::format("complete since {}", readable(s.updated_at));
    case RunState::Incomplete:
      return fmt::format("incomplete since {}: {}; run the same command again to continue",
                         readable(s.updated_at), s.message);
    case RunState::Failed:
      return fmt::format("failed at {}: {}", readable(s.updated_at), s.message);
    case RunState::Running:
      break;
  }
  if (is_gone(s)) {
    return fmt::format(
        "dead: process {} on this host is gone; run the same command again to continue", s.pid);
  }
  const auto where =
      fmt::format("process {} on {}{}", s.pid, s.host, s.job.empty() ? "" : ", job " + s.job);
  if (age <= kSilentSeconds && !s.message.empty()) {
    return fmt::format("stopping, running units store checkpoints: {} ({})", s.message, where);
  }
  if (age <= kSilentSeconds) return fmt::format("running ({})", where);
  return fmt::format(
      "seems dead: {} gave no sign of life for {}; if it is gone, run the same command again to "
      "continue",
      where, format_duration(age));
}

std::string slot_line(const SlotStatus& slot) {
  const auto seat = fmt::format("  {} {}/{} {}", slot.host, slot.agent, slot.slot, slot.device);
  if (!slot.usable) return seat + ": out of the run\n";
  if (slot.unit.empty()) return seat + ": idle\n";
  return fmt::format("{}: {:3.0f} % of {} after {}{}\n", seat, 100.0 * slot.fraction,
                     slot.doing.empty() ? "unit " + slot.unit : slot.doing,
                     format_duration(slot.seconds),
                     slot.queued > 0 ? fmt::format(", {} more waiting", slot.queued) : "");
}

}  // namespace

std::string format_duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0.0) return "?";
  const auto total = static_cast<std::int64_t>(std::llround(seconds));
  if (total < 60) return fmt::format("{} s", total);
  if (total < 3600) return fmt::format("{} min {:02} s", total / 60, total % 60);
  if (total < 86400) return fmt::format("{} h {:02} min", total / 3600, total % 3600 / 60);
  return fmt::format("{} d {} h", total / 86400, total % 86400 / 3600);
}

std::string format_status(const RunStatus& s, double now_unix) {
  std::string text = fmt::format("{}: {}\n", s.sweep, headline(s, now_unix - s.updated_unix));
  text += fmt::format("trials   {} of {} done", s.trials_done, s.trials);
  if (s.trials_reused > 0) text += fmt::format(" ({} by earlier runs)", s.trials_reused);
  if (s.trials_running > 0) text += fmt::format(", {} running", s.trials_running);
  if (s.trials_set_aside > 0) text += fmt::format(", {} set aside", s.trials_set_aside);
  if (s.trials_diverged > 0) text += fmt::format(", {} diverged", s.trials_diverged);
  if (s.units == 0) return text + "\nunits    none were left to do in the last run\n";
  text +=
      fmt::format("\nunits    {} of {} done, {} running\n", s.units_done, s.units, s.units_running);
  text += fmt::format("time     {} so far", format_duration(s.elapsed_seconds));
  if (s.state == RunState::Running && s.left_seconds > 0.0) {
    text += fmt::format(", about {} left ({} to {})", format_duration(s.left_seconds),
                        format_duration(s.left_low_seconds), format_duration(s.left_high_seconds));
  }
  text += fmt::format(", {:.2g} trials/s\n", s.trials_per_second);
  if (s.state == RunState::Running && !s.slots.empty() && !is_gone(s)) {
    text += "slots\n";
    for (const SlotStatus& slot : s.slots) text += slot_line(slot);
  }
  if (s.failures > 0) text += fmt::format("failed attempts: {}\n", s.failures);
  for (const std::string& sentence : s.recovered) text += "  " + sentence + "\n";
  if (!s.set_aside.empty()) text += "set aside (the same command tries them again)\n";
  for (const TrialFailure& failure : s.set_aside) {
    text += fmt::format("  unit {} ({} trial{}): {}{}{}\n", failure.unit, failure.trials.size(),
                        failure.trials.size() == 1 ? "" : "s", failure.cause,
                        failure.message.empty() ? "" : ": ", failure.message);
    text += trials_line(failure.trials);
  }
  return text;
}

}  // namespace calsweep::orchestrator
