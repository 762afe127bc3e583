// Cost model and seats: pure arithmetic. Expected values by hand.
#include <gtest/gtest.h>

#include <cmath>

#include "orchestrator/cost_model.hpp"
#include "orchestrator/slot_count.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::orchestrator {
namespace {

TEST(CostModelTest, guesses_until_it_has_seen_something) {
  CostModel cost;
  const auto cpu = cost.device_index("cpu"), gpu = cost.device_index("cuda NVIDIA H200");
  const auto shape = cost.shape_index("d2");
  EXPECT_FALSE(cost.knows(cpu, shape));
  EXPECT_DOUBLE_EQ(cost.expected_seconds(cpu, shape, 2e10), 1.0);
  EXPECT_DOUBLE_EQ(cost.expected_seconds(gpu, shape, 5e11), 1.0);
}

TEST(CostModelTest, learns_a_rate_per_device_and_shape) {
  CostModel cost;
  const auto cpu = cost.device_index("cpu");
  const auto small = cost.shape_index("d2"), large = cost.shape_index("d6");
  cost.learn(cpu, small, 1e9, 2.0);
  EXPECT_TRUE(cost.knows(cpu, small));
  EXPECT_DOUBLE_EQ(cost.expected_seconds(cpu, small, 3e9), 6.0);
  // A shape not seen yet borrows the device's mean.
  EXPECT_FALSE(cost.knows(cpu, large));
  EXPECT_DOUBLE_EQ(cost.expected_seconds(cpu, large, 1e9), 2.0);
}

TEST(CostModelTest, forgets_old_rates_slowly) {
  CostModel cost;
  const auto cpu = cost.device_index("cpu");
  const auto shape = cost.shape_index("d2");
  cost.learn(cpu, shape, 1e9, 1.0);
  for (int i = 0; i < 200; ++i) cost.learn(cpu, shape, 1e9, 2.0);
  EXPECT_NEAR(cost.expected_seconds(cpu, shape, 1e9), 2.0, 1e-3);
}

TEST(CostModelTest, zero_seconds_do_no_harm) {
  CostModel cost;
  const auto cpu = cost.device_index("cpu");
  const auto shape = cost.shape_index("d2");
  cost.learn(cpu, shape, 0.0, 0.0);
  cost.learn(cpu, shape, 1e9, 0.0);
  EXPECT_TRUE(std::isfinite(cost.expected_seconds(cpu, shape, 1e9)));
}

TEST(CostModelTest, time_left_is_work_over_slots_but_never_less_than_the_longest_unit) {
  CostModel cost;
  cost.device_index("cpu");
  EXPECT_DOUBLE_EQ(time_left(cost, 100.0, 1.0, 50, 4).seconds, 25.0);
  EXPECT_DOUBLE_EQ(time_left(cost, 100.0, 60.0, 50, 4).seconds, 60.0);
  EXPECT_DOUBLE_EQ(time_left(cost, 100.0, 60.0, 0, 4).seconds, 0.0);
}

TEST(CostModelTest, range_narrows_as_units_finish) {
  CostModel cost;
  const auto cpu = cost.device_index("cpu");
  const auto shape = cost.shape_index("d2");
  const auto before = time_left(cost, 100.0, 1.0, 50, 1);
  for (int i = 0; i < 20; ++i) cost.learn(cpu, shape, 1e9, i % 2 == 0 ? 1.0 : 1.1);
  const auto after = time_left(cost, 100.0, 1.0, 50, 1);
  EXPECT_LT(before.low, before.seconds);
  EXPECT_GT(before.high, before.seconds);
  EXPECT_LT(after.high / after.low, before.high / before.low);
}

HostResources host(std::vector<std::string> gpus, std::int64_t cores, int agents, int index) {
  return {std::move(gpus), cores, agents, index, {}};
}

SlotRequest ask(std::int32_t slots, const std::string& device, std::int64_t threads) {
  return {slots, 1, device, threads, BindMode::None};
}

TEST(SlotCountTest, cores_are_shared_among_the_hosts_agents_and_their_threads) {
  EXPECT_EQ(plan_agent(host({}, 16, 1, 0), ask(0, "auto", 1)).seats.size(), 16U);
  EXPECT_EQ(plan_agent(host({}, 16, 4, 1), ask(0, "auto", 1)).seats.size(), 4U);
  EXPECT_EQ(plan_agent(host({}, 16, 2, 0), ask(0, "cpu", 4)).seats.size(), 2U);
  EXPECT_EQ(plan_agent(host({}, 2, 8, 0), ask(0, "auto", 1)).seats.size(), 1U);
  EXPECT_EQ(plan_agent(host({}, 2, 1, 0), ask(7, "auto", 1)).seats.size(), 7U);
}

TEST(SlotCountTest, each_gpu_gets_a_seat_and_agents_deal_them_out) {
  const auto one = plan_agent(host({"0", "1", "2"}, 64, 1, 0), ask(0, "auto", 1));
  ASSERT_EQ(one.seats.size(), 3U);
  EXPECT_EQ(one.device, "cuda");
  EXPECT_EQ(one.seats[2].cuda_device, "2");
  const auto second = plan_agent(host({"0", "1", "2"}, 64, 2, 1), ask(0, "auto", 1));
  ASSERT_EQ(second.seats.size(), 1U);
  EXPECT_EQ(second.seats[0].cuda_device, "1");
  // More agents than GPUs: they share.
  EXPECT_EQ(plan_agent(host({"0"}, 64, 2, 1), ask(0, "auto", 1)).seats.at(0).cuda_device, "0");
  // Shares of one GPU on request.
  const auto shares = plan_agent(host({"GPU-a"}, 64, 1, 0), ask(2, "cuda", 1));
  EXPECT_EQ(shares.trainer_device, "cuda:0");
  EXPECT_EQ(shares.seats.at(1).cuda_device, "GPU-a");
}

TEST(SlotCountTest, shares_of_a_gpu_are_dealt_in_turn_and_among_the_agents_that_share_it) {
  SlotRequest request = ask(0, "auto", 1);
  request.slots_per_gpu = 3;
  const auto alone = plan_agent(host({"0", "1"}, 64, 1, 0), request);
  ASSERT_EQ(alone.seats.size(), 6U);
  EXPECT_EQ(alone.seats[0].cuda_device, "0");
  EXPECT_EQ(alone.seats[1].cuda_device, "1");
  EXPECT_EQ(alone.seats[4].cuda_device, "0");
  // Three agents on two GPUs: agents 0 and 2 share GPU 0.
  EXPECT_EQ(plan_agent(host({"0", "1"}, 64, 3, 0), request).seats.size(), 1U);
  EXPECT_EQ(plan_agent(host({"0", "1"}, 64, 3, 1), request).seats.size(), 3U);
  EXPECT_EQ(plan_agent(host({"0", "1"}, 64, 3, 2), request).seats.at(0).cuda_device, "0");
  // Without a GPU the wish does not matter.
  EXPECT_EQ(plan_agent(host({}, 4, 1, 0), request).seats.size(), 4U);
}

TEST(SlotCountTest, cpu_can_be_asked_for_beside_a_gpu_and_a_missing_gpu_is_an_error) {
  const auto plan = plan_agent(host({"0"}, 8, 1, 0), ask(0, "cpu", 1));
  EXPECT_EQ(plan.device, "cpu");
  EXPECT_EQ(plan.seats.size(), 8U);
  EXPECT_TRUE(plan.seats[0].cuda_device.empty());
  EXPECT_THROW(plan_agent(host({}, 8, 1, 0), ask(0, "cuda", 1)), UsageError);
  EXPECT_THROW(plan_agent(host({}, 8, 1, 0), ask(0, "tpu", 1)), UsageError);
}

}  // namespace
}  // namespace calsweep::orchestrator
