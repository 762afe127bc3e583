#include "orchestrator/coordinator.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <set>
#include <string>

#include "sweeps/errors.hpp"

namespace calsweep::orchestrator {

PlannedUnit planned(const WorkUnit& unit) {
  PlannedUnit plan{unit.id, unit.kind, unit.flops, unit.shape, {}, {}, {}};
  if (unit.kind == UnitKind::Trials) plan.needs = unit.needs;
  for (const Stack& stack : unit.stacks) {
    for (const StackMember& member : stack.members) {
      if (unit.kind == UnitKind::Stage) plan.makes.push_back(member.stage);
      if (unit.kind == UnitKind::Trials) plan.trials.push_back(member.trial);
    }
  }
  return plan;
}

Coordinator::Coordinator(std::vector<PlannedUnit> units, CoordinatorLimits limits,
                         Attempt last_attempt, double now)
    : units_(std::move(units)),
      limits_(limits),
      last_attempt_(number(last_attempt)),
      started_at_(now),
      entries_(units_.size()) {
  for (const PlannedUnit& unit : units_) {
    for (const StageId& stage : unit.makes) dependents_[stage];
  }
  for (std::size_t i = 0; i < units_.size(); ++i) {
    const UnitIndex unit{static_cast<std::int32_t>(i)};
    CALSWEEP_CHECK(index_of_.emplace(units_[i].id, unit).second, "two units share an id");
    entries_[i].shape = cost_.shape_index(units_[i].shape);
    flops_left_.resize(cost_.n_shapes());
    flops_left_[entries_[i].shape] += units_[i].flops;
    std::int32_t missing = 0;
    for (const StageId& stage : units_[i].needs) {
      const auto maker = dependents_.find(stage);
      if (maker == dependents_.end()) continue;
      maker->second.push_back(unit);
      ++missing;
    }
    entries_[i].state = Waiting{missing};
    ++unit_counts_.total;
    trial_counts_.total += static_cast<std::int64_t>(units_[i].trials.size());
    count(unit, 1);
    if (missing == 0) make_ready(unit);
  }
}

void Coordinator::handle(const Event& event, double now) {
  if (finished()) return;
  std::visit([&](const auto& typed) { on(typed, now); }, event);
  finish_if_over(now);
}

void Coordinator::on(const AgentJoined& event, double now) {
  // An agent that introduces itself again has forgotten everything: so do we.
  if (agents_.contains(event.agent)) {
    for (std::size_t s = 0; s < agents_[event.agent].slots.size(); ++s) {
      empty_slot({event.agent, static_cast<std::int32_t>(s)}, "its agent started over", now);
    }
  }
  Agent agent;
  agent.host = event.host;
  agent.last_heard_at = now;
  agent.slots.resize(static_cast<std::size_t>(std::max(event.n_slots, 0)));
  for (Slot& slot : agent.slots) slot.device = cost_.device_index(event.device);
  agents_[event.agent] = std::move(agent);
  if (!event.problem.empty()) {
    last_unusable_ = event.problem;
    note(NoteLevel::Error, fmt::format("agent {} on {} cannot work: {}", number(event.agent),
                                       event.host, event.problem));
  }
  for (std::int32_t s = 0; s < event.n_slots; ++s) hungry_.insert({event.agent, s});
}

void Coordinator::on(const AgentLost& event, double now) {
  const auto found = agents_.find(event.agent);
  if (found == agents_.end() || !found->second.alive) return;
  found->second.alive = false;
  note(NoteLevel::Warning, fmt::format("agent {} on {} is lost: {}; its units are handed out again",
                                       number(event.agent), found->second.host, event.why));
  for (std::size_t s = 0; s < found->second.slots.size(); ++s) {
    empty_slot({event.agent, static_cast<std::int32_t>(s)}, "its agent was lost", now);
    found->second.slots[s].usable = false;
  }
  // Should it only have been slow, it must forget its units before it gets new ones.
  actions_.push_back(ResetAgent{event.agent});
}

void Coordinator::on(const AgentAlive& event, double now) { heard_from(event.agent, now); }

void Coordinator::on(const SlotReady& event, double now) {
  if (!heard_from(event.slot.agent, now)) return;
  if (Slot* slot = find_slot(event.slot)) slot->device = cost_.device_index(event.device);
}

void Coordinator::on(const SlotUnusable& event, double now) {
  if (!heard_from(event.slot.agent, now)) return;
  Slot* slot = find_slot(event.slot);
  if (slot == nullptr || !slot->usable) return;
  last_unusable_ = event.message;
  note(NoteLevel::Error, fmt::format("slot {} of {} leaves the run: {}", event.slot.slot,
                                     host(event.slot.agent), event.message));
  empty_slot(event.slot, "its slot became unusable", now);
  slot->usable = false;
}

void Coordinator::on(const UnitProgress& event, double now) {
  if (!heard_from(event.slot.agent, now)) return;
  const auto unit = answered(event.slot, event.unit, event.attempt);
  if (!unit) return;
  auto& assigned = std::get<Assigned>(entries_[position(*unit)].state);
  assigned.last_sign_at = now;
  assigned.fraction = std::clamp(event.fraction, 0.0, 1.0);
  assigned.doing = event.doing;
}

void Coordinator::on(const UnitDone& event, double now) {
  if (!heard_from(event.slot.agent, now)) return;
  const auto unit = answered(event.slot, event.unit, event.attempt);
  if (!unit) return;
  UnitEntry& entry = entries_[position(*unit)];
  cost_.learn(find_slot(event.slot)->device, entry.shape, units_[position(*unit)].flops,
              event.seconds);
  release_slot(*unit, now);
  set_state(*unit, Sealed{});
  trial_counts_.diverged += static_cast<std::int64_t>(event.diverged.size());
  flops_left_[entry.shape] -= units_[position(*unit)].flops;
  actions_.push_back(RecordDone{*unit, event});
  if (entry.failures > 0) recovered_.push_back({*unit, entry.last_host, entry.last_cause});
  stages_exist(*unit);
}

void Coordinator::on(const UnitStopped& event, double now) {
  if (!heard_from(event.slot.agent, now)) return;
  const auto unit = answered(event.slot, event.unit, event.attempt);
  if (!unit) return;
  release_slot(*unit, now);
  actions_.push_back(
      RecordEnd{*unit, event.attempt, AttemptEnd::Interrupted,
                fmt::format("stopped at {:.0f} % with a checkpoint", 100.0 * event.fraction), ""});
  make_ready(*unit);
}

void Coordinator::on(const UnitFailed& event, double now) {
  if (!heard_from(event.slot.agent, now)) return;
  const auto unit = answered(event.slot, event.unit, event.attempt);
  if (unit) fail(*unit, event, now);
}

void Coordinator::on(const StopRequested& event, double) {
  for (std::size_t i = 0; i < units_.size(); ++i) {
    const auto* assigned = std::get_if<Assigned>(&entries_[i].state);
    if (assigned == nullptr) continue;
    const UnitIndex unit{static_cast<std::int32_t>(i)};
    actions_.push_back(CancelUnit{assigned->slot, units_[i].id, assigned->attempt});
    actions_.push_back(RecordEnd{unit, assigned->attempt, AttemptEnd::Interrupted, event.why, ""});
  }
  finish_ = Finish{FinishReason::Stopped, event.why};
  actions_.push_back(*finish_);
}

void Coordinator::fail(UnitIndex unit, const UnitFailed& event, double now) {
  UnitEntry& entry = entries_[position(unit)];
  const std::string where = host(event.slot.agent);
  release_slot(unit, now);
  actions_.push_back(
      RecordEnd{unit, event.attempt, AttemptEnd::Failed, event.cause, event.message});
  ++n_failures_;
  if (event.kind == FailureKind::Disk) {
    make_ready(unit);
    stop_for_full_disk(event.message.empty() ? event.cause : event.message);
    return;
  }
  ++entry.failures;
  entry.failed_on.push_back(event.slot);
  entry.last_cause = event.cause;
  entry.last_host = where;
  // Damaged or missing data stays so on the hosts that were tried; another may have better.
  const bool hopeless = event.kind == FailureKind::Data && !untried_host_exists(entry);
  if (hopeless || entry.failures >= limits_.max_attempts) {
    set_aside(unit, event.cause, event.message);
    return;
  }
  note(NoteLevel::Warning,
       fmt::format("unit {} failed on {}: {}; it is tried again (try {} of {}){}{}",
                   event.unit.hex(), where, event.cause, entry.failures + 1, limits_.max_attempts,
                   event.message.empty() ? "" : "; the last it said: ", event.message));
  make_ready(unit);
}

bool Coordinator::untried_host_exists(const UnitEntry& entry) const {
  std::set<std::string> tried;
  for (const SlotId& slot : entry.failed_on) tried.insert(host(slot.agent));
  return std::any_of(agents_.begin(), agents_.end(), [&](const auto& item) {
    const auto& slots = item.second.slots;
    return !tried.contains(item.second.host) && item.second.alive &&
           std::any_of(slots.begin(), slots.end(), [](const Slot& slot) { return slot.usable; });
  });
}

void Coordinator::set_aside(UnitIndex unit, const std::string& cause, const std::string& message) {
  const PlannedUnit& plan = units_[position(unit)];
  set_state(unit, SetAside{cause, message});
  flops_left_[entries_[position(unit)].shape] -= plan.flops;
  actions_.push_back(RecordSetAside{unit, cause, message});
  const std::string what = plan.kind == UnitKind::Stage
                               ? std::string("a warm-up stage")
                               : fmt::format("{} trials", plan.trials.size());
  note(NoteLevel::Error, fmt::format("unit {} ({}) is set aside: {}{}{}", plan.id.hex(), what,
                                     cause, message.empty() ? "" : ": ", message));
  for (const StageId& stage : plan.makes) {
    for (const UnitIndex dependent : dependents_[stage]) {
      if (!std::holds_alternative<Waiting>(entries_[position(dependent)].state)) continue;
      set_aside(dependent, fmt::format("needs stage {}, which failed: {}", stage.hex(), cause), "");
    }
  }
}

void Coordinator::stages_exist(UnitIndex stage_unit) {
  for (const StageId& stage : units_[position(stage_unit)].makes) {
    for (const UnitIndex dependent : dependents_[stage]) {
      auto* waiting = std::get_if<Waiting>(&entries_[position(dependent)].state);
      if (waiting != nullptr && --waiting->missing_stages == 0) make_ready(dependent);
    }
  }
}

void Coordinator::stop_for_full_disk(const std::string& message) {
  if (draining_) return;
  draining_ = message;
  note(NoteLevel::Error, "nothing more is handed out, running units may end: " + message);
}

}  // namespace calsweep::orchestrator
