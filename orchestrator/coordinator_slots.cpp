// The coordinator's bookkeeping of slots: who has what, and handing out.
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
  const UnitEntry& entry = entries_[position(unit)];
  const auto& failed_on = entry.failed_on;
  if (failed_on.empty()) return true;
  const auto failed_there = [&](SlotId id) {
    return std::find(failed_on.begin(), failed_on.end(), id) != failed_on.end();
  };
  // Another host is better than another slot, and that better than the same slot again.
  if (!failed_on_host(entry, host(slot.agent))) return true;
  if (untried_host_exists(entry)) return false;
  if (!failed_there(slot)) return true;
  return !usable_slot_exists([&](SlotId other, const Agent&) { return !failed_there(other); });
}

std::optional<double> Coordinator::room_ahead(const Slot& slot) const {
  // An unmeasured shape may take any time: nothing waits behind it.
  const auto front_shape = entries_[position(slot.queue.front())].shape;
  if (!cost_.knows(slot.device, front_shape)) return std::nullopt;
  const double room = limits_.prefetch_seconds - slot.queued_seconds;
  return room > 0.0 && slot.queue.size() < limits_.max_prefetch ? std::optional(room)
                                                                : std::nullopt;
}

std::optional<ReadyQueue::Entry> Coordinator::pick(SlotId id, const Slot& slot, double now,
                                                   std::optional<double> at_most_seconds) {
  const ReadyQueue::Request request{slot.device, at_most_seconds,
                                    [this, id](UnitIndex unit) { return may_run_on(unit, id); }};
  auto entry = ready_.pop(cost_, request);
  if (entry && limits_.stop_at) entry = pick_in_time(*entry, request, *limits_.stop_at - now);
  if (!entry) return std::nullopt;
  const std::int64_t width = fusion_limit(entry->shape, slot.device);
  if (divider_ == nullptr || units_[position(entry->unit)].width <= width) return entry;
  const UnitIndex part = narrow(entry->unit, width);
  return ready_.pop(cost_, {slot.device, std::nullopt,
                            [part](UnitIndex unit) { return unit == part; }});
}

// `first` was taken out: the longest. What cannot end in the time left makes way for what can; if
// nothing can, it is begun all the same as long as a checkpoint can keep some of the work.
std::optional<ReadyQueue::Entry> Coordinator::pick_in_time(ReadyQueue::Entry first,
                                                           ReadyQueue::Request request,
                                                           double left) {
  if (cost_.expected_seconds(request.device, first.shape, first.flops) <= left) return first;
  const bool can_keep_some = left > limits_.checkpoint_seconds;
  request.at_most_seconds = std::min(left, request.at_most_seconds.value_or(left));
  auto other = left > 0.0 ? ready_.pop(cost_, request) : std::nullopt;
  if (!other && can_keep_some) return first;
  ready_.push(first);
  too_late_ = too_late_ || !other;
  return other;
}

bool Coordinator::give_one(SlotId id, Slot& slot, double now,
                           std::optional<double> at_most_seconds) {
  const auto entry = pick(id, slot, now, at_most_seconds);
  if (!entry) return false;
  const Attempt attempt{++last_attempt_};
  set_state(entry->unit, Assigned{id, attempt, now, now, 0.0, ""});
  slot.queue.push_back(entry->unit);
  slot.queued_seconds += cost_.expected_seconds(slot.device, entry->shape, entry->flops);
  actions_.push_back(AssignUnit{id, entry->unit, attempt});
  return true;
}

void Coordinator::dispatch(double now) {
  if (drain_ || finished()) return;
  const bool anyone_awake = usable_slot_exists([&](SlotId id, const Agent& agent) {
    return agent.slots[static_cast<std::size_t>(id.slot)].rest_until <= now;
  });
  // First one unit for every idle slot, only then units ahead, one each in turn.
  for (auto it = hungry_.begin(); it != hungry_.end() && !ready_.empty(); ++it) {
    Slot& slot = *find_slot(*it);
    if (anyone_awake && slot.rest_until > now) continue;
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
  if (too_late_) finish_if_over(now);
  std::vector<Action> taken;
  taken.swap(actions_);
  return taken;
}

}  // namespace calsweep::orchestrator
