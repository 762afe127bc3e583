// A coordinator with made-up units, driven by hand with a simulated clock.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "orchestrator/coordinator.hpp"

namespace calsweep::orchestrator::testing {

inline PlannedUnit trials_unit(const std::string& name, double flops,
                               std::vector<StageId> needs = {}) {
  return {UnitId::of(name),
          UnitKind::Trials,
          flops,
          "shape",
          std::move(needs),
          {},
          {TrialId::of(name + "/a"), TrialId::of(name + "/b")},
          1};
}
inline PlannedUnit stage_unit(const std::string& name, double flops, std::vector<StageId> makes) {
  return {UnitId::of(name), UnitKind::Stage, flops, "stage shape", {}, std::move(makes), {}, 1};
}

template <class Wanted>
std::vector<Wanted> only(const std::vector<Action>& actions) {
  std::vector<Wanted> found;
  for (const Action& action : actions) {
    if (const auto* wanted = std::get_if<Wanted>(&action)) found.push_back(*wanted);
  }
  return found;
}

/// A unit of `n` single networks named "<name>/0" …, fused `width` wide.
inline PlannedUnit unit_of(const std::string& name, int n, std::int64_t width = 1) {
  PlannedUnit unit{UnitId::of(name), UnitKind::Trials, 1e9 * n, "shape", {}, {}, {}, width};
  for (int i = 0; i < n; ++i) unit.trials.push_back(TrialId::of(name + "/" + std::to_string(i)));
  return unit;
}

/// Divides made-up units, whose ids follow from what is in them.
class MadeUpDivider : public UnitDivider {
 public:
  explicit MadeUpDivider(std::vector<PlannedUnit> units) : units_(std::move(units)) {}

  std::vector<PlannedUnit> halves(UnitIndex unit) override {
    const PlannedUnit whole = units_[position(unit)];
    PlannedUnit first = whole, second = whole;
    split(whole.trials, first.trials, second.trials);
    split(whole.makes, first.makes, second.makes);
    return {add(first), add(second)};
  }
  PlannedUnit narrowed(UnitIndex unit, std::int64_t width) override {
    PlannedUnit part = units_[position(unit)];
    part.width = width;
    return add(part);
  }

 private:
  template <class Id>
  static void split(const std::vector<Id>& all, std::vector<Id>& first, std::vector<Id>& second) {
    const auto middle = all.begin() + static_cast<std::ptrdiff_t>((all.size() + 1) / 2);
    first.assign(all.begin(), middle);
    second.assign(middle, all.end());
  }
  PlannedUnit add(PlannedUnit part) {
    std::string content = std::to_string(part.width);
    for (const auto& trial : part.trials) content += trial.str();
    for (const auto& stage : part.makes) content += stage.str();
    part.id = UnitId::of(content);
    part.flops = 1e9 * static_cast<double>(part.n_networks());
    part.width = std::min(part.width, static_cast<std::int64_t>(part.n_networks()));
    units_.push_back(part);
    return part;
  }

  std::vector<PlannedUnit> units_;
};

class Drive {
 public:
  explicit Drive(std::vector<PlannedUnit> units, CoordinatorLimits limits = {},
                 std::int64_t last_attempt = 0)
      : divider(units), coordinator(std::move(units), limits, Attempt{last_attempt}, 0.0, &divider) {}

  void join(int agent, int slots, const std::string& host = "host") {
    coordinator.handle(AgentJoined{AgentId{agent}, host + std::to_string(agent), slots, "cpu", ""},
                       now);
  }
  std::vector<Action> take() { return coordinator.take_actions(now); }
  std::vector<AssignUnit> assignments() { return only<AssignUnit>(take()); }
  void done(const AssignUnit& assigned, double seconds = 1.0) {
    coordinator.handle(
        UnitDone{assigned.slot, id(assigned), assigned.attempt, "sum", 10, seconds, 0.0, {}}, now);
  }
  void failed(const AssignUnit& assigned, FailureKind kind = FailureKind::Trainer) {
    coordinator.handle(UnitFailed{assigned.slot, id(assigned), assigned.attempt, kind,
                                  "exit code 3", "last words"},
                       now);
  }
  UnitId id(const AssignUnit& assigned) const {
    return coordinator.units()[position(assigned.unit)].id;
  }
  template <class State>
  bool is(int unit) const {
    return std::holds_alternative<State>(coordinator.state(UnitIndex{unit}));
  }

  double now = 0.0;
  MadeUpDivider divider;
  Coordinator coordinator;
};

}  // namespace calsweep::orchestrator::testing
