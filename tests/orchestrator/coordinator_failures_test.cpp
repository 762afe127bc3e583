// What becomes of units, slots and hosts that fail: dividing, narrower fusion, draining. Expected
// values follow from the rules in coordinator.hpp.
#include <gtest/gtest.h>

#include "tests/orchestrator/coordinator_fixture.hpp"

namespace calsweep::orchestrator {
namespace {

using testing::Drive;
using testing::only;
using testing::stage_unit;
using testing::unit_of;

bool holds(const PlannedUnit& unit, const TrialId& trial) {
  return std::find(unit.trials.begin(), unit.trials.end(), trial) != unit.trials.end();
}

TEST(CoordinatorFailuresTest, only_the_poisonous_trial_of_a_hundred_is_set_aside) {
  Drive drive({unit_of("a", 100)});
  drive.join(1, 1);
  const auto poison = TrialId::of("a/37");
  int n_failures = 0;
  for (int step = 0; step < 200 && !drive.coordinator.finished(); ++step) {
    drive.now += 60.0;
    drive.coordinator.handle(AgentAlive{AgentId{1}}, drive.now);
    for (const AssignUnit& assigned : drive.assignments()) {
      const bool bad = holds(drive.coordinator.units()[position(assigned.unit)], poison);
      n_failures += bad ? 1 : 0;
      bad ? drive.failed(assigned) : drive.done(assigned);
    }
  }
  ASSERT_TRUE(drive.coordinator.finished());
  EXPECT_EQ(drive.coordinator.finish()->reason, FinishReason::Complete);
  EXPECT_EQ(drive.coordinator.trial_counts().sealed, 99);
  EXPECT_EQ(drive.coordinator.trial_counts().set_aside, 1);
  ASSERT_EQ(drive.coordinator.set_aside().size(), 1U);
  const auto aside = position(drive.coordinator.set_aside()[0]);
  EXPECT_EQ(drive.coordinator.units()[aside].trials, std::vector<TrialId>{poison});
  // 3 tries of the whole; 50, 25, 13 or 12, 7 or 6, 4 or 3, 2 (once each); 3 tries of the one.
  EXPECT_LE(n_failures, 3 + 6 + 3);
  EXPECT_EQ(drive.coordinator.contradiction(), "");
}

TEST(CoordinatorFailuresTest, a_divided_unit_never_runs_again_and_its_late_answer_is_ignored) {
  CoordinatorLimits limits;
  limits.max_attempts = 1;
  Drive drive({unit_of("a", 4)}, limits);
  drive.join(1, 1);
  const auto whole = drive.assignments();
  drive.failed(whole[0]);
  const auto actions = drive.take();
  ASSERT_EQ(only<RecordDivided>(actions).size(), 1U);
  EXPECT_EQ(only<RecordDivided>(actions)[0].parts, (std::vector{UnitIndex{1}, UnitIndex{2}}));
  ASSERT_EQ(only<AssignUnit>(actions).size(), 1U);
  EXPECT_NE(only<AssignUnit>(actions)[0].unit, UnitIndex{0});
  drive.done(whole[0]);
  EXPECT_TRUE(only<RecordDone>(drive.take()).empty());
  EXPECT_EQ(drive.coordinator.unit_counts().total, 2);
  EXPECT_EQ(drive.coordinator.trial_counts().total, 4);
}

TEST(CoordinatorFailuresTest, a_poisonous_stage_takes_only_its_own_trials_with_it) {
  const auto good = StageId::of("good"), bad = StageId::of("bad");
  CoordinatorLimits limits;
  limits.max_attempts = 1;
  PlannedUnit needs_good = unit_of("g", 1), needs_bad = unit_of("b", 1);
  needs_good.needs = {good};
  needs_bad.needs = {bad};
  Drive drive({stage_unit("both", 1e9, {good, bad}), needs_good, needs_bad}, limits);
  drive.join(1, 1);
  for (int step = 0; step < 20 && !drive.coordinator.finished(); ++step) {
    drive.now += 60.0;
    drive.coordinator.handle(AgentAlive{AgentId{1}}, drive.now);
    for (const AssignUnit& assigned : drive.assignments()) {
      const auto& makes = drive.coordinator.units()[position(assigned.unit)].makes;
      const bool fails = std::find(makes.begin(), makes.end(), bad) != makes.end();
      fails ? drive.failed(assigned) : drive.done(assigned);
    }
  }
  EXPECT_TRUE(drive.is<Coordinator::Sealed>(1));
  EXPECT_TRUE(drive.is<Coordinator::SetAside>(2));
}

TEST(CoordinatorFailuresTest, out_of_memory_halves_the_width_and_the_limit_is_kept) {
  Drive drive({unit_of("a", 12, 12), unit_of("b", 12, 12), unit_of("c", 4, 4)});
  drive.join(1, 1);
  const auto first = drive.assignments();
  drive.failed(first[0], FailureKind::OutOfMemory);
  const auto actions = drive.take();
  ASSERT_EQ(only<RecordFusionLimit>(actions).size(), 1U);
  EXPECT_EQ(only<RecordFusionLimit>(actions)[0].limit.width, 6);
  EXPECT_EQ(only<RecordFusionLimit>(actions)[0].limit.device, "cpu");
  auto assigned = only<AssignUnit>(actions);
  std::vector<std::int64_t> widths;
  while (!assigned.empty()) {
    widths.push_back(drive.coordinator.units()[position(assigned[0].unit)].width);
    drive.done(assigned[0]);
    assigned = drive.assignments();
  }
  // "b" was never tried at 12: the limit is remembered. "c" fits.
  EXPECT_EQ(widths, (std::vector<std::int64_t>{6, 6, 4}));
  EXPECT_EQ(drive.coordinator.unit_counts().set_aside, 0);
  EXPECT_EQ(drive.coordinator.trial_counts().sealed, 28);
}

TEST(CoordinatorFailuresTest, limits_of_earlier_runs_hold_per_device) {
  Drive drive({unit_of("a", 8, 8), unit_of("b", 8, 8)});
  drive.coordinator.set_fusion_limits({{"shape", "cuda small", 2}});
  drive.join(1, 1);
  drive.coordinator.handle(SlotReady{{AgentId{1}, 0}, "cuda small"}, drive.now);
  drive.join(2, 1);
  const auto both = drive.assignments();
  ASSERT_EQ(both.size(), 2U);
  EXPECT_EQ(drive.coordinator.units()[position(both[0].unit)].width, 2);
  EXPECT_EQ(drive.coordinator.units()[position(both[1].unit)].width, 8);
}

TEST(CoordinatorFailuresTest, out_of_memory_of_a_single_network_is_an_ordinary_failure) {
  Drive drive({unit_of("a", 1, 1)});
  drive.join(1, 1);
  for (int i = 0; i < 3; ++i) {
    drive.now += 60.0;
    drive.coordinator.handle(AgentAlive{AgentId{1}}, drive.now);
    const auto assigned = drive.assignments();
    ASSERT_EQ(assigned.size(), 1U);
    drive.failed(assigned[0], FailureKind::OutOfMemory);
  }
  EXPECT_TRUE(drive.is<Coordinator::SetAside>(0));
}

TEST(CoordinatorFailuresTest, another_host_is_preferred_to_another_slot) {
  Drive drive({unit_of("a", 1)});
  drive.join(1, 2);
  drive.join(2, 1);
  const auto first = drive.assignments();
  ASSERT_EQ(first[0].slot.agent, AgentId{1});
  drive.failed(first[0]);
  const auto second = drive.assignments();
  ASSERT_EQ(second.size(), 1U);
  EXPECT_EQ(second[0].slot.agent, AgentId{2});
}

// Host 1 fails everything, host 2 nothing.
void run_with_bad_host(Drive& drive) {
  for (int step = 0; step < 400 && !drive.coordinator.finished(); ++step) {
    drive.now += 1.0;
    for (int agent : {1, 2}) drive.coordinator.handle(AgentAlive{AgentId{agent}}, drive.now);
    for (const AssignUnit& assigned : drive.assignments()) {
      assigned.slot.agent == AgentId{1} ? drive.failed(assigned) : drive.done(assigned);
    }
  }
}

TEST(CoordinatorFailuresTest, a_host_whose_failures_pass_elsewhere_is_drained) {
  std::vector<PlannedUnit> units;
  for (int i = 0; i < 60; ++i) units.push_back(unit_of(std::to_string(i), 1));
  Drive drive(std::move(units));
  drive.join(1, 2);
  drive.join(2, 2);
  run_with_bad_host(drive);
  ASSERT_TRUE(drive.coordinator.finished());
  EXPECT_EQ(drive.coordinator.trial_counts().sealed, 60);
  EXPECT_EQ(drive.coordinator.trial_counts().set_aside, 0);
  for (const auto& slot : drive.coordinator.slots()) {
    EXPECT_EQ(slot.usable, slot.host == "host2") << slot.host;
  }
  EXPECT_LE(drive.coordinator.n_failures(), 8);  // a black hole would have eaten 60
}

TEST(CoordinatorFailuresTest, bad_data_never_drains_anybody) {
  std::vector<PlannedUnit> units;
  for (int i = 0; i < 30; ++i) units.push_back(unit_of(std::to_string(i), 1));
  Drive drive(std::move(units));
  drive.join(1, 1);
  drive.join(2, 1);
  for (int step = 0; step < 4000 && !drive.coordinator.finished(); ++step) {
    drive.now += 1.0;
    for (int agent : {1, 2}) drive.coordinator.handle(AgentAlive{AgentId{agent}}, drive.now);
    // Every third unit fails wherever it runs.
    for (const AssignUnit& assigned : drive.assignments()) {
      position(assigned.unit) % 3 == 0 ? drive.failed(assigned) : drive.done(assigned);
    }
  }
  ASSERT_TRUE(drive.coordinator.finished());
  EXPECT_EQ(drive.coordinator.trial_counts().set_aside, 10);
  for (const auto& slot : drive.coordinator.slots()) EXPECT_TRUE(slot.usable);
}

TEST(CoordinatorFailuresTest, the_last_host_is_never_drained) {
  std::vector<PlannedUnit> units;
  for (int i = 0; i < 10; ++i) units.push_back(unit_of(std::to_string(i), 1));
  Drive drive(std::move(units));
  drive.join(1, 1);
  drive.join(2, 1);
  run_with_bad_host(drive);
  drive.coordinator.handle(AgentLost{AgentId{2}, "gone"}, drive.now);
  EXPECT_TRUE(drive.coordinator.finished());
}

TEST(CoordinatorFailuresTest, a_slot_that_fails_one_unit_after_another_rests) {
  std::vector<PlannedUnit> units;
  for (int i = 0; i < 10; ++i) units.push_back(unit_of(std::to_string(i), 1));
  CoordinatorLimits limits;
  limits.drain_after = 1000;
  Drive drive(std::move(units), limits);
  drive.join(1, 1);
  drive.join(2, 1);
  auto assigned = drive.assignments();  // one each
  ASSERT_EQ(assigned.size(), 2U);
  drive.failed(assigned[0]);
  assigned = drive.assignments();
  ASSERT_EQ(assigned.size(), 1U);
  ASSERT_EQ(assigned[0].slot.agent, AgentId{1});
  drive.failed(assigned[0]);
  EXPECT_TRUE(drive.assignments().empty()) << "the second failure in a row: it rests a second";
  drive.now = 1.5;
  EXPECT_EQ(drive.assignments().size(), 1U);
}

}  // namespace
}  // namespace calsweep::orchestrator
