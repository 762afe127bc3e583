#include "orchestrator/coordinator.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <set>
#include <string>

#include "sweeps/errors.hpp"

namespace calsweep::orchestrator {

PlannedUnit planned(const WorkUnit& unit) {
  PlannedUnit plan{unit.id, unit.kind, unit.flops, unit.shape, {}, {}, {},
                   static_cast<std::int64_t>(unit.width())};
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
                         Attempt last_attempt, double now, UnitDivider* divider)
    : limits_(limits), last_attempt_(number(last_attempt)), started_at_(now), divider_(divider) {
  for (const PlannedUnit& unit : units) {
    for (const StageId& stage : unit.makes) dependents_[stage];
  }
  units_.reserve(units.size());
  entries_.reserve(units.size());
  for (PlannedUnit& unit : units) add_unit(std::move(unit), limits_.max_attempts);
}

void Coordinator::add_unit(PlannedUnit plan, std::int64_t limit) {
  const UnitIndex unit{static_cast<std::int32_t>(units_.size())};
  CALSWEEP_CHECK(index_of_.emplace(plan.id, unit).second, "two units share an id");
  UnitEntry entry;
  entry.limit = limit;
  entry.shape = cost_.shape_index(plan.shape);
  flops_left_.resize(cost_.n_shapes());
  flops_left_[entry.shape] += plan.flops;
  flops_total_ += plan.flops;
  std::int32_t missing = 0;
  for (const StageId& stage : plan.needs) {
    const auto maker = dependents_.find(stage);
    if (maker == dependents_.end()) continue;
    maker->second.push_back(unit);
    ++missing;
  }
  entry.state = Waiting{missing};
  ++unit_counts_.total;
  trial_counts_.total += static_cast<std::int64_t>(plan.trials.size());
  units_.push_back(std::move(plan));
  entries_.push_back(std::move(entry));
  count(unit, 1);
  if (missing == 0) make_ready(unit);
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

void Coordinator::on(const AgentLeaving& event, double now) {
  if (!heard_from(event.agent, now)) return;
  Agent& agent = agents_[event.agent];
  if (agent.leaving) return;
  agent.leaving = true;
  last_leaving_ = event.why;
  note(NoteLevel::Warning, fmt::format("agent {} on {} leaves the run: {}", number(event.agent),
                                       agent.host, event.why));
  for (std::size_t s = 0; s < agent.slots.size(); ++s) {
    agent.slots[s].usable = false;
    hungry_.erase({event.agent, static_cast<std::int32_t>(s)});
  }
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
  const double here = std::clamp(1.0 - event.resumed_at, 0.0, 1.0);  // the rest came from checkpoints
  if (here > 0.05) {
    cost_.learn(find_slot(event.slot)->device, entry.shape, here * units_[position(*unit)].flops,
                event.seconds);
  }
  release_slot(*unit, now);
  set_state(*unit, Sealed{});
  trial_counts_.diverged += static_cast<std::int64_t>(event.diverged.size());
  flops_left_[entry.shape] -= units_[position(*unit)].flops;
  actions_.push_back(RecordDone{*unit, event});
  credit(entry, event.slot);
  if (entry.failures > 0) recovered_.push_back({*unit, entry.last_host, entry.last_cause});
  stages_exist(*unit);
}

void Coordinator::on(const UnitStopped& event, double now) {
  if (!heard_from(event.slot.agent, now)) return;
  const auto unit = answered(event.slot, event.unit, event.attempt);
  if (!unit) return;
  UnitEntry& entry = entries_[position(*unit)];
  const bool asked = drain_ || agents_[event.slot.agent].leaving;
  // Somebody else stops our trainers: as long as checkpoints carry the work on, so be it.
  if (!asked && event.fraction <= entry.stopped_at) {
    fail(*unit,
         {event.slot, event.unit, event.attempt, FailureKind::Trainer,
          "stopped by a signal that calsweep did not send", ""},
         now);
    return;
  }
  entry.stopped_at = event.fraction;
  release_slot(*unit, now);
  actions_.push_back(
      RecordEnd{*unit, event.attempt, AttemptEnd::Interrupted,
                event.fraction > 0.0
                    ? fmt::format("stopped at {:.0f} %, a checkpoint is kept", 100 * event.fraction)
                    : "stopped before the first checkpoint",
                ""});
  make_ready(*unit);
}

void Coordinator::on(const UnitFailed& event, double now) {
  if (!heard_from(event.slot.agent, now)) return;
  const auto unit = answered(event.slot, event.unit, event.attempt);
  if (unit) fail(*unit, event, now);
}

}  // namespace calsweep::orchestrator
