#include "orchestrator/run_report.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>

#include "orchestrator/run_lock.hpp"
#include "orchestrator/utc_time.hpp"
#include "sweeps/log.hpp"

namespace calsweep::orchestrator {
namespace {

constexpr std::size_t kMaxListed = 100;

}  // namespace

RunReport::RunReport(const UnitRun& work, const Coordinator& coordinator, double now)
    : work_(work), coordinator_(coordinator), started_(now), started_at_(utc_now()) {}

RunStatus RunReport::status(double now) const {
  RunStatus s;
  s.sweep = work_.name;
  s.host = host_name();
  s.pid = ::getpid();
  s.job = job_id();
  s.started_at = started_at_;
  s.updated_at = utc_now();
  s.updated_unix = unix_seconds();
  s.message = coordinator_.winding_up();
  const auto trials = coordinator_.trial_counts();
  s.trials = work_.trials_total;
  s.trials_reused = work_.trials_reused;
  s.trials_done = work_.trials_reused + trials.sealed;
  s.trials_set_aside = trials.set_aside;
  s.trials_diverged = work_.diverged_before + trials.diverged;
  const auto units = coordinator_.unit_counts();
  s.units = units.total;
  s.units_done = units.sealed;
  s.units_set_aside = units.set_aside;
  s.failures = coordinator_.n_failures();
  s.work_fraction =
      units.sealed + units.set_aside == units.total ? 1.0 : coordinator_.work_fraction();
  s.elapsed_seconds = now - started_;
  if (s.elapsed_seconds > 0.0) {
    s.units_per_second = static_cast<double>(units.sealed) / s.elapsed_seconds;
    s.trials_per_second = static_cast<double>(trials.sealed) / s.elapsed_seconds;
  }
  const TimeLeft left = units.sealed > 0 ? coordinator_.time_left() : TimeLeft{};
  s.left_seconds = left.seconds;
  s.left_low_seconds = left.low;
  s.left_high_seconds = left.high;
  for (const auto& view : coordinator_.slots()) {
    // What waits on a slot behind the unit it is at does not run yet.
    if (view.running) {
      ++s.units_running;
      s.trials_running +=
          static_cast<std::int64_t>(coordinator_.units()[position(*view.running)].trials.size());
    }
    const auto unit = view.running ? coordinator_.units()[position(*view.running)].id.str() : "";
    s.slots.push_back({view.host, view.device, number(view.slot.agent), view.slot.slot, view.usable,
                       unit, view.doing, view.fraction, view.running ? now - view.since : 0.0,
                       static_cast<std::int64_t>(view.queued)});
  }
  for (const UnitIndex unit : coordinator_.set_aside()) {
    if (s.set_aside.size() == kMaxListed) break;
    const auto& why = std::get<Coordinator::SetAside>(coordinator_.state(unit));
    const PlannedUnit& plan = coordinator_.units()[position(unit)];
    TrialFailure failure{plan.id.str(), why.cause, why.message, {}};
    for (const TrialId& trial : plan.trials) failure.trials.push_back(trial.str());
    s.set_aside.push_back(std::move(failure));
  }
  s.recovered = recovered();
  return s;
}

std::vector<std::string> RunReport::recovered() const {
  std::vector<std::string> sentences;
  for (const auto& made_good : coordinator_.recovered()) {
    if (sentences.size() == kMaxListed) break;
    sentences.push_back(fmt::format(
        "a trainer on {} failed ({}) while training unit {}; it was retried and completed",
        made_good.host, made_good.cause, coordinator_.units()[position(made_good.unit)].id.hex()));
  }
  return sentences;
}

int RunReport::exit_code() const {
  switch (coordinator_.finish()->reason) {
    case FinishReason::Complete:
      return coordinator_.unit_counts().set_aside == 0 ? kExitDone : kExitFailures;
    case FinishReason::Stopped:
      return kExitIncomplete;
    case FinishReason::DiskFull:
    case FinishReason::NoSlots:
      return kExitInternal;
  }
  return kExitInternal;
}

std::string RunReport::result_message() const {
  const Finish& finish = *coordinator_.finish();
  switch (finish.reason) {
    case FinishReason::Complete:
      return coordinator_.unit_counts().set_aside == 0 ? "" : "some trials were set aside";
    case FinishReason::Stopped:
      return "stopped by " + finish.message;
    case FinishReason::DiskFull:
      return finish.message + "; make room and run the same command again to continue";
    case FinishReason::NoSlots:
      return "no slot can work: " + finish.message;
  }
  return "";
}

RunStatus RunReport::final_status(double now) const {
  RunStatus s = status(now);
  s.trials_running = s.units_running = 0;  // whatever ran has been stopped
  s.left_seconds = s.left_low_seconds = s.left_high_seconds = 0.0;
  s.message = result_message();
  const auto reason = coordinator_.finish()->reason;
  if (reason == FinishReason::Complete) {
    s.state = s.trials_set_aside == 0 ? RunState::Complete : RunState::Incomplete;
  } else {
    s.state = reason == FinishReason::Stopped ? RunState::Incomplete : RunState::Failed;
  }
  return s;
}

RunStatus RunReport::broken_status(double now, const std::string& message) const {
  RunStatus s = status(now);
  s.trials_running = s.units_running = 0;
  s.left_seconds = s.left_low_seconds = s.left_high_seconds = 0.0;
  s.state = RunState::Failed;
  s.message = message;
  return s;
}

void RunReport::say_result(double now) const {
  const RunStatus s = final_status(now);
  const auto trained = s.trials_done - s.trials_reused;
  for (const std::string& sentence : s.recovered) log::info(sentence);
  for (const TrialFailure& failure : s.set_aside) {
    log::error(fmt::format("set aside: unit {} with {} trials: {}", failure.unit,
                           failure.trials.size(), failure.cause));
  }
  const auto numbers = fmt::format(
      "{} of {} trials are done: {} trained in {}, {} by earlier runs{}{}", s.trials_done, s.trials,
      trained, format_duration(s.elapsed_seconds), s.trials_reused,
      s.trials_diverged > 0 ? fmt::format(", {} diverged", s.trials_diverged) : "",
      s.trials_set_aside > 0 ? fmt::format(", {} set aside", s.trials_set_aside) : "");
  if (s.trials_diverged > 0) {
    log::warning(fmt::format("{} of {} trials diverged: their loss or logits became NaN or infinite; "
                             "they count as done, have no logits, and are not tried again",
                             s.trials_diverged, s.trials));
  }
  switch (coordinator_.finish()->reason) {
    case FinishReason::Complete:
      log::info(numbers);
      return;
    case FinishReason::Stopped:
      log::warning(
          fmt::format("{}; {}; run the same command again to continue", s.message, numbers));
      return;
    case FinishReason::DiskFull:
    case FinishReason::NoSlots:
      log::error(s.message);
      log::error(numbers);
      return;
  }
}

}  // namespace calsweep::orchestrator
