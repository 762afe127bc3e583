#include "sweeps/cost.hpp"

#include <gtest/gtest.h>

namespace calsweep {
namespace {

// PAPER.md of the design notes, "MLP cost per sample": depth 2..6
// train 3.161/3.554/3.948/4.341/4.734 MFLOP, forward 1.578/1.709/1.840/1.971/2.102 MFLOP (width
// 256, CIFAR-10).
TEST(CostTest, flops_per_sample_equal_the_hand_calculation) {
  const double train[] = {3.161, 3.554, 3.948, 4.341, 4.734};
  const double forward[] = {1.578, 1.709, 1.840, 1.971, 2.102};
  for (std::int64_t depth = 2; depth <= 6; ++depth) {
    Settings settings;
    settings.set("data.dataset", std::string("cifar-10"));
    settings.set("model.depth", depth);
    EXPECT_NEAR(train_flops_per_sample(settings) / 1e6, train[depth - 2], 6e-4);
    EXPECT_NEAR(2 * mlp_macs_per_sample(settings) / 1e6, forward[depth - 2], 6e-4);
  }
}

TEST(CostTest, a_recipe_without_warm_up_has_no_stage_work) {
  Settings settings;
  EXPECT_EQ(stage_flops(settings), 0.0);
  settings.turn_on("noise_warmup");
  EXPECT_NEAR(stage_flops(settings), 480000 * train_flops_per_sample(settings), 1.0);
}

}  // namespace
}  // namespace calsweep
