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
          {TrialId::of(name + "/a"), TrialId::of(name + "/b")}};
}
inline PlannedUnit stage_unit(const std::string& name, double flops, std::vector<StageId> makes) {
  return {UnitId::of(name), UnitKind::Stage, flops, "stage shape", {}, std::move(makes), {}};
}

template <class Wanted>
std::vector<Wanted> only(const std::vector<Action>& actions) {
  std::vector<Wanted> found;
  for (const Action& action : actions) {
    if (const auto* wanted = std::get_if<Wanted>(&action)) found.push_back(*wanted);
  }
  return found;
}

class Drive {
 public:
  explicit Drive(std::vector<PlannedUnit> units, CoordinatorLimits limits = {},
                 std::int64_t last_attempt = 0)
      : coordinator(std::move(units), limits, Attempt{last_attempt}, 0.0) {}

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
  Coordinator coordinator;
};

}  // namespace calsweep::orchestrator::testing
