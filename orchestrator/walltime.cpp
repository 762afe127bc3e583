#include "orchestrator/walltime.hpp"

#include <fmt/core.h>

#include <array>
#include <charconv>
#include <cmath>
#include <ctime>
#include <vector>

#include "orchestrator/helper_program.hpp"
#include "orchestrator/utc_time.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::orchestrator {
namespace {

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || value < 0) {
    return std::nullopt;
  }
  return value;
}

// A user's own settings must not change what squeue prints.
HelperOptions asking() {
  return {.timeout_seconds = 5.0,
          .set = {{"SLURM_TIME_FORMAT", "standard"}, {"LC_ALL", "C"}},
          .unset_prefixes = {"SQUEUE_"}};
}

// "2026-11-26T12:00:00" in local time, or seconds since 1970; everything else ("N/A", "NONE",
// "Unknown", "UNLIMITED") is no time.
std::optional<double> time_from(const std::string& text) {
  if (const auto seconds = whole_number(text)) {
    return *seconds > 0 ? std::optional<double>(static_cast<double>(*seconds)) : std::nullopt;
  }
  std::tm parts{};
  const char* end = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (end == nullptr || *end != '\0') return std::nullopt;
  parts.tm_isdst = -1;
  const std::time_t seconds = std::mktime(&parts);
  return seconds > 0 ? std::optional<double>(static_cast<double>(seconds)) : std::nullopt;
}

std::string first_line(const std::string& text) { return trimmed(text.substr(0, text.find('\n'))); }

std::string value_after(const std::string& text, const std::string& key) {
  const auto at = text.find(key);
  if (at == std::string::npos) return "";
  const auto begin = at + key.size();
  return text.substr(begin, text.find_first_of(" \n", begin) - begin);
}

// Up to four numbers, biggest unit first, split at ':'; empty if one is no number.
std::vector<std::int64_t> numbers_of(std::string_view text) {
  std::vector<std::int64_t> numbers;
  while (true) {
    const auto colon = text.find(':');
    const auto number = whole_number(text.substr(0, colon));
    if (!number || *number > 1'000'000'000) return {};
    numbers.push_back(*number);
    if (colon == std::string_view::npos) return numbers;
    text.remove_prefix(colon + 1);
  }
}

double weighted(const std::vector<std::int64_t>& numbers, const std::array<double, 3>& seconds) {
  double total = 0.0;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    total += static_cast<double>(numbers[i]) * seconds.at(i);
  }
  return total;
}

// Negative if it is no duration.
double duration_seconds(std::string_view text) {
  double days = 0.0;
  const auto dash = text.find('-');
  if (dash != std::string_view::npos) {
    const auto number = whole_number(text.substr(0, dash));
    if (!number || *number > 100'000) return -1.0;
    days = static_cast<double>(*number) * 86400.0;
    text.remove_prefix(dash + 1);
  }
  const auto numbers = numbers_of(text);
  if (numbers.empty() || numbers.size() > 3) return -1.0;
  // With days, or with all three, the first number is hours; otherwise minutes.
  if (dash != std::string_view::npos || numbers.size() == 3) {
    return days + weighted(numbers, {3600.0, 60.0, 1.0});
  }
  return weighted(numbers, {60.0, 1.0, 0.0});
}

// Slurm gives a job without a limit a year.
std::optional<double> unless_a_year(std::optional<double> end) {
  if (end && *end - unix_seconds() > 360.0 * 86400.0) return std::nullopt;
  return end;
}

std::optional<double> asked_job_end(const Environment& environment) {
  const auto given = environment.find("SLURM_JOB_END_TIME");
  if (given != environment.end()) return time_from(given->second);
  const auto job = environment.find("SLURM_JOB_ID");
  if (job == environment.end() || job->second.empty()) return std::nullopt;
  const auto squeue = run_helper({"squeue", "-h", "-j", job->second, "-o", "%e"}, asking());
  if (squeue.succeeded() && !trimmed(squeue.output).empty()) {
    return time_from(first_line(squeue.output));
  }
  const auto scontrol = run_helper({"scontrol", "show", "job", job->second}, asking());
  if (!scontrol.succeeded()) return std::nullopt;
  return time_from(value_after(scontrol.output, " EndTime="));
}

}  // namespace

std::optional<double> job_end_unix(const Environment& environment) {
  return unless_a_year(asked_job_end(environment));
}

double parse_duration(std::string_view text) {
  const double seconds = duration_seconds(text);
  if (seconds > 0.0) return seconds;
  throw UsageError(
      fmt::format("'{}' is no duration: expected minutes (90), minutes:seconds (90:30), "
                  "hours:minutes:seconds (1:30:00), days-hours (2-12) or "
                  "days-hours:minutes:seconds (2-12:00:00), and more than nothing",
                  text));
}

std::string slurm_duration(double seconds) {
  const auto total = static_cast<std::int64_t>(std::llround(seconds));
  const auto clock =
      fmt::format("{:02}:{:02}:{:02}", total % 86400 / 3600, total % 3600 / 60, total % 60);
  return total >= 86400 ? fmt::format("{}-{}", total / 86400, clock) : clock;
}

std::optional<std::string> job_state(const std::string& job_id) {
  if (job_id.empty()) return std::nullopt;
  const auto squeue = run_helper({"squeue", "-h", "-t", "all", "-j", job_id, "-o", "%T"}, asking());
  if (squeue.succeeded()) return first_line(squeue.output);
  // squeue fails for a job that Slurm has forgotten, and for everything else.
  if (squeue.errors.find("Invalid job id") != std::string::npos) return "";
  return std::nullopt;
}

bool may_have_processes(const std::string& job_state) {
  for (const char* ended : {"", "PENDING", "CANCELLED", "COMPLETED", "BOOT_FAIL", "DEADLINE",
                            "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "TIMEOUT",
                            "REVOKED", "SPECIAL_EXIT", "REQUEUED", "REQUEUE_HOLD"}) {
    if (job_state == ended) return false;
  }
  return true;
}

}  // namespace calsweep::orchestrator
