// How a run ends: silence, full disk, stop requests, the end of the job's time, completion.
#include <fmt/core.h>

#include <algorithm>
#include <limits>

#include "orchestrator/coordinator.hpp"

namespace calsweep::orchestrator {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

}  // namespace

void Coordinator::on(const StopRequested& event, double now) {
  finish_if_over(now);  // with nothing left to do there is nothing to stop
  if (finished()) return;
  if (event.grace_seconds <= 0.0) return stop_at_once(event.why);
  wind_up(FinishReason::Stopped, event.why, now + event.grace_seconds, now);
}

void Coordinator::stop_for_full_disk(const std::string& message, double now) {
  if (drain_) return;
  drain_ = Drain{FinishReason::DiskFull, message, kNever};
  note(NoteLevel::Warning, "nothing more is handed out, running units may end: " + message);
  for (const auto& [id, agent] : agents_) {
    for (std::size_t s = 0; s < agent.slots.size(); ++s) {
      take_back_what_waits({id, static_cast<std::int32_t>(s)}, now);
    }
  }
}

void Coordinator::wind_up(FinishReason reason, const std::string& why, double deadline,
                          double now) {
  const bool asked_before = drain_ && drain_->deadline < kNever;
  if (!drain_) drain_ = Drain{reason, why, deadline};
  drain_->deadline = std::min(drain_->deadline, deadline);
  if (asked_before) return;
  if (unit_counts_.running > 0) {
    note(NoteLevel::Warning,
         fmt::format("stopping ({}): nothing more is handed out, running units store checkpoints",
                     why));
  }
  for (const auto& [id, agent] : agents_) {
    for (std::size_t s = 0; s < agent.slots.size(); ++s) {
      ask_slot_to_stop({id, static_cast<std::int32_t>(s)}, now);
    }
  }
}

// All but the front, which is what the slot is at.
void Coordinator::take_back_what_waits(SlotId id, double now) {
  Slot& slot = *find_slot(id);
  while (slot.queue.size() > 1) {
    const UnitIndex unit = slot.queue.back();
    const Attempt attempt = std::get<Assigned>(entries_[position(unit)].state).attempt;
    actions_.push_back(CancelUnit{id, units_[position(unit)].id, attempt});
    actions_.push_back(RecordEnd{unit, attempt, AttemptEnd::Interrupted, drain_->why, ""});
    release_slot(unit, now);
    make_ready(unit);
  }
}

void Coordinator::ask_slot_to_stop(SlotId id, double now) {
  take_back_what_waits(id, now);
  const Slot& slot = *find_slot(id);
  if (slot.queue.empty()) return;
  const UnitIndex unit = slot.queue.front();
  const auto& assigned = std::get<Assigned>(entries_[position(unit)].state);
  actions_.push_back(StopUnit{id, units_[position(unit)].id, assigned.attempt});
}

void Coordinator::stop_at_once(const std::string& why) {
  if (unit_counts_.running > 0) {
    note(NoteLevel::Warning, fmt::format("stopping at once ({}): what runs is given up, earlier "
                                         "checkpoints are kept",
                                         why));
  }
  for (std::size_t i = 0; i < units_.size(); ++i) {
    const auto* assigned = std::get_if<Assigned>(&entries_[i].state);
    if (assigned == nullptr) continue;
    const UnitIndex unit{static_cast<std::int32_t>(i)};
    actions_.push_back(CancelUnit{assigned->slot, units_[i].id, assigned->attempt});
    actions_.push_back(RecordEnd{unit, assigned->attempt, AttemptEnd::Interrupted, why, ""});
  }
  finish_ = drain_ ? Finish{drain_->reason, drain_->why} : Finish{FinishReason::Stopped, why};
  actions_.push_back(*finish_);
}

void Coordinator::check_units(AgentId id, Agent& agent, double now) {
  for (std::size_t s = 0; s < agent.slots.size(); ++s) {
    if (agent.slots[s].queue.empty()) continue;
    const UnitIndex unit = agent.slots[s].queue.front();
    const auto assigned = std::get<Assigned>(entries_[position(unit)].state);
    if (now - assigned.last_sign_at <= limits_.unit_silence_seconds) continue;
    actions_.push_back(CancelUnit{assigned.slot, units_[position(unit)].id, assigned.attempt});
    fail(unit,
         {{id, static_cast<std::int32_t>(s)},
          units_[position(unit)].id,
          assigned.attempt,
          FailureKind::Trainer,
          fmt::format("no sign of life for {:.0f} s", now - assigned.last_sign_at),
          ""},
         now);
  }
}

void Coordinator::tick(double now) {
  if (finished()) return;
  for (auto& [id, agent] : agents_) {
    if (!agent.alive) continue;
    const double silence = now - agent.last_heard_at;
    if (silence > limits_.agent_silence_seconds) {
      on(AgentLost{id, fmt::format("no message for {:.0f} s", silence)}, now);
    } else {
      check_units(id, agent, now);
    }
  }
  if (limits_.stop_at && now >= *limits_.stop_at) {
    wind_up(FinishReason::Stopped, "the end of the job's time",
            *limits_.stop_at + limits_.stop_grace_seconds, now);
  }
  if (drain_ && now > drain_->deadline) return stop_at_once(drain_->why);
  finish_if_over(now);
}

void Coordinator::finish_if_over(double now) {
  if (finished()) return;
  finish_ = reason_to_finish(now);
  if (finish_) actions_.push_back(*finish_);
}

std::optional<Finish> Coordinator::reason_to_finish(double now) const {
  if (unit_counts_.sealed + unit_counts_.set_aside == unit_counts_.total) {
    return Finish{FinishReason::Complete, ""};
  }
  if (unit_counts_.running > 0) return std::nullopt;
  if (drain_) return Finish{drain_->reason, drain_->why};
  if (too_late_) {
    return Finish{FinishReason::Stopped, "the end of the job's time, too near to begin anything"};
  }
  const bool all_joined = static_cast<std::int32_t>(agents_.size()) >= limits_.expected_agents;
  if (!all_joined && now - started_at_ <= limits_.join_seconds) return std::nullopt;
  if (usable_slot_exists([](SlotId, const Agent&) { return true; })) return std::nullopt;
  if (!last_leaving_.empty()) return Finish{FinishReason::Stopped, last_leaving_};
  return Finish{FinishReason::NoSlots,
                last_unusable_.empty() ? "no worker is there" : last_unusable_};
}

}  // namespace calsweep::orchestrator
