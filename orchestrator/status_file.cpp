#include "orchestrator/status_file.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "sweeps/errors.hpp"
#include "sweeps/json_integer.hpp"

namespace calsweep::orchestrator {
namespace {

using nlohmann::json;

constexpr std::array<const char*, 4> kStateNames = {"running", "complete", "incomplete", "failed"};

RunState state_from(const std::string& text) {
  for (std::size_t i = 0; i < kStateNames.size(); ++i) {
    if (text == kStateNames[i]) return static_cast<RunState>(i);
  }
  throw FormatError("unknown state '" + text + "'");
}

json to_json(const SlotStatus& slot) {
  return {{"host", slot.host},    {"device", slot.device},     {"agent", slot.agent},
          {"slot", slot.slot},    {"usable", slot.usable},     {"unit", slot.unit},
          {"doing", slot.doing},  {"fraction", slot.fraction}, {"seconds", slot.seconds},
          {"queued", slot.queued}};
}

SlotStatus slot_from(const json& object) {
  return {object.at("host"),
          object.at("device"),
          integer_at<std::int64_t>(object, "agent"),
          integer_at<std::int64_t>(object, "slot"),
          object.at("usable"),
          object.at("unit"),
          object.at("doing"),
          object.at("fraction"),
          object.at("seconds"),
          integer_at<std::int64_t>(object, "queued")};
}

json to_json(const RunStatus& s) {
  json slots = json::array(), set_aside = json::array();
  for (const SlotStatus& slot : s.slots) slots.push_back(to_json(slot));
  for (const TrialFailure& failure : s.set_aside) {
    set_aside.push_back({{"unit", failure.unit},
                         {"cause", failure.cause},
                         {"message", failure.message},
                         {"trials", failure.trials}});
  }
  return {
      {"version", kStatusVersion},
      {"sweep", s.sweep},
      {"state", kStateNames.at(static_cast<std::size_t>(s.state))},
      {"message", s.message},
      {"host", s.host},
      {"pid", s.pid},
      {"job", s.job},
      {"started_at", s.started_at},
      {"updated_at", s.updated_at},
      {"updated_unix", s.updated_unix},
      {"trials",
       {{"total", s.trials},
        {"done", s.trials_done},
        {"reused", s.trials_reused},
        {"running", s.trials_running},
        {"set_aside", s.trials_set_aside},
        {"diverged", s.trials_diverged}}},
      {"units",
       {{"total", s.units},
        {"done", s.units_done},
        {"running", s.units_running},
        {"set_aside", s.units_set_aside}}},
      {"failures", s.failures},
      {"work_fraction", s.work_fraction},
      {"elapsed_seconds", s.elapsed_seconds},
      {"units_per_second", s.units_per_second},
      {"trials_per_second", s.trials_per_second},
      {"left_seconds",
       {{"expected", s.left_seconds}, {"low", s.left_low_seconds}, {"high", s.left_high_seconds}}},
      {"slots", slots},
      {"set_aside", set_aside},
      {"recovered", s.recovered}};
}

RunStatus status_from(const json& object) {
  if (integer_at<int>(object, "version") > kStatusVersion) {
    throw FormatError("it was written by a newer calsweep; use that version");
  }
  RunStatus s;
  s.sweep = object.at("sweep");
  s.state = state_from(object.at("state"));
  s.message = object.at("message");
  s.host = object.at("host");
  s.pid = integer_at<std::int64_t>(object, "pid");
  s.job = object.at("job");
  s.started_at = object.at("started_at");
  s.updated_at = object.at("updated_at");
  s.updated_unix = object.at("updated_unix");
  const json& trials = object.at("trials");
  s.trials = integer_at<std::int64_t>(trials, "total");
  s.trials_done = integer_at<std::int64_t>(trials, "done");
  s.trials_reused = integer_at<std::int64_t>(trials, "reused");
  s.trials_running = integer_at<std::int64_t>(trials, "running");
  s.trials_set_aside = integer_at<std::int64_t>(trials, "set_aside");
  s.trials_diverged = integer_at<std::int64_t>(trials, "diverged");
  const json& units = object.at("units");
  s.units = integer_at<std::int64_t>(units, "total");
  s.units_done = integer_at<std::int64_t>(units, "done");
  s.units_running = integer_at<std::int64_t>(units, "running");
  s.units_set_aside = integer_at<std::int64_t>(units, "set_aside");
  s.failures = integer_at<std::int64_t>(object, "failures");
  s.work_fraction = object.at("work_fraction");
  s.elapsed_seconds = object.at("elapsed_seconds");
  s.units_per_second = object.at("units_per_second");
  s.trials_per_second = object.at("trials_per_second");
  const json& left = object.at("left_seconds");
  s.left_seconds = left.at("expected");
  s.left_low_seconds = left.at("low");
  s.left_high_seconds = left.at("high");
  for (const json& slot : object.at("slots")) s.slots.push_back(slot_from(slot));
  for (const json& failure : object.at("set_aside")) {
    s.set_aside.push_back({failure.at("unit"), failure.at("cause"), failure.at("message"),
                           failure.at("trials").get<std::vector<std::string>>()});
  }
  s.recovered = object.at("recovered").get<std::vector<std::string>>();
  return s;
}

}  // namespace

std::string status_json(const RunStatus& status) {
  return to_json(status).dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

// For a full disk, where the room the file has is all there is: not atomic, but better than a file
// that goes on saying "running".
static bool overwrite_in_place(const fs::path& file, const std::string& content) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const auto size = static_cast<off_t>(content.size());
  const bool written = ::pwrite(fd, content.data(), content.size(), 0) == size;
  const bool cut = written && ::ftruncate(fd, size) == 0;
  ::close(fd);
  return cut;
}

void write_status(const RunDirectory& run, const RunStatus& status) {
  fs::path partial = run.status();
  partial += ".partial";
  const std::string content = status_json(status);
  {
    std::ofstream stream(partial, std::ios::binary | std::ios::trunc);
    stream << content;
    stream.flush();
    if (!stream) {
      const int code = errno;
      std::error_code ignored;
      fs::remove(partial, ignored);  // on a full disk every byte counts
      const bool full = code == ENOSPC || code == EDQUOT;
      if (full && overwrite_in_place(run.status(), content)) return;
      throw IoError(fmt::format("cannot write {}: {}", partial.string(), std::strerror(code)));
    }
  }
  if (std::rename(partial.c_str(), run.status().c_str()) != 0) {
    throw IoError(
        fmt::format("cannot replace {}: {}", run.status().string(), std::strerror(errno)));
  }
}

RunStatus read_status(const RunDirectory& run) {
  std::error_code error;
  if (!fs::exists(run.status(), error)) {
    throw UsageError(fmt::format(
        "{} holds no status.json: no run was started there, or the file was lost (the next run writes "
        "it anew); give the directory that `calsweep run` printed (runs/<name>)",
        run.root().string()));
  }
  try {
    return status_from(json::parse(read_file(run.status())));
  } catch (const json::exception& problem) {
    throw FormatError(fmt::format("{} is damaged: {}; the next run replaces it",
                                  run.status().string(), problem.what()));
  } catch (const FormatError& problem) {
    throw FormatError(fmt::format("{}: {}", run.status().string(), problem.what()));
  }
}

}  // namespace calsweep::orchestrator
