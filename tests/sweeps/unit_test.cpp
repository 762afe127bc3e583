#include "sweeps/unit.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "sweeps/errors.hpp"
#include "tests/support/small_sweep.hpp"

namespace calsweep {
namespace {

using testing::expand_or_fail;
using testing::kSmallSpec;

const auto kNothing = [](const auto&) { return false; };

std::map<TrialId, std::vector<TrialId>> stack_of_each_trial(const std::vector<WorkUnit>& units) {
  std::map<TrialId, std::vector<TrialId>> stacks;
  for (const auto& unit : units) {
    for (const auto& stack : unit.stacks) {
      std::vector<TrialId> members;
      for (const auto& member : stack.members) members.push_back(member.trial);
      if (unit.kind == UnitKind::Stage) continue;
      for (const auto& id : members) EXPECT_TRUE(stacks.emplace(id, members).second);
    }
  }
  return stacks;
}

TEST(PackUnitsTest, every_trial_and_every_stage_is_packed_once) {
  const Sweep sweep = expand_or_fail(kSmallSpec);
  const auto units = pack_units(sweep, {}, kNothing, kNothing);
  EXPECT_EQ(stack_of_each_trial(units).size(), sweep.trials.size());
  std::set<StageId> made, needed;
  std::set<UnitId> ids;
  for (const auto& unit : units) {
    EXPECT_TRUE(ids.insert(unit.id).second);
    needed.insert(unit.needs.begin(), unit.needs.end());
    if (unit.kind == UnitKind::Trials) continue;
    EXPECT_TRUE(unit.needs.empty());
    for (const auto& stack : unit.stacks) {
      for (const auto& member : stack.members) EXPECT_TRUE(made.insert(member.stage).second);
    }
  }
  EXPECT_EQ(made, needed);
  EXPECT_EQ(made.size(), 6u);
}

TEST(PackUnitsTest, stacks_do_not_depend_on_what_is_left_to_do) {
  const Sweep sweep =
      expand_or_fail("name = \"x\"\nseeds = 10\n[execution]\nfuse = 4\n[methods.b]\n");
  const auto all = stack_of_each_trial(pack_units(sweep, {}, kNothing, kNothing));
  std::set<TrialId> done;
  for (const auto& id : all.at(sweep.trials[0].id)) done.insert(id);
  const auto rest = stack_of_each_trial(pack_units(
      sweep, {}, [&](const TrialId& id) { return done.contains(id); }, kNothing));
  EXPECT_EQ(rest.size(), 6u);
  for (const auto& [id, stack] : rest) EXPECT_EQ(stack, all.at(id));
}

TEST(PackUnitsTest, units_stay_within_the_work_asked_for) {
  const Sweep sweep = expand_or_fail(kSmallSpec);
  PackingOptions options;
  options.flops_per_unit = 1e12;
  options.max_networks = 5;
  for (const auto& unit : pack_units(sweep, options, kNothing, kNothing)) {
    EXPECT_LE(unit.n_networks(), 5u);
    EXPECT_TRUE(unit.flops <= 1e12 || unit.stacks.size() == 1);
  }
}

TEST(PackUnitsTest, trials_of_one_unit_share_data_set_and_labels) {
  const Sweep sweep = expand_or_fail(
      "name = \"x\"\nseeds = 2\n[grid]\ndata.dataset = [\"mnist\", \"fashion-mnist\"]\n"
      "data.test_size = [100, 200]\ndata.subset_seed = [1, 2]\n[methods.b]\n[methods.w]\n"
      "noise_warmup = true\n");
  PackingOptions options;
  options.flops_per_unit = 1e18;
  const auto units = pack_units(sweep, options, kNothing, kNothing);
  for (const auto& unit : units) {
    const Settings& first = unit.stacks.front().settings;
    for (const auto& stack : unit.stacks) {
      if (unit.kind == UnitKind::Stage) continue;
      for (const char* key : {"data.dataset", "data.test_size", "data.subset_seed"}) {
        EXPECT_EQ(stack.settings.value(key), first.value(key));
      }
    }
  }
  EXPECT_EQ(units.size(),
            1u + 2u * 8u);  // one unit of stages; 8 label lists with and without stage
}

TEST(WorkUnitTest, travels_as_json) {
  const auto units = pack_units(expand_or_fail(kSmallSpec), {}, kNothing, kNothing);
  for (const auto& unit : units) {
    const WorkUnit back = WorkUnit::from_json(unit.to_json());
    EXPECT_EQ(back.to_json(), unit.to_json());
    EXPECT_EQ(back.id, unit.id);
  }
  EXPECT_THROW(WorkUnit::from_json("{}"), FormatError);
  EXPECT_THROW(WorkUnit::from_json("not json"), FormatError);
}

std::vector<TrialId> trials_of(const WorkUnit& unit) {
  std::vector<TrialId> trials;
  for (const auto& stack : unit.stacks) {
    for (const auto& member : stack.members) trials.push_back(member.trial);
  }
  return trials;
}

// The largest unit of trials in the small sweep, stacks of up to `fuse`.
WorkUnit large_unit(std::int64_t fuse) {
  Sweep sweep = expand_or_fail(kSmallSpec);
  sweep.spec.execution.fuse = fuse;
  PackingOptions options;
  options.flops_per_unit = 1e18;
  WorkUnit largest;
  for (auto& unit : pack_units(sweep, options, kNothing, [](const auto&) { return true; })) {
    if (unit.n_networks() > largest.n_networks()) largest = std::move(unit);
  }
  return largest;
}

TEST(DivideUnitTest, halves_hold_every_trial_once_and_keep_stacks_whole) {
  const WorkUnit whole = large_unit(3);
  ASSERT_GT(whole.stacks.size(), 2U);
  const auto parts = halves(whole);
  ASSERT_EQ(parts.size(), 2U);
  auto trials = trials_of(parts[0]);
  const auto rest = trials_of(parts[1]);
  trials.insert(trials.end(), rest.begin(), rest.end());
  EXPECT_EQ(trials, trials_of(whole));
  EXPECT_EQ(parts[0].stacks.size() + parts[1].stacks.size(), whole.stacks.size());
  EXPECT_DOUBLE_EQ(parts[0].flops + parts[1].flops, whole.flops);
  EXPECT_NE(parts[0].id, whole.id);
  EXPECT_NE(parts[0].id, parts[1].id);
  EXPECT_EQ(parts[0].shape, whole.shape);
  // A checkpoint belongs to a stack, whatever unit that is in.
  EXPECT_EQ(stack_id(parts[0].stacks[0], parts[0].kind), stack_id(whole.stacks[0], whole.kind));
}

TEST(DivideUnitTest, halving_ends_with_single_networks) {
  std::vector<WorkUnit> left{large_unit(3)};
  const auto n = left[0].n_networks();
  std::size_t singles = 0;
  while (!left.empty()) {
    const WorkUnit unit = left.back();
    left.pop_back();
    if (unit.n_networks() == 1) {
      ++singles;
      continue;
    }
    for (auto& half : halves(unit)) left.push_back(std::move(half));
  }
  EXPECT_EQ(singles, n);
}

TEST(DivideUnitTest, narrowed_units_hold_the_same_trials_in_narrower_stacks) {
  const WorkUnit wide = large_unit(3);
  ASSERT_EQ(wide.width(), 3U);
  const WorkUnit narrow = narrowed(wide, 2);
  EXPECT_EQ(narrow.width(), 2U);
  EXPECT_EQ(trials_of(narrow), trials_of(wide));
  EXPECT_DOUBLE_EQ(narrow.flops, wide.flops);
  EXPECT_EQ(narrow.needs, wide.needs);
  EXPECT_EQ(narrow.stacks.size(), 2 * wide.stacks.size());  // 3 = 2 + 1
}

TEST(PackUnitsTest, the_stack_of_a_suspect_is_a_unit_of_its_own) {
  Sweep sweep = expand_or_fail(kSmallSpec);
  sweep.spec.execution.fuse = 3;
  const TrialId suspect = sweep.trials[1].id;
  PackingOptions options;
  options.suspect = [&](const TrialId& trial) { return trial == suspect; };
  const auto units = pack_units(sweep, options, kNothing, kNothing);
  const auto stacks = stack_of_each_trial(units);
  EXPECT_EQ(stacks.size(), sweep.trials.size());
  // The stack is what it would be without suspicion: its rounding must not change.
  EXPECT_EQ(stacks, stack_of_each_trial(pack_units(sweep, {}, kNothing, kNothing)));
  for (const auto& unit : units) {
    const auto trials = trials_of(unit);
    if (std::find(trials.begin(), trials.end(), suspect) != trials.end()) {
      EXPECT_EQ(trials, stacks.at(suspect));
    }
  }
}

}  // namespace
}  // namespace calsweep
