// What there is to see of the coordinator: slots, failures, progress, time left.
#include <algorithm>

#include "orchestrator/coordinator.hpp"

namespace calsweep::orchestrator {

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
  double left = 0.0;
  for (const double flops : flops_left_) left += flops;
  for (const auto& view : slots()) {
    if (view.running) left -= view.fraction * units_[position(*view.running)].flops;
  }
  return flops_total_ > 0.0 ? std::clamp(1.0 - left / flops_total_, 0.0, 1.0) : 1.0;
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

std::string Coordinator::contradiction() const {
  UnitCounts found;
  std::map<UnitIndex, SlotId> held;
  for (const auto& [id, agent] : agents_) {
    for (std::size_t s = 0; s < agent.slots.size(); ++s) {
      const SlotId slot{id, static_cast<std::int32_t>(s)};
      for (const UnitIndex unit : agent.slots[s].queue) {
        if (!held.emplace(unit, slot).second) return "a unit waits on two slots";
      }
      if (!agent.alive && !agent.slots[s].queue.empty()) return "a lost agent holds a unit";
      if (hungry_.contains(slot) && !agent.slots[s].usable) return "an unusable slot is hungry";
    }
  }
  for (std::size_t i = 0; i < units_.size(); ++i) {
    const UnitState& state = entries_[i].state;
    const auto holder = held.find(UnitIndex{static_cast<std::int32_t>(i)});
    const auto* assigned = std::get_if<Assigned>(&state);
    if ((assigned != nullptr) != (holder != held.end())) return "slots and states disagree";
    if (assigned != nullptr && assigned->slot != holder->second) return "a unit is elsewhere";
    if (std::holds_alternative<Divided>(state)) continue;
    ++found.total;
    found.waiting += std::holds_alternative<Waiting>(state) ? 1 : 0;
    found.ready += std::holds_alternative<Ready>(state) ? 1 : 0;
    found.running += assigned != nullptr ? 1 : 0;
    found.sealed += std::holds_alternative<Sealed>(state) ? 1 : 0;
    found.set_aside += std::holds_alternative<SetAside>(state) ? 1 : 0;
  }
  if (found != unit_counts_) return "the counts are wrong";
  if (static_cast<std::int64_t>(ready_.size()) != found.ready) return "the ready queue is wrong";
  return "";
}

}  // namespace calsweep::orchestrator
