#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/support/small_sweep.hpp"

namespace calsweep {
namespace {

using testing::expand_or_fail;
using testing::kSmallSpec;

std::set<TrialId> ids(const Sweep& sweep) {
  std::set<TrialId> result;
  for (const auto& trial : sweep.trials) result.insert(trial.id);
  return result;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(GridTest, counts_follow_from_the_spec) {
  const Sweep sweep = expand_or_fail(kSmallSpec);
  EXPECT_EQ(sweep.cells.size(), 4u);
  // 4 cells x 3 seeds x (baseline, warm-up, mixup, 2 ensemble members)
  EXPECT_EQ(sweep.trials.size(), 60u);
  EXPECT_EQ(sweep.replicates.size(), 48u);
  EXPECT_EQ(sweep.axis_names, (std::vector<std::string>{"depth", "size"}));
}

TEST(GridTest, adding_seeds_values_or_methods_keeps_existing_ids) {
  const auto before = ids(expand_or_fail(kSmallSpec));
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"seeds = 3", "seeds = 5"},
           {"[2, 4]", "[2, 3, 4]"},
           {"mixup = true", "mixup = true\n[methods.more]\nlabel_smoothing = true"},
           {"name = \"small\"", "name = \"other\"\ndescription = \"d\""},
           {"[grid]", "[execution]\nfuse = 3\n[grid]"}}) {
    const auto after = ids(expand_or_fail(replaced(kSmallSpec, from, to)));
    EXPECT_TRUE(std::includes(after.begin(), after.end(), before.begin(), before.end())) << to;
  }
}

TEST(GridTest, anything_that_changes_a_result_changes_its_id) {
  const auto before = ids(expand_or_fail(kSmallSpec));
  for (const std::string section : {"[training]\nlearning_rate = 3e-5\n", "[model]\nwidth = 255\n",
                                    "[logging]\nepoch_every = 2\n"}) {
    for (const auto& id : ids(expand_or_fail(replaced(kSmallSpec, "[grid]", section + "[grid]")))) {
      EXPECT_FALSE(before.contains(id)) << section;
    }
  }
  auto data = testing::made_up_data();
  data.sets["fashion-mnist"].fingerprint = std::string(64, 'b');
  for (const auto& id : ids(expand(testing::parse_or_fail(kSmallSpec), data))) {
    EXPECT_FALSE(before.contains(id));
  }
}

TEST(GridTest, warm_ups_are_shared_across_data_sizes) {
  const Sweep sweep = expand_or_fail(kSmallSpec);
  std::set<StageId> stages;
  std::size_t users = 0;
  for (const auto& trial : sweep.trials) {
    if (!trial.stage) continue;
    stages.insert(*trial.stage);
    ++users;
  }
  EXPECT_EQ(stages.size(), 6u);  // 2 depths x 3 seeds
  EXPECT_EQ(users, 12u);
}

TEST(GridTest, an_axis_over_an_ingredient_leaves_other_methods_alone) {
  const Sweep sweep = expand_or_fail(
      "name = \"x\"\nseeds = 2\n[grid]\nmixup.alpha = [0.1, 0.4]\n[methods.baseline]\n"
      "[methods.mixup]\nmixup = true\n");
  EXPECT_EQ(sweep.trials.size(), 2u + 4u);
  EXPECT_EQ(sweep.replicates.size(), 8u);
}

TEST(GridTest, zipped_axes_move_together_and_exclusions_remove_cells) {
  const Sweep sweep = expand_or_fail(
      "name = \"x\"\nseeds = 1\n[grid]\nmodel.width = [16, 32]\n"
      "[[grid.zip]]\nmodel.depth = [2, 4, 4]\ntraining.epochs = [1, 2, 3]\n"
      "[[grid.exclude]]\nmodel.width = 16\nmodel.depth = 4\n"
      "[[grid.exclude]]\nmethod = \"mixup\"\ntraining.epochs = [3]\n"
      "[methods.baseline]\n[methods.mixup]\nmixup = true\n");
  EXPECT_EQ(sweep.cells.size(), 4u);       // (16; 2/1), (32; 2/1, 4/2, 4/3)
  EXPECT_EQ(sweep.replicates.size(), 7u);  // mixup lacks 4/3
}

TEST(GridTest, ensembles_take_members_by_policy) {
  const std::string head = "name = \"x\"\nseeds = 5\n[methods.b]\n[methods.e]\n";
  const Sweep own = expand_or_fail(head + "ensemble = { of = \"b\", size = 2 }\n");
  EXPECT_EQ(own.trials.size(), 15u);
  const Sweep disjoint =
      expand_or_fail(head + "ensemble = { of = \"b\", size = 2, members = \"disjoint-seeds\" }\n");
  EXPECT_EQ(disjoint.trials.size(), 5u);
  EXPECT_EQ(disjoint.replicates.size(), 5u + 2u);
  const Sweep cyclic =
      expand_or_fail(head + "ensemble = { of = \"b\", size = 2, members = \"cyclic-seeds\" }\n");
  EXPECT_EQ(cyclic.replicates.size(), 10u);
  EXPECT_EQ(cyclic.replicates.back().trials.back(), 0);  // the last wraps around to the first seed
}

TEST(GridTest, an_absent_optional_ood_set_is_left_out) {
  const std::string text =
      "name = \"x\"\nseeds = 1\n[data]\nood = [\"mnist\", \"kmnist?\", "
      "\"mnist:raw\"]\n[methods.b]\n";
  EXPECT_EQ(expand_or_fail(text).recipes[0].settings.texts("data.ood"),
            (std::vector<std::string>{"mnist", "mnist:raw"}));
}

}  // namespace
}  // namespace calsweep
