// How a run is stopped: by request, by the clock, by agents that leave; and every event in every
// state. Expected values follow from the rules in coordinator.hpp.
#include <gtest/gtest.h>

#include "tests/orchestrator/coordinator_fixture.hpp"

namespace calsweep::orchestrator {
namespace {

using testing::Drive;
using testing::only;
using testing::stage_unit;
using testing::unit_of;

void stopped(Drive& drive, const AssignUnit& assigned, double fraction = 0.5) {
  drive.coordinator.handle(
      UnitStopped{assigned.slot, drive.id(assigned), assigned.attempt, fraction}, drive.now);
}

TEST(CoordinatorStopTest, running_units_store_checkpoints_and_nothing_more_is_handed_out) {
  Drive drive({unit_of("a", 2), unit_of("b", 1)});
  drive.join(1, 1);
  const auto first = drive.assignments();
  drive.coordinator.handle(StopRequested{"SIGUSR1", 20.0}, drive.now);
  auto actions = drive.take();
  ASSERT_EQ(only<StopUnit>(actions).size(), 1U);
  EXPECT_EQ(only<StopUnit>(actions)[0].attempt, first[0].attempt);
  EXPECT_TRUE(only<AssignUnit>(actions).empty());
  EXPECT_FALSE(drive.coordinator.finished());
  EXPECT_EQ(drive.coordinator.winding_up(), "SIGUSR1");
  stopped(drive, first[0]);
  actions = drive.take();
  ASSERT_EQ(only<RecordEnd>(actions).size(), 1U);
  EXPECT_EQ(only<RecordEnd>(actions)[0].end, AttemptEnd::Interrupted);
  ASSERT_EQ(only<Finish>(actions).size(), 1U);
  EXPECT_EQ(only<Finish>(actions)[0].reason, FinishReason::Stopped);
  EXPECT_EQ(drive.coordinator.n_failures(), 0);
}

TEST(CoordinatorStopTest, a_unit_that_is_done_meanwhile_counts) {
  Drive drive({unit_of("a", 2), unit_of("b", 1)});
  drive.join(1, 1);
  const auto first = drive.assignments();
  drive.coordinator.handle(StopRequested{"SIGUSR1", 20.0}, drive.now);
  drive.take();
  drive.done(first[0]);
  EXPECT_EQ(drive.coordinator.unit_counts().sealed, 1);
  ASSERT_TRUE(drive.coordinator.finished());
  EXPECT_EQ(drive.coordinator.finish()->reason, FinishReason::Stopped);
}

TEST(CoordinatorStopTest, the_last_unit_done_while_stopping_completes_the_run) {
  Drive drive({unit_of("a", 2)});
  drive.join(1, 1);
  const auto first = drive.assignments();
  drive.coordinator.handle(StopRequested{"SIGUSR1", 20.0}, drive.now);
  drive.done(first[0]);
  EXPECT_EQ(drive.coordinator.finish()->reason, FinishReason::Complete);
}

TEST(CoordinatorStopTest, the_deadline_cancels_what_does_not_answer) {
  Drive drive({unit_of("a", 1)});
  drive.join(1, 1);
  drive.take();
  drive.coordinator.handle(StopRequested{"SIGTERM", 5.0}, drive.now);
  drive.take();
  drive.now = 4.9;
  drive.coordinator.tick(drive.now);
  EXPECT_FALSE(drive.coordinator.finished());
  drive.now = 5.1;
  drive.coordinator.tick(drive.now);
  const auto actions = drive.take();
  EXPECT_EQ(only<CancelUnit>(actions).size(), 1U);
  EXPECT_EQ(only<RecordEnd>(actions).size(), 1U);
  EXPECT_EQ(drive.coordinator.finish()->reason, FinishReason::Stopped);
}

TEST(CoordinatorStopTest, a_second_request_shortens_the_deadline_and_asks_nobody_twice) {
  Drive drive({unit_of("a", 1)});
  drive.join(1, 1);
  drive.take();
  drive.coordinator.handle(StopRequested{"SIGUSR1", 60.0}, drive.now);
  EXPECT_EQ(only<StopUnit>(drive.take()).size(), 1U);
  drive.coordinator.handle(StopRequested{"SIGTERM", 1.0}, drive.now);
  EXPECT_TRUE(only<StopUnit>(drive.take()).empty());
  drive.now = 1.5;
  drive.coordinator.tick(drive.now);
  EXPECT_TRUE(drive.coordinator.finished());
}

TEST(CoordinatorStopTest, units_waiting_behind_another_are_taken_back) {
  std::vector<PlannedUnit> units;
  for (int i = 0; i < 9; ++i) units.push_back(unit_of(std::to_string(i), 1));
  Drive drive(std::move(units));
  drive.join(1, 1);
  const auto first = drive.assignments();
  drive.done(first[0], 0.001);
  ASSERT_EQ(drive.assignments().size(), 8U);
  drive.coordinator.handle(StopRequested{"SIGUSR1", 20.0}, drive.now);
  const auto actions = drive.take();
  EXPECT_EQ(only<CancelUnit>(actions).size(), 7U);
  EXPECT_EQ(only<StopUnit>(actions).size(), 1U);
  EXPECT_EQ(drive.coordinator.unit_counts().running, 1);
  EXPECT_EQ(drive.coordinator.contradiction(), "");
}

TEST(CoordinatorStopTest, the_clock_stops_the_run_in_good_order) {
  CoordinatorLimits limits;
  limits.stop_at = 100.0;
  Drive drive({unit_of("a", 1)}, limits);
  drive.join(1, 1);
  EXPECT_EQ(drive.assignments().size(), 1U);
  drive.now = 99.0;
  drive.coordinator.handle(AgentAlive{AgentId{1}}, drive.now);
  drive.coordinator.tick(drive.now);
  EXPECT_TRUE(drive.take().empty());
  drive.now = 100.5;
  drive.coordinator.tick(drive.now);
  EXPECT_EQ(only<StopUnit>(drive.take()).size(), 1U);
}

TEST(CoordinatorStopTest, what_cannot_end_in_time_makes_way_for_what_can) {
  CoordinatorLimits limits;
  limits.stop_at = 100.0;
  limits.checkpoint_seconds = 1e6;
  Drive drive({unit_of("known", 300), unit_of("long", 200), unit_of("short", 20)}, limits);
  drive.join(1, 1);
  drive.now = 0.0;
  const auto first = drive.assignments();
  ASSERT_EQ(first[0].unit, UnitIndex{0});
  drive.now = 20.0;
  drive.done(first[0], 300.0);  // a second per network: "long" takes 200 s, "short" 20 s
  const auto second = drive.assignments();
  ASSERT_EQ(second.size(), 1U);
  EXPECT_EQ(second[0].unit, UnitIndex{2});
  drive.now = 40.0;
  drive.done(second[0], 20.0);
  EXPECT_TRUE(drive.assignments().empty());
  ASSERT_TRUE(drive.coordinator.finished()) << "waiting for the limit would waste the allocation";
  EXPECT_EQ(drive.coordinator.finish()->reason, FinishReason::Stopped);
}

TEST(CoordinatorStopTest, a_unit_longer_than_any_job_is_begun_if_a_checkpoint_can_keep_some) {
  CoordinatorLimits limits;
  limits.stop_at = 100.0;
  limits.checkpoint_seconds = 10.0;
  Drive drive({unit_of("known", 300), unit_of("long", 200)}, limits);
  drive.join(1, 1);
  const auto first = drive.assignments();
  drive.now = 20.0;
  drive.done(first[0], 300.0);
  EXPECT_EQ(drive.assignments().size(), 1U);
}

TEST(CoordinatorStopTest, an_agent_that_leaves_gives_its_units_to_others) {
  Drive drive({unit_of("a", 1)});
  drive.join(1, 1);
  const auto first = drive.assignments();
  drive.join(2, 1);
  drive.coordinator.handle(AgentLeaving{AgentId{1}, "SIGTERM"}, drive.now);
  stopped(drive, first[0]);
  const auto second = drive.assignments();
  ASSERT_EQ(second.size(), 1U);
  EXPECT_EQ(second[0].slot.agent, AgentId{2});
  EXPECT_EQ(drive.coordinator.n_failures(), 0);
}

TEST(CoordinatorStopTest, when_all_agents_left_the_run_is_incomplete_not_failed) {
  Drive drive({unit_of("a", 1)});
  drive.join(1, 1);
  const auto first = drive.assignments();
  drive.coordinator.handle(AgentLeaving{AgentId{1}, "SIGTERM"}, drive.now);
  EXPECT_FALSE(drive.coordinator.finished());
  stopped(drive, first[0]);
  ASSERT_TRUE(drive.coordinator.finished());
  EXPECT_EQ(drive.coordinator.finish()->reason, FinishReason::Stopped);
}

TEST(CoordinatorStopTest, trainers_stopped_by_strangers_count_as_failures_only_without_progress) {
  Drive drive({unit_of("a", 1)});
  drive.join(1, 1);
  for (const double fraction : {0.2, 0.4, 0.6}) {
    const auto assigned = drive.assignments();
    ASSERT_EQ(assigned.size(), 1U);
    stopped(drive, assigned[0], fraction);
  }
  EXPECT_EQ(drive.coordinator.n_failures(), 0);
  for (int i = 0; i < 3; ++i) {
    drive.now += 60.0;
    drive.coordinator.handle(AgentAlive{AgentId{1}}, drive.now);
    const auto assigned = drive.assignments();
    ASSERT_EQ(assigned.size(), 1U);
    stopped(drive, assigned[0], 0.6);
  }
  EXPECT_TRUE(drive.is<Coordinator::SetAside>(0));
}

// ---- every event in every state ---------------------------------------------------------------
// Units 0-5 are brought into each state a unit can be in; then one event arrives.
struct EveryState {
  static constexpr int kWaiting = 0, kReady = 1, kAssigned = 2, kSealed = 3, kSetAside = 4,
                       kDivided = 5;

  EveryState() : drive(plan(), limits()) {
    drive.join(1, 1);
    std::map<int, AssignUnit> got;
    take_until(kSealed, got);
    drive.done(got.at(kSealed));
    take_until(kSetAside, got);
    drive.failed(got.at(kSetAside));
    take_until(kDivided, got);
    drive.failed(got.at(kDivided));
    take_until(kAssigned, got);
    attempts = got;
  }

  static CoordinatorLimits limits() {
    CoordinatorLimits limits;
    limits.max_attempts = 1;
    limits.prefetch_seconds = 0.0;
    return limits;
  }
  // Sizes give the order of dispatch; the stage of "waiting" is made by a unit of its own, last.
  static std::vector<PlannedUnit> plan() {
    PlannedUnit waiting = unit_of("waiting", 1);
    waiting.needs = {StageId::of("s")};
    std::vector<PlannedUnit> units = {waiting,
                                      unit_of("ready", 1),
                                      unit_of("assigned", 300),
                                      unit_of("sealed", 900),
                                      unit_of("set aside", 1),
                                      unit_of("divided", 400)};
    units[kSetAside].flops = 8e11;
    units.push_back(stage_unit("s", 1e6, {StageId::of("s")}));
    units.back().needs = {StageId::of("never made")};
    units.push_back(stage_unit("n", 1e6, {StageId::of("never made")}));
    units.back().needs = {StageId::of("s")};  // a circle: neither is ever ready
    return units;
  }

  void take_until(int wanted, std::map<int, AssignUnit>& got) {
    for (int i = 0; i < 20 && !got.contains(wanted); ++i) {
      for (const AssignUnit& assigned : drive.assignments()) {
        got[static_cast<int>(assigned.unit)] = assigned;
        const int unit = static_cast<int>(assigned.unit);
        if (unit > kDivided) drive.done(assigned);  // the halves
      }
    }
    ASSERT_TRUE(got.contains(wanted)) << wanted;
  }

  std::vector<std::size_t> states() const {
    std::vector<std::size_t> found;
    for (int unit = 0; unit <= kDivided; ++unit) {
      found.push_back(drive.coordinator.state(UnitIndex{unit}).index());
    }
    return found;
  }

  Drive drive;
  std::map<int, AssignUnit> attempts;
};

TEST(CoordinatorStopTest, the_six_states_are_what_they_are_called) {
  const EveryState every;
  EXPECT_TRUE(every.drive.is<Coordinator::Waiting>(EveryState::kWaiting));
  EXPECT_TRUE(every.drive.is<Coordinator::Ready>(EveryState::kReady));
  EXPECT_TRUE(every.drive.is<Coordinator::Assigned>(EveryState::kAssigned));
  EXPECT_TRUE(every.drive.is<Coordinator::Sealed>(EveryState::kSealed));
  EXPECT_TRUE(every.drive.is<Coordinator::SetAside>(EveryState::kSetAside));
  EXPECT_TRUE(every.drive.is<Coordinator::Divided>(EveryState::kDivided));
}

// Answers about a unit, as its slot would give them, with variations that must not count.
std::vector<Event> answers(SlotId slot, const UnitId& unit, Attempt attempt) {
  return {UnitProgress{slot, unit, attempt, 0.5, ""},
          UnitDone{slot, unit, attempt, "sum", 1, 1.0, 0.0, {}},
          UnitStopped{slot, unit, attempt, 0.5},
          UnitFailed{slot, unit, attempt, FailureKind::Trainer, "x", ""},
          UnitFailed{slot, unit, attempt, FailureKind::OutOfMemory, "x", ""},
          UnitFailed{slot, unit, attempt, FailureKind::Data, "x", ""},
          UnitFailed{slot, unit, attempt, FailureKind::Disk, "x", ""}};
}

TEST(CoordinatorStopTest, stale_foreign_and_duplicate_answers_change_no_unit_in_any_state) {
  const SlotId mine{AgentId{1}, 0};
  int n_tried = 0;
  for (int unit = 0; unit <= EveryState::kDivided; ++unit) {
    for (const auto& [slot, shift] : std::vector<std::pair<SlotId, int>>{
             {mine, 0}, {mine, -1}, {mine, 1}, {{AgentId{1}, 5}, 0}, {{AgentId{7}, 0}, 0}}) {
      for (std::size_t kind = 0; kind < 7; ++kind) {
        if (unit == EveryState::kAssigned && slot == mine && shift == 0) continue;  // the true one
        EveryState every;
        const auto& units = every.drive.coordinator.units();
        const auto known = every.attempts.find(unit);
        const Attempt attempt{(known == every.attempts.end() ? 1 : number(known->second.attempt)) +
                              shift};
        const auto before = every.states();
        every.drive.coordinator.handle(
            answers(slot, units[static_cast<std::size_t>(unit)].id, attempt)[kind],
            every.drive.now);
        EXPECT_EQ(every.states(), before) << "unit " << unit << ", answer " << kind;
        EXPECT_EQ(every.drive.coordinator.contradiction(), "");
        EXPECT_TRUE(only<RecordDone>(every.drive.take()).empty());
        ++n_tried;
      }
    }
  }
  EXPECT_EQ(n_tried, 6 * 5 * 7 - 7);
}

// A world in each of the ways a run can be: going on, full disk, stopping, finished.
void bring_about(Drive& drive, int way) {
  if (way == 1) {
    drive.coordinator.handle(AgentJoined{AgentId{3}, "other", 0, "", ""}, drive.now);
  }
  if (way == 2) drive.coordinator.handle(StopRequested{"SIGTERM", 30.0}, drive.now);
  if (way == 3) drive.coordinator.handle(StopRequested{"SIGTERM", 0.0}, drive.now);
  if (way == 4) drive.coordinator.handle(AgentLeaving{AgentId{1}, "SIGTERM"}, drive.now);
  if (way == 5) drive.coordinator.handle(AgentLost{AgentId{1}, "gone"}, drive.now);
}

TEST(CoordinatorStopTest, every_event_in_every_way_of_running_leaves_no_contradiction) {
  const SlotId mine{AgentId{1}, 0};
  for (int way = 0; way <= 5; ++way) {
    for (std::size_t which = 0; which < 17; ++which) {
      EveryState every;
      Coordinator& coordinator = every.drive.coordinator;
      bring_about(every.drive, way);
      every.drive.take();
      const AssignUnit& assigned = every.attempts.at(EveryState::kAssigned);
      std::vector<Event> events = answers(assigned.slot, every.drive.id(assigned), assigned.attempt);
      events.insert(events.end(), {AgentJoined{AgentId{1}, "h", 2, "cpu", ""},
                                   AgentJoined{AgentId{2}, "h", 1, "cpu", ""},
                                   AgentLost{AgentId{1}, "x"}, AgentLeaving{AgentId{1}, "x"},
                                   AgentAlive{AgentId{9}}, SlotReady{mine, "cuda X"},
                                   SlotUnusable{mine, "x"}, SlotUnusable{{AgentId{1}, 9}, "x"},
                                   StopRequested{"x", 0.0}, StopRequested{"x", 9.0}});
      ASSERT_EQ(events.size(), 17U);
      for (int twice = 0; twice < 2; ++twice) {
        coordinator.handle(events[which], every.drive.now);
        every.drive.take();
        coordinator.tick(every.drive.now);
        EXPECT_EQ(coordinator.contradiction(), "") << "way " << way << ", event " << which;
        EXPECT_TRUE(every.drive.is<Coordinator::Sealed>(EveryState::kSealed));
        EXPECT_TRUE(every.drive.is<Coordinator::SetAside>(EveryState::kSetAside));
        EXPECT_TRUE(every.drive.is<Coordinator::Divided>(EveryState::kDivided));
        EXPECT_TRUE(every.drive.is<Coordinator::Waiting>(EveryState::kWaiting));
      }
    }
  }
}

}  // namespace
}  // namespace calsweep::orchestrator
