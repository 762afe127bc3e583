// The coordinator's rules, one by one, with a simulated clock. Expected values follow from the
// rules in coordinator.hpp; nothing here is measured.
#include "orchestrator/coordinator.hpp"

#include <gtest/gtest.h>

#include "tests/orchestrator/coordinator_fixture.hpp"

namespace calsweep::orchestrator {
namespace {

using testing::Drive;
using testing::only;
using testing::stage_unit;
using testing::trials_unit;

const SlotId kSlot{AgentId{1}, 0};

TEST(CoordinatorTest, longest_unit_goes_first) {
  Drive drive({trials_unit("short", 1e9), trials_unit("long", 3e9), trials_unit("middle", 2e9)});
  drive.join(1, 1);
  std::vector<int> order;
  for (int i = 0; i < 3; ++i) {
    const auto assigned = drive.assignments();
    ASSERT_EQ(assigned.size(), 1U);
    order.push_back(static_cast<int>(assigned[0].unit));
    drive.done(assigned[0], 1.0);
  }
  EXPECT_EQ(order, (std::vector<int>{1, 2, 0}));
}

TEST(CoordinatorTest, unit_waits_for_its_stage_and_stages_go_first) {
  const auto stage = StageId::of("s");
  Drive drive({trials_unit("needs it", 9e12, {stage}), trials_unit("free", 5e12),
               stage_unit("makes it", 1e9, {stage})});
  drive.join(1, 3);
  const auto first = drive.assignments();
  ASSERT_EQ(first.size(), 2U);
  EXPECT_EQ(first[0].unit, UnitIndex{2});
  EXPECT_EQ(first[1].unit, UnitIndex{1});
  EXPECT_TRUE(drive.is<Coordinator::Waiting>(0));
  drive.done(first[0]);
  const auto second = drive.assignments();
  ASSERT_EQ(second.size(), 1U);
  EXPECT_EQ(second[0].unit, UnitIndex{0});
}

TEST(CoordinatorTest, a_stage_that_nobody_plans_to_make_exists_already) {
  Drive drive({trials_unit("u", 1e9, {StageId::of("made earlier")})});
  drive.join(1, 1);
  EXPECT_EQ(drive.assignments().size(), 1U);
}

TEST(CoordinatorTest, attempt_numbers_grow_from_the_last_one_known) {
  Drive drive({trials_unit("a", 1e9), trials_unit("b", 1e9)}, {}, 41);
  drive.join(1, 2);
  const auto assigned = drive.assignments();
  ASSERT_EQ(assigned.size(), 2U);
  EXPECT_EQ(number(assigned[0].attempt), 42);
  EXPECT_EQ(number(assigned[1].attempt), 43);
}

TEST(CoordinatorTest, completion_is_recorded_before_the_next_assignment) {
  Drive drive({trials_unit("a", 2e9), trials_unit("b", 1e9)});
  drive.join(1, 1);
  const auto first = drive.assignments();
  drive.done(first[0]);
  const auto actions = drive.take();
  ASSERT_EQ(actions.size(), 2U);
  EXPECT_TRUE(std::holds_alternative<RecordDone>(actions[0]));
  EXPECT_TRUE(std::holds_alternative<AssignUnit>(actions[1]));
}

TEST(CoordinatorTest, second_answer_to_the_same_attempt_is_ignored) {
  Drive drive({trials_unit("a", 2e9), trials_unit("b", 1e9)});
  drive.join(1, 1);
  const auto first = drive.assignments();
  drive.done(first[0]);
  drive.take();
  drive.done(first[0]);
  drive.failed(first[0]);
  EXPECT_TRUE(drive.take().empty());
  EXPECT_EQ(drive.coordinator.unit_counts().sealed, 1);
  EXPECT_EQ(drive.coordinator.n_failures(), 0);
}

TEST(CoordinatorTest, answer_of_a_superseded_attempt_is_ignored) {
  Drive drive({trials_unit("a", 1e9)});
  drive.join(1, 1);
  drive.join(2, 1);
  const auto old = drive.assignments();
  drive.coordinator.handle(AgentLost{old[0].slot.agent, "gone"}, drive.now);
  const auto renewed = drive.assignments();
  ASSERT_EQ(renewed.size(), 1U);
  EXPECT_GT(renewed[0].attempt, old[0].attempt);
  drive.done(old[0]);
  EXPECT_TRUE(only<RecordDone>(drive.take()).empty());
  drive.done(renewed[0]);
  EXPECT_EQ(only<RecordDone>(drive.take()).size(), 1U);
}

TEST(CoordinatorTest, old_answer_from_the_slot_that_has_the_unit_again_is_ignored) {
  Drive drive({trials_unit("a", 1e9)});
  drive.join(1, 1);
  const auto old = drive.assignments();
  drive.join(1, 1);  // it started over
  const auto renewed = drive.assignments();
  ASSERT_EQ(renewed.size(), 1U);
  ASSERT_EQ(renewed[0].slot, old[0].slot);
  drive.done(old[0]);
  drive.failed(old[0]);
  EXPECT_TRUE(drive.take().empty());
  EXPECT_TRUE(drive.is<Coordinator::Assigned>(0));
}

TEST(CoordinatorTest, unknown_units_slots_and_agents_are_ignored) {
  Drive drive({trials_unit("a", 1e9)});
  drive.join(1, 1);
  const auto assigned = drive.assignments();
  auto wrong_slot = assigned[0];
  wrong_slot.slot = {AgentId{1}, 7};
  drive.done(wrong_slot);
  wrong_slot.slot = {AgentId{9}, 0};
  drive.done(wrong_slot);
  drive.coordinator.handle(UnitDone{kSlot, UnitId::of("never planned"), Attempt{1}, "", 0, 1.0, 0.0, {}},
                           drive.now);
  drive.coordinator.handle(SlotReady{{AgentId{1}, -1}, "cpu"}, drive.now);
  drive.coordinator.handle(SlotUnusable{{AgentId{1}, 5}, "?"}, drive.now);
  EXPECT_TRUE(drive.take().empty());
  EXPECT_TRUE(drive.is<Coordinator::Assigned>(0));
}

TEST(CoordinatorTest, failed_unit_is_retried_on_another_slot) {
  Drive drive({trials_unit("a", 1e9)});
  drive.join(1, 1);
  drive.join(2, 1);
  const auto first = drive.assignments();
  drive.failed(first[0]);
  const auto second = drive.assignments();
  ASSERT_EQ(second.size(), 1U);
  EXPECT_NE(second[0].slot, first[0].slot);
  drive.done(second[0]);
  ASSERT_EQ(drive.coordinator.recovered().size(), 1U);
  EXPECT_EQ(drive.coordinator.recovered()[0].cause, "exit code 3");
  EXPECT_EQ(drive.coordinator.recovered()[0].host, "host1");
}

TEST(CoordinatorTest, failed_unit_waits_for_another_slot_that_is_busy) {
  Drive drive({trials_unit("a", 2e12), trials_unit("b", 1e12)});
  drive.join(1, 2);
  const auto both = drive.assignments();
  ASSERT_EQ(both.size(), 2U);
  drive.failed(both[0]);
  EXPECT_TRUE(drive.assignments().empty());
  drive.done(both[1]);
  const auto retry = drive.assignments();
  ASSERT_EQ(retry.size(), 1U);
  EXPECT_EQ(retry[0].slot, both[1].slot);
}

TEST(CoordinatorTest, the_only_slot_may_retry_and_the_limit_sets_aside) {
  Drive drive({testing::unit_of("a", 1)});
  drive.join(1, 1);
  for (int attempt = 1; attempt <= 3; ++attempt) {
    const auto assigned = drive.assignments();
    ASSERT_EQ(assigned.size(), 1U) << attempt;
    drive.failed(assigned[0]);
  }
  const auto actions = drive.take();
  ASSERT_EQ(only<RecordSetAside>(actions).size(), 1U);
  EXPECT_EQ(only<RecordSetAside>(actions)[0].cause, "exit code 3");
  ASSERT_TRUE(drive.coordinator.finished());
  EXPECT_EQ(drive.coordinator.finish()->reason, FinishReason::Complete);
  EXPECT_EQ(drive.coordinator.trial_counts().set_aside, 1);
}

TEST(CoordinatorTest, everything_that_needs_a_failed_stage_is_set_aside_with_it) {
  const auto stage = StageId::of("s");
  CoordinatorLimits limits;
  limits.max_attempts = 1;
  Drive drive({stage_unit("makes it", 1e9, {stage}), trials_unit("needs it", 1e9, {stage}),
               trials_unit("free", 1e9)},
              limits);
  drive.join(1, 1);
  const auto assigned = drive.assignments();
  drive.failed(assigned[0]);
  EXPECT_EQ(only<RecordSetAside>(drive.take()).size(), 2U);
  EXPECT_TRUE(drive.is<Coordinator::SetAside>(1));
  EXPECT_FALSE(drive.coordinator.finished());
}

TEST(CoordinatorTest, lost_agents_units_are_handed_out_again_without_counting_as_failures) {
  CoordinatorLimits limits;
  limits.max_attempts = 1;
  Drive drive({trials_unit("a", 1e9)}, limits);
  drive.join(1, 1);
  drive.join(2, 1);
  const auto first = drive.assignments();
  drive.coordinator.handle(AgentLost{AgentId{1}, "gone"}, drive.now);
  const auto actions = drive.take();
  ASSERT_EQ(only<RecordEnd>(actions).size(), 1U);
  EXPECT_EQ(only<RecordEnd>(actions)[0].end, AttemptEnd::Lost);
  ASSERT_EQ(only<AssignUnit>(actions).size(), 1U);
  EXPECT_EQ(only<AssignUnit>(actions)[0].slot.agent, AgentId{2});
}

TEST(CoordinatorTest, silent_agent_is_lost_and_counts_again_after_a_new_hello) {
  CoordinatorLimits limits;
  limits.agent_silence_seconds = 10.0;
  limits.expected_agents = 2;
  Drive drive({trials_unit("a", 1e9)}, limits);
  drive.join(1, 1);
  const auto first = drive.assignments();
  drive.now = 11.0;
  drive.coordinator.tick(drive.now);
  EXPECT_EQ(only<ResetAgent>(drive.take()).size(), 1U);
  drive.coordinator.handle(AgentAlive{AgentId{1}}, drive.now);
  drive.done(first[0]);
  EXPECT_TRUE(drive.assignments().empty());
  drive.join(1, 1);
  EXPECT_EQ(drive.assignments().size(), 1U);
}

TEST(CoordinatorTest, messages_keep_an_agent_alive) {
  CoordinatorLimits limits;
  limits.agent_silence_seconds = 10.0;
  limits.unit_silence_seconds = 1e9;
  Drive drive({trials_unit("a", 1e9)}, limits);
  drive.join(1, 1);
  drive.take();
  for (drive.now = 5.0; drive.now < 100.0; drive.now += 5.0) {
    drive.coordinator.handle(AgentAlive{AgentId{1}}, drive.now);
    drive.coordinator.tick(drive.now);
  }
  EXPECT_TRUE(drive.take().empty());
}

TEST(CoordinatorTest, unit_without_progress_is_cancelled_and_retried) {
  CoordinatorLimits limits;
  limits.unit_silence_seconds = 10.0;
  Drive drive({trials_unit("a", 1e9)}, limits);
  drive.join(1, 1);
  const auto first = drive.assignments();
  drive.now = 8.0;
  drive.coordinator.handle(
      UnitProgress{first[0].slot, drive.id(first[0]), first[0].attempt, 0.5, "epoch 3"}, drive.now);
  drive.now = 17.0;
  drive.coordinator.handle(AgentAlive{AgentId{1}}, drive.now);
  drive.coordinator.tick(drive.now);
  EXPECT_TRUE(drive.take().empty());
  drive.now = 18.5;
  drive.coordinator.tick(drive.now);
  const auto actions = drive.take();
  EXPECT_EQ(only<CancelUnit>(actions).size(), 1U);
  ASSERT_EQ(only<RecordEnd>(actions).size(), 1U);
  EXPECT_EQ(only<RecordEnd>(actions)[0].end, AttemptEnd::Failed);
  EXPECT_EQ(only<AssignUnit>(actions).size(), 1U);
}

TEST(CoordinatorTest, unusable_slot_leaves_and_without_any_slot_the_run_ends) {
  Drive drive({trials_unit("a", 1e9)});
  drive.join(1, 2);
  const auto first = drive.assignments();
  drive.coordinator.handle(SlotUnusable{first[0].slot, "no trainer"}, drive.now);
  const auto second = drive.assignments();
  ASSERT_EQ(second.size(), 1U);
  EXPECT_NE(second[0].slot, first[0].slot);
  drive.coordinator.handle(SlotUnusable{second[0].slot, "no trainer either"}, drive.now);
  ASSERT_TRUE(drive.coordinator.finished());
  EXPECT_EQ(drive.coordinator.finish()->reason, FinishReason::NoSlots);
  EXPECT_EQ(drive.coordinator.finish()->message, "no trainer either");
}

TEST(CoordinatorTest, agents_that_never_come_end_the_run) {
  CoordinatorLimits limits;
  limits.expected_agents = 2;
  Drive drive({trials_unit("a", 1e9)}, limits);
  drive.coordinator.tick(59.0);
  EXPECT_FALSE(drive.coordinator.finished());
  drive.coordinator.tick(61.0);
  ASSERT_TRUE(drive.coordinator.finished());
  EXPECT_EQ(drive.coordinator.finish()->reason, FinishReason::NoSlots);
}

TEST(CoordinatorTest, agent_with_a_problem_says_why) {
  Drive drive({trials_unit("a", 1e9)});
  drive.coordinator.handle(AgentJoined{AgentId{1}, "h", 0, "", "no GPU here"}, 0.0);
  ASSERT_TRUE(drive.coordinator.finished());
  EXPECT_EQ(drive.coordinator.finish()->message, "no GPU here");
}

TEST(CoordinatorTest, stop_interrupts_what_runs_and_hands_out_nothing) {
  Drive drive({trials_unit("a", 2e9), trials_unit("b", 1e9)});
  drive.join(1, 1);
  drive.take();
  drive.coordinator.handle(StopRequested{"SIGTERM"}, drive.now);
  const auto actions = drive.take();
  EXPECT_EQ(only<CancelUnit>(actions).size(), 1U);
  ASSERT_EQ(only<RecordEnd>(actions).size(), 1U);
  EXPECT_EQ(only<RecordEnd>(actions)[0].end, AttemptEnd::Interrupted);
  EXPECT_TRUE(only<AssignUnit>(actions).empty());
  ASSERT_EQ(only<Finish>(actions).size(), 1U);
  EXPECT_EQ(only<Finish>(actions)[0].reason, FinishReason::Stopped);
  drive.coordinator.handle(StopRequested{"SIGTERM"}, drive.now);
  drive.join(2, 1);
  EXPECT_TRUE(drive.take().empty());
}

TEST(CoordinatorTest, full_disk_lets_running_units_end_and_then_stops) {
  Drive drive({trials_unit("a", 3e12), trials_unit("b", 2e12), trials_unit("c", 1e12)});
  drive.join(1, 2);
  const auto both = drive.assignments();
  drive.failed(both[0], FailureKind::Disk);
  EXPECT_TRUE(drive.assignments().empty());
  EXPECT_FALSE(drive.coordinator.finished());
  drive.done(both[1]);
  ASSERT_TRUE(drive.coordinator.finished());
  EXPECT_EQ(drive.coordinator.finish()->reason, FinishReason::DiskFull);
  EXPECT_EQ(drive.coordinator.unit_counts().sealed, 1);
  EXPECT_EQ(drive.coordinator.unit_counts().set_aside, 0);
}

TEST(CoordinatorTest, units_are_assigned_ahead_only_when_measured_and_tiny) {
  std::vector<PlannedUnit> units;
  for (int i = 0; i < 500; ++i) units.push_back(trials_unit(std::to_string(i), 1e6));
  Drive drive(std::move(units));
  drive.join(1, 1);
  const auto first = drive.assignments();
  EXPECT_EQ(first.size(), 1U);
  drive.done(first[0], 1.0 / 128.0);
  EXPECT_EQ(drive.assignments().size(), 32U);  // a quarter of a second's worth
}

TEST(CoordinatorTest, units_assigned_ahead_are_bounded_in_number) {
  std::vector<PlannedUnit> units;
  for (int i = 0; i < 500; ++i) units.push_back(trials_unit(std::to_string(i), 1e6));
  Drive drive(std::move(units));
  drive.join(1, 1);
  const auto first = drive.assignments();
  drive.done(first[0], 0.0);
  EXPECT_EQ(drive.assignments().size(), CoordinatorLimits{}.max_prefetch);
}

TEST(CoordinatorTest, idle_slots_get_one_each_before_anyone_gets_units_ahead) {
  std::vector<PlannedUnit> units;
  for (int i = 0; i < 6; ++i) units.push_back(trials_unit(std::to_string(i), 1e6));
  Drive drive(std::move(units));
  drive.join(1, 2);
  const auto first = drive.assignments();
  ASSERT_EQ(first.size(), 2U);
  drive.done(first[0], 0.001);
  drive.done(first[1], 0.001);
  std::map<SlotId, int> given;
  for (const auto& assigned : drive.assignments()) ++given[assigned.slot];
  EXPECT_EQ(given.size(), 2U);
  for (const auto& [slot, n] : given) EXPECT_EQ(n, 2);
}

TEST(CoordinatorTest, an_empty_plan_is_complete_at_once) {
  Drive drive({});
  drive.coordinator.tick(0.0);
  ASSERT_TRUE(drive.coordinator.finished());
  EXPECT_EQ(drive.coordinator.finish()->reason, FinishReason::Complete);
}

TEST(CoordinatorTest, counts_follow_the_states) {
  Drive drive({trials_unit("a", 3e12), trials_unit("b", 2e12), trials_unit("c", 1e12)});
  drive.join(1, 1);
  const auto assigned = drive.assignments();
  drive.coordinator.handle(UnitDone{assigned[0].slot,
                                    drive.id(assigned[0]),
                                    assigned[0].attempt,
                                    "sum",
                                    10,
                                    1.0,
                                    0.0,
                                    {TrialId::of("a/a")}},
                           drive.now);
  drive.take();
  const auto units = drive.coordinator.unit_counts();
  EXPECT_EQ(units.sealed, 1);
  EXPECT_EQ(units.running, 1);
  EXPECT_EQ(units.ready, 1);
  const auto trials = drive.coordinator.trial_counts();
  EXPECT_EQ(trials.total, 6);
  EXPECT_EQ(trials.sealed, 2);
  EXPECT_EQ(trials.running, 2);
  EXPECT_EQ(trials.diverged, 1);
}

TEST(CoordinatorTest, bad_data_is_not_tried_twice_on_one_host_but_on_another) {
  Drive drive({trials_unit("a", 1e9)});
  drive.join(1, 1);
  const auto first = drive.assignments();
  ASSERT_EQ(first.size(), 1U);
  drive.join(2, 1);
  drive.failed(first[0], FailureKind::Data);
  const auto second = drive.assignments();
  ASSERT_EQ(second.size(), 1U);
  EXPECT_EQ(second[0].slot.agent, AgentId{2});
  drive.failed(second[0], FailureKind::Data);
  EXPECT_TRUE(drive.is<unit_state::SetAside>(0));
  Drive alone({trials_unit("a", 1e9)});
  alone.join(1, 2);
  const auto only_try = alone.assignments();
  alone.failed(only_try[0], FailureKind::Data);
  EXPECT_TRUE(alone.is<unit_state::SetAside>(0));
}

}  // namespace
}  // namespace calsweep::orchestrator
