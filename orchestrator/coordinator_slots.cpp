// The coordinator's bookkeeping of slots: who has what, handing out, deadlines, the end.
#include <fmt/core.h>

#include <algorithm>

#include "orchestrator/coordinator.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::orchestrator {

Coordinator::Slot* Coordinator::find_slot(SlotId id) {
  const auto agent = agents_.find(id.agent);
  if (agent == agents_.end() || id.slot < 0) return nullptr;
  const auto at = static_cast<std::size_t>(id.slot);
  return at < agent->second.slots.size() ? &agent->second.slots[at] : nullptr;
}

bool Coordinator::heard_from(AgentId id, double now) {
  const auto agent = agents_.find(id);
  // A lost agent counts again only after it introduced itself anew.
  if (agent == agents_.end() || !agent->second.alive) return false;
  agent->second.last_heard_at = now;
  return true;
}

std::optional<UnitIndex> Coordinator::answered(SlotId slot, const UnitId& unit, Attempt attempt) {
  const auto found = index_of_.find(unit);
  if (found == index_of_.end()) return std::nullopt;
  const auto* assigned = std::get_if<Assigned>(&entries_[position(found->second)].state);
  if (assigned == nullptr || assigned->attempt != attempt || assigned->slot != slot) {
    return std::nullopt;
  }
  return found->second;
}

void Coordinator::count(UnitIndex unit, std::int64_t by) {
  const UnitState& state = entries_[position(unit)].state;
  const auto trials = by * static_cast<std::int64_t>(units_[position(unit)].trials.size());
  if (std::holds_alternative<Waiting>(state)) unit_counts_.waiting += by;
  if (std::holds_alternative<Ready>(state)) unit_counts_.ready += by;
  if (std::holds_alternative<Assigned>(state)) {
    unit_counts_.running += by;
    trial_counts_.running += trials;
  }
  if (std::holds_alternative<Sealed>(state)) {
    unit_counts_.sealed += by;
    trial_counts_.sealed += trials;
  }
  if (std::holds_alternative<SetAside>(state)) {
    unit_counts_.set_aside += by;
    trial_counts_.set_aside += trials;
  }
}

void Coordinator::set_state(UnitIndex unit, UnitState state) {
  count(unit, -1);
  entries_[position(unit)].state = std::move(state);
  count(unit, 1);
}

void Coordinator::make_ready(UnitIndex unit) {
  const PlannedUnit& plan = units_[position(unit)];
  set_state(unit, Ready{});
  ready_.push({unit, plan.kind, entries_[position(unit)].shape, plan.flops});
}

void Coordinator::release_slot(UnitIndex unit, double now) {
  const SlotId id = std::get<Assigned>(entries_[position(unit)].state).slot;
  Slot& slot = *find_slot(id);
  slot.queue.erase(std::find(slot.queue.begin(), slot.queue.end(), unit));
  // Expectations move with the rates; the sum is made new rather than kept.
  slot.queued_seconds = 0.0;
  for (const UnitIndex queued : slot.queue) {
    slot.queued_seconds += cost_.expected_seconds(slot.device, entries_[position(queued)].shape,
                                                  units_[position(queued)].flops);
  }
  if (!slot.queue.empty()) {
    std::get<Assigned>(entries_[position(slot.queue.front())].state).last_sign_at = now;
  }
  if (slot.usable) hungry_.insert(id);
}

void Coordinator::empty_slot(SlotId id, std::string_view why, double now) {
  Slot& slot = *find_slot(id);
  while (!slot.queue.empty()) {
    const UnitIndex unit = slot.queue.front();
    const auto attempt = std::get<Assigned>(entries_[position(unit)].state).attempt;
    release_slot(unit, now);
    actions_.push_back(RecordEnd{unit, attempt, AttemptEnd::Lost, std::string(why), ""});
    make_ready(unit);
  }
  hungry_.erase(id);
}

bool Coordinator::may_run_on(UnitIndex unit, SlotId slot) const {
  const auto& failed_on = entries_[position(unit)].failed_on;
  const auto failed_there = [&](SlotId id) {
    return std::find(failed_on.begin(), failed_on.end(), id) != failed_on.end();
  };
  if (!failed_there(slot)) return true;
  for (const auto& [id, agent] : agents_) {
    for (std::size_t s = 0; s < agent.slots.size(); ++s) {
      const SlotId other{id, static_cast<std::int32_t>(s)};
      if (agent.slots[s].usable && !failed_there(other)) return false;
    }
  }
  return true;
}

std::optional<double> Coordinator::room_ahead(const Slot& slot) const {
  // An unmeasured shape may take any time: nothing waits behind it.
  const auto front_shape = entries_[position(slot.queue.front())].shape;
  if (!cost_.knows(slot.device, front_shape)) return std::nullopt;
  const double room = limits_.prefetch_seconds - slot.queued_seconds;
  return room > 0.0 && slot.queue.size() < limits_.max_prefetch ? std::optional(room)
                                                                : std::nullopt;
}

bool Coordinator::give_one(SlotId id, Slot& slot, double now,
                           std::optional<double> at_most_seconds) {
  const auto entry = ready_.pop(
      cost_, {slot.device, at_most_seconds, [&](UnitIndex unit) { return may_run_on(unit, id); }});
  if (!entry) return false;
  const Attempt attempt{++last_attempt_};
  set_state(entry->unit, Assigned{id, attempt, now, now, 0.0, ""});
  slot.queue.push_back(entry->unit);
  slot.queued_seconds += cost_.expected_seconds(slot.device, entry->shape, entry->flops);
  actions_.push_back(AssignUnit{id, entry->unit, attempt});
  return true;
}

void Coordinator::dispatch(double now) {
  if (draining_ || finished()) return;
  // First one unit for every idle slot, only then units ahead, one each in turn.
  for (auto it = hungry_.begin(); it != hungry_.end() && !ready_.empty(); ++it) {
    Slot& slot = *find_slot(*it);
    if (slot.queue.empty()) give_one(*it, slot, now, std::nullopt);
  }
  bool given = true;
  while (given && !ready_.empty()) {
    given = false;
    for (auto it = hungry_.begin(); it != hungry_.end() && !ready_.empty();) {
      Slot& slot = *find_slot(*it);
      if (slot.queue.empty()) {
        ++it;
        continue;
      }
      const auto room = room_ahead(slot);
      const bool took = room && give_one(*it, slot, now, room);
      given = given || took;
      it = took ? std::next(it) : hungry_.erase(it);
    }
  }
}

std::vector<Action> Coordinator::take_actions(double now) {
  dispatch(now);
  std::vector<Action> taken;
  taken.swap(actions_);
  return taken;
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
  finish_if_over(now);
}

void Coordinator::finish_if_over(double now) {
  if (finished()) return;
  const bool all_ended = unit_counts_.sealed + unit_counts_.set_aside == unit_counts_.total;
  bool any_slot = false;
  for (const auto& [id, agent] : agents_) {
    for (const Slot& slot : agent.slots) any_slot = any_slot || slot.usable;
  }
  const bool all_joined = static_cast<std::int32_t>(agents_.size()) >= limits_.expected_agents;
  if (all_ended) {
    finish_ = Finish{FinishReason::Complete, ""};
  } else if (draining_ && unit_counts_.running == 0) {
    finish_ = Finish{FinishReason::DiskFull, *draining_};
  } else if (!any_slot && (all_joined || now - started_at_ > limits_.join_seconds)) {
    finish_ = Finish{FinishReason::NoSlots,
                     last_unusable_.empty() ? "no worker is there" : last_unusable_};
  }
  if (finish_) actions_.push_back(*finish_);
}

std::vector<Coordinator::SlotView> Coordinator::slots() const {
  std::vector<SlotView> views;
  for (const auto& [id, agent] : agents_) {
    for (std::size_t s = 0; s < agent.slots.size(); ++s) {
      const Slot& slot = agent.slots[s];
      SlotView view{{id, static_cast<std::int32_t>(s)},
                    agent.host,
                    cost_.device(slot.device),
                    slot.usable,
                    std::nullopt,
                    0.0,
                    0.0,
                    "",
                    0};
      if (!slot.queue.empty()) {
        const auto& assigned = std::get<Assigned>(entries_[position(slot.queue.front())].state);
        view.running = slot.queue.front();
        view.fraction = assigned.fraction;
        view.since = assigned.assigned_at;
        view.doing = assigned.doing;
        view.queued = slot.queue.size() - 1;
      }
      views.push_back(std::move(view));
    }
  }
  return views;
}

std::vector<UnitIndex> Coordinator::set_aside() const {
  std::vector<UnitIndex> units;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (std::holds_alternative<SetAside>(entries_[i].state)) {
      units.push_back(UnitIndex{static_cast<std::int32_t>(i)});
    }
  }
  return units;
}

const std::string& Coordinator::host(AgentId id) const {
  static const std::string unknown = "an unknown host";
  const auto agent = agents_.find(id);
  return agent == agents_.end() ? unknown : agent->second.host;
}

double Coordinator::work_fraction() const {
  double total = 0.0, left = 0.0;
  for (const auto& unit : units_) total += unit.flops;
  for (const double flops : flops_left_) left += flops;
  for (const auto& view : slots()) {
    if (view.running) left -= view.fraction * units_[position(*view.running)].flops;
  }
  return total > 0.0 ? std::clamp(1.0 - left / total, 0.0, 1.0) : 1.0;
}

TimeLeft Coordinator::time_left() const {
  double alone = 0.0, advanced = 0.0, longest = 0.0;
  std::int64_t n_slots = 0;
  for (const auto& [id, agent] : agents_) {
    for (const Slot& slot : agent.slots) {
      if (!slot.usable) continue;
      ++n_slots;
      for (std::size_t shape = 0; shape < flops_left_.size(); ++shape) {
        alone += cost_.expected_seconds(slot.device, shape, flops_left_[shape]);
      }
      if (slot.queue.empty()) continue;
      const auto at = position(slot.queue.front());
      const double expected =
          cost_.expected_seconds(slot.device, entries_[at].shape, units_[at].flops);
      const double fraction = std::get<Assigned>(entries_[at].state).fraction;
      advanced += fraction * expected;
      longest = std::max(longest, (1.0 - fraction) * expected);
    }
  }
  if (n_slots == 0) return {};
  // `alone`: what each slot would need for all of it, summed; its mean is the work in slot seconds.
  const double work = std::max(alone / static_cast<double>(n_slots) - advanced, 0.0);
  const std::int64_t left = unit_counts_.total - unit_counts_.sealed - unit_counts_.set_aside;
  return orchestrator::time_left(cost_, work, longest, left, n_slots);
}

}  // namespace calsweep::orchestrator
