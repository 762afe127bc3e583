// What the coordinator does about failures: try again, fuse less widely, divide, set aside; and about
// slots and hosts that fail what passes elsewhere.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "orchestrator/coordinator.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::orchestrator {
namespace {

constexpr std::int64_t kFailuresBeforeRest = 2;

}  // namespace

void Coordinator::fail(UnitIndex unit, const UnitFailed& event, double now) {
  const std::string where = host(event.slot.agent);
  const std::size_t device = find_slot(event.slot)->device;
  release_slot(unit, now);
  actions_.push_back(
      RecordEnd{unit, event.attempt, AttemptEnd::Failed, event.cause, event.message});
  ++n_failures_;
  if (event.kind == FailureKind::Disk) {
    make_ready(unit);
    stop_for_full_disk(event.message.empty() ? event.cause : event.message, now);
    return;
  }
  rest(event.slot, now);
  if (event.kind == FailureKind::OutOfMemory && fuse_less(unit, device, where)) return;
  UnitEntry& entry = entries_[position(unit)];
  ++entry.failures;
  entry.failed_on.push_back(event.slot);
  entry.last_cause = event.cause;
  entry.last_host = where;
  // Damaged or missing data stays so on the hosts that were tried; another may have better.
  const bool hopeless = event.kind == FailureKind::Data && !untried_host_exists(entry);
  if (!hopeless && entry.failures < entry.limit) {
    note(NoteLevel::Warning,
         fmt::format("unit {} failed on {}: {}; it is tried again (try {} of {}){}{}",
                     event.unit.hex(), where, event.cause, entry.failures + 1, entry.limit,
                     event.message.empty() ? "" : "; the last it said: ", event.message));
    make_ready(unit);
    return;
  }
  if (!hopeless && divide(unit, event.cause)) return;
  set_aside(unit, event.cause, event.message);
}

bool Coordinator::failed_on_host(const UnitEntry& entry, std::string_view name) const {
  return std::any_of(entry.failed_on.begin(), entry.failed_on.end(),
                     [&](const SlotId& slot) { return host(slot.agent) == name; });
}

bool Coordinator::usable_slot_exists(
    const std::function<bool(SlotId, const Agent&)>& accept) const {
  for (const auto& [id, agent] : agents_) {
    for (std::size_t s = 0; s < agent.slots.size(); ++s) {
      const SlotId slot{id, static_cast<std::int32_t>(s)};
      if (agent.slots[s].usable && accept(slot, agent)) return true;
    }
  }
  return false;
}

bool Coordinator::untried_host_exists(const UnitEntry& entry) const {
  return usable_slot_exists(
      [&](SlotId, const Agent& agent) { return !failed_on_host(entry, agent.host); });
}

bool Coordinator::divide(UnitIndex unit, const std::string& cause) {
  const PlannedUnit& plan = units_[position(unit)];
  if (divider_ == nullptr || plan.n_networks() < 2) return false;
  note(NoteLevel::Warning,
       fmt::format("unit {} with {} networks failed {} times, last: {}; it is divided in two to "
                   "find the one that fails",
                   plan.id.hex(), plan.n_networks(), entries_[position(unit)].failures, cause));
  // A part is under suspicion: one failure divides it again. A single network gets all its tries.
  replace(unit, divider_->halves(unit), 1);
  return true;
}

bool Coordinator::fuse_less(UnitIndex unit, std::size_t device, const std::string& where) {
  const PlannedUnit& plan = units_[position(unit)];
  if (divider_ == nullptr || plan.width < 2) return false;
  const std::int64_t width = (plan.width + 1) / 2;
  auto& limit = fusion_limits_.emplace(std::pair{entries_[position(unit)].shape, device}, width)
                    .first->second;
  limit = std::min(limit, width);
  note(NoteLevel::Warning,
       fmt::format("unit {} ran out of memory on {} with {} networks fused; at most {} of shape "
                   "'{}' are fused on {} from now on",
                   plan.id.hex(), where, plan.width, limit, plan.shape, cost_.device(device)));
  actions_.push_back(RecordFusionLimit{{plan.shape, cost_.device(device), limit}});
  narrow(unit, limit);
  return true;
}

UnitIndex Coordinator::narrow(UnitIndex unit, std::int64_t width) {
  const UnitIndex part{static_cast<std::int32_t>(units_.size())};
  replace(unit, {divider_->narrowed(unit, width)}, entries_[position(unit)].limit);
  return part;
}

void Coordinator::replace(UnitIndex unit, std::vector<PlannedUnit> parts, std::int64_t limit) {
  Divided divided;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    divided.parts.push_back(UnitIndex{static_cast<std::int32_t>(units_.size() + i)});
  }
  const PlannedUnit& plan = units_[position(unit)];
  actions_.push_back(RecordDivided{unit, divided.parts});
  set_state(unit, divided);
  --unit_counts_.total;
  trial_counts_.total -= static_cast<std::int64_t>(plan.trials.size());
  flops_left_[entries_[position(unit)].shape] -= plan.flops;
  flops_total_ -= plan.flops;
  for (PlannedUnit& part : parts) {
    // Whoever could be divided was ready once: its stages exist.
    std::vector<StageId> needs;
    needs.swap(part.needs);
    const std::int64_t tries = part.n_networks() == 1 ? limits_.max_attempts : limit;
    add_unit(std::move(part), tries);
    units_.back().needs.swap(needs);
  }
}

void Coordinator::set_fusion_limits(const std::vector<FusionLimit>& limits) {
  for (const FusionLimit& limit : limits) {
    fusion_limits_[{cost_.shape_index(limit.shape), cost_.device_index(limit.device)}] =
        limit.width;
  }
  flops_left_.resize(cost_.n_shapes());
}

std::int64_t Coordinator::fusion_limit(std::size_t shape, std::size_t device) const {
  const auto found = fusion_limits_.find({shape, device});
  return found == fusion_limits_.end() ? std::numeric_limits<std::int64_t>::max() : found->second;
}

void Coordinator::set_aside(UnitIndex unit, const std::string& cause, const std::string& message) {
  const PlannedUnit& plan = units_[position(unit)];
  set_state(unit, SetAside{cause, message});
  flops_left_[entries_[position(unit)].shape] -= plan.flops;
  actions_.push_back(RecordSetAside{unit, cause, message});
  const std::string what = plan.kind == UnitKind::Stage
                               ? std::string("a warm-up stage")
                               : fmt::format("{} trial{}", plan.trials.size(),
                                             plan.trials.size() == 1 ? "" : "s");
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

void Coordinator::rest(SlotId id, double now) {
  Slot& slot = *find_slot(id);
  if (++slot.failures_in_a_row < kFailuresBeforeRest) return;
  const auto doublings = static_cast<double>(slot.failures_in_a_row - kFailuresBeforeRest);
  slot.rest_until = now + std::min(std::exp2(doublings), limits_.longest_rest_seconds);
}

void Coordinator::credit(const UnitEntry& entry, SlotId by) {
  Slot& slot = *find_slot(by);
  const std::string& here = host(by.agent);
  slot.failures_in_a_row = 0;
  slot.rest_until = 0.0;
  slot.blame = std::max<std::int64_t>(slot.blame - 1, 0);
  auto& host_blame = host_blame_[here];
  host_blame = std::max<std::int64_t>(host_blame - 1, 0);
  const std::set<SlotId> slots(entry.failed_on.begin(), entry.failed_on.end());
  std::set<std::string> hosts;
  for (const SlotId& failed : slots) {
    if (failed != by) blame_slot(failed, entry);
    if (host(failed.agent) != here) hosts.insert(host(failed.agent));
  }
  for (const std::string& failed : hosts) blame_host(failed, entry);
}

void Coordinator::blame_slot(SlotId id, const UnitEntry& entry) {
  Slot* slot = find_slot(id);
  if (slot == nullptr || !slot->usable || ++slot->blame < limits_.drain_after) return;
  if (!usable_slot_exists([&](SlotId other, const Agent&) { return other != id; })) return;
  slot->usable = false;
  hungry_.erase(id);
  note(NoteLevel::Error,
       fmt::format("slot {} of {} leaves the run: {} units that failed there passed elsewhere, "
                   "last cause: {}; look at that device",
                   id.slot, host(id.agent), slot->blame, entry.last_cause));
}

void Coordinator::blame_host(const std::string& name, const UnitEntry& entry) {
  if (++host_blame_[name] < limits_.drain_after) return;
  const auto elsewhere = [&](SlotId, const Agent& agent) { return agent.host != name; };
  const auto there = [&](SlotId, const Agent& agent) { return agent.host == name; };
  if (!usable_slot_exists(elsewhere) || !usable_slot_exists(there)) return;
  for (auto& [id, agent] : agents_) {
    if (agent.host != name) continue;
    for (std::size_t s = 0; s < agent.slots.size(); ++s) {
      agent.slots[s].usable = false;
      hungry_.erase({id, static_cast<std::int32_t>(s)});
    }
  }
  note(NoteLevel::Error,
       fmt::format("host {} leaves the run: {} units that failed there passed on other hosts, last "
                   "cause: {}; look at that host",
                   name, host_blame_[name], entry.last_cause));
}

}  // namespace calsweep::orchestrator
