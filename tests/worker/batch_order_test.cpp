#include "worker/batch_order.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "sweeps/errors.hpp"

namespace calsweep::worker {
namespace {

using Rows = std::vector<std::int64_t>;

Settings settings_with(std::int64_t size, std::int64_t validation, const std::string& subset) {
  Settings settings;
  settings.set("data.size", size);
  settings.set("data.validation_size", validation);
  settings.set("data.subset", subset);
  return settings;
}

std::vector<StackMember> members(std::initializer_list<std::int64_t> seeds) {
  std::vector<StackMember> result;
  for (const auto seed : seeds) {
    StackMember member;
    member.seed = seed;
    result.push_back(member);
  }
  return result;
}

Rows first_rows(std::int64_t n) {
  Rows rows(static_cast<std::size_t>(n));
  std::iota(rows.begin(), rows.end(), 0);
  return rows;
}

TEST(BatchOrderTest, smaller_subsets_are_nested_in_larger_ones) {
  const Rows small = training_rows(settings_with(10, 5, "shared"), 0, 100);
  const Rows large = training_rows(settings_with(40, 5, "shared"), 7, 100);
  EXPECT_TRUE(std::equal(small.begin(), small.end(), large.begin()));
}

TEST(BatchOrderTest, validation_images_do_not_depend_on_size_and_are_never_trained_on) {
  for (const char* subset : {"shared", "per-seed"}) {
    const Rows held_out = validation_rows(settings_with(10, 20, subset), 100);
    EXPECT_EQ(held_out, validation_rows(settings_with(80, 20, subset), 100));
    const Rows trained = training_rows(settings_with(0, 20, subset), 3, 100);
    EXPECT_EQ(trained.size(), 80U);
    std::set<std::int64_t> all(trained.begin(), trained.end());
    all.insert(held_out.begin(), held_out.end());
    EXPECT_EQ(all.size(), 100U);
  }
}

TEST(BatchOrderTest, per_seed_subsets_differ_between_seeds_and_shared_ones_do_not) {
  EXPECT_NE(training_rows(settings_with(10, 0, "per-seed"), 0, 100),
            training_rows(settings_with(10, 0, "per-seed"), 1, 100));
  EXPECT_EQ(training_rows(settings_with(10, 0, "shared"), 0, 100),
            training_rows(settings_with(10, 0, "shared"), 1, 100));
}

TEST(BatchOrderTest, refuses_more_images_than_there_are) {
  EXPECT_THROW(training_rows(settings_with(90, 20, "shared"), 0, 100), FormatError);
  EXPECT_THROW(validation_rows(settings_with(0, 100, "shared"), 100), FormatError);
}

TEST(BatchOrderTest, an_epoch_visits_every_image_once_and_keeps_the_last_batch) {
  BatchOrder order({first_rows(10)}, members({0}), 4, false);
  const EpochOrder epoch = order.next_epoch();
  EXPECT_EQ(epoch.batch_sizes, (Rows{4, 4, 2}));
  Rows sorted = epoch.rows;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(sorted, first_rows(10));
  EXPECT_NE(order.next_epoch().rows, epoch.rows);
}

TEST(BatchOrderTest, drop_last_drops_it_and_may_leave_nothing) {
  BatchOrder order({first_rows(10)}, members({0}), 4, true);
  EXPECT_EQ(order.next_epoch().batch_sizes, (Rows{4, 4}));
  EXPECT_EQ(BatchOrder({first_rows(10)}, members({0}), 11, true).steps(), 0);
}

TEST(BatchOrderTest, a_batch_larger_than_the_subset_is_the_subset) {
  BatchOrder order({first_rows(10)}, members({0}), 128, false);
  EXPECT_EQ(order.next_epoch().batch_sizes, (Rows{10}));
}

TEST(BatchOrderTest, a_network_sees_the_same_batches_whatever_it_is_stacked_with) {
  BatchOrder alone({first_rows(10)}, members({5}), 4, false);
  BatchOrder stacked({first_rows(10), first_rows(10)}, members({2, 5}), 4, false);
  const EpochOrder one = alone.next_epoch(), two = stacked.next_epoch();
  for (std::int64_t step = 0; step < one.steps(); ++step) {
    const auto size = one.batch_sizes[static_cast<std::size_t>(step)];
    const auto* mine = one.rows.data() + one.offset(step);
    const auto* theirs = two.rows.data() + two.offset(step) + size;  // second network
    EXPECT_TRUE(std::equal(mine, mine + size, theirs));
  }
}

}  // namespace
}  // namespace calsweep::worker
