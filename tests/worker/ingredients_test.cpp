// Batches and what ingredients make of them, against LibTorch's losses and hand calculation.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "worker/batches.hpp"
#include "worker/training_step.hpp"

namespace calsweep::worker {
namespace {

constexpr ImageShape kTinyShape{1, 2, 3};

std::vector<StackMember> two_members() {
  std::vector<StackMember> members(2);
  members[1].seed = 4;
  return members;
}

/// Two networks with ten images in batches of six, under the given settings.
struct TwoNetworks {
  explicit TwoNetworks(const Settings& settings)
      : members(two_members()),
        pixels(torch::arange(60).to(torch::kByte).view({10, 6})),
        source(pixels, kTinyShape, {{0.5, 0.5, 0.5}, {0.25, 0.25, 0.25}}),
        labels{0, 1, 2, 0, 1, 2, 0, 1, 2, 0},
        rows(2, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}),
        order(rows, members, 6, false),
        batches(source, labels, 3, BatchOrder(rows, members, 6, false),
                make_ingredients(settings, members, at::kCPU)) {}

  std::vector<StackMember> members;
  torch::Tensor pixels;
  PixelSource source;
  std::vector<std::int32_t> labels;
  std::vector<std::vector<std::int64_t>> rows;
  BatchOrder order;  // draws the same as the one inside `batches`
  TaskBatches batches;

  torch::Tensor normalized(std::int64_t row) const {
    return (pixels[row].to(torch::kDouble) / 255.0 - 0.5) / 0.25;
  }
};

Settings plain_settings() { return Settings(); }

Settings settings_with_mixup(double alpha) {
  Settings settings;
  settings.turn_on("mixup");
  settings.set("mixup.alpha", alpha);
  return settings;
}

TEST(TaskBatchesTest, hands_out_normalised_images_and_one_hot_targets_in_order) {
  TwoNetworks stack(plain_settings());
  const EpochOrder expected = stack.order.next_epoch();
  stack.batches.begin_epoch();
  for (std::int64_t step = 0; step < 2; ++step) {
    const Batch& batch = stack.batches.next();
    const std::int64_t size = step == 0 ? 6 : 4;
    ASSERT_EQ(batch.inputs.sizes(), (torch::IntArrayRef{2, size, 6}));
    for (std::int64_t k = 0; k < 2; ++k) {
      for (std::int64_t b = 0; b < size; ++b) {
        const auto at = static_cast<std::size_t>(expected.offset(step) + k * size + b);
        const std::int64_t row = expected.rows[at];
        EXPECT_TRUE(torch::allclose(batch.inputs[k][b].to(torch::kDouble), stack.normalized(row),
                                    1e-6, 1e-6));
        const auto target = torch::one_hot(torch::tensor(row % 3), 3).to(torch::kFloat);
        EXPECT_TRUE(torch::equal(batch.targets[b][k], target));
      }
    }
  }
}

TEST(PixelSourceTest, normalised_ahead_and_selected_rows_give_the_same_bits) {
  TwoNetworks stack(plain_settings());
  PixelSource ahead = stack.source;
  ahead.normalize_ahead(1 << 20);
  const auto rows = torch::tensor({7, 2, 2}, torch::kLong);
  const auto now = torch::empty({3, 6}), before = torch::empty({3, 6});
  stack.source.gather(rows, now);
  ahead.gather(rows, before);
  EXPECT_TRUE(torch::equal(now, before));
  EXPECT_TRUE(torch::equal(stack.source.select(rows).slice(1, 2).clone(),
                           ahead.slice(2, 1).expand({2, 6})));
}

// Zhang et al. 2018: the loss is lambda CE(y_a) + (1 - lambda) CE(y_b).
TEST(MixupTest, inputs_and_loss_equal_their_definition) {
  TwoNetworks plain(plain_settings()), mixed(settings_with_mixup(0.7));
  plain.batches.begin_epoch();
  mixed.batches.begin_epoch();
  std::vector<Random> draws = {generator_for(plain.members[0], "mixup"),
                               generator_for(plain.members[1], "mixup")};
  SoftCrossEntropy loss;
  for (std::int64_t step = 0; step < 2; ++step) {
    const Batch& a = plain.batches.next();
    const Batch& m = mixed.batches.next();
    const std::int64_t size = a.inputs.size(1);
    torch::manual_seed(step);
    const auto logits = torch::randn({size, 2, 3});
    auto losses = torch::zeros({2});
    loss(logits, m.targets, losses);
    for (std::int64_t k = 0; k < 2; ++k) {
      const double lambda = draws[static_cast<std::size_t>(k)].beta(0.7, 0.7);
      const auto partner = torch::tensor(draws[static_cast<std::size_t>(k)].permutation(size));
      const auto inputs =
          lambda * a.inputs[k] + (1 - lambda) * a.inputs[k].index_select(0, partner);
      EXPECT_TRUE(torch::allclose(m.inputs[k], inputs, 1e-5, 1e-5));
      const auto y_a = a.targets.select(1, k).argmax(1), y_b = y_a.index_select(0, partner);
      const auto cross_entropy = [&](const torch::Tensor& y) {
        return torch::nn::functional::cross_entropy(logits.select(1, k), y).item<double>();
      };
      EXPECT_NEAR(losses[k].item<double>(),
                  lambda * cross_entropy(y_a) + (1 - lambda) * cross_entropy(y_b), 1e-5);
    }
  }
}

TEST(MixupTest, does_not_change_which_images_a_batch_holds) {
  TwoNetworks plain(plain_settings()), mixed(settings_with_mixup(1e-6));
  plain.batches.begin_epoch();
  mixed.batches.begin_epoch();
  // With alpha near 0 lambda is 0 or 1, so a mixed batch is the plain one or a permutation of it.
  const auto sum = plain.batches.next().inputs.sum({1, 2});
  EXPECT_TRUE(torch::allclose(mixed.batches.next().inputs.sum({1, 2}), sum, 1e-4, 1e-3));
}

TEST(LabelSmoothingTest, loss_equals_torchs) {
  Settings settings;
  settings.turn_on("label_smoothing");
  settings.set("label_smoothing.alpha", 0.3);
  TwoNetworks stack(settings);
  stack.batches.begin_epoch();
  const Batch& batch = stack.batches.next();
  const auto logits = torch::randn({6, 2, 3});
  auto losses = torch::zeros({2});
  SoftCrossEntropy loss;
  loss(logits, batch.targets, losses);
  for (std::int64_t k = 0; k < 2; ++k) {
    const auto expected = torch::nn::functional::cross_entropy(
        logits.select(1, k), batch.targets.select(1, k).argmax(1),
        torch::nn::functional::CrossEntropyFuncOptions().label_smoothing(0.3));
    EXPECT_NEAR(losses[k].item<double>(), expected.item<double>(), 1e-6);
  }
}

// By hand: smoothing turns one-hot y into 0.7 y + 0.1; mixing such targets is smoothing the mixed
// ones.
TEST(LabelSmoothingTest, composes_with_mixup) {
  Settings both = settings_with_mixup(0.7);
  both.turn_on("label_smoothing");
  both.set("label_smoothing.alpha", 0.3);
  TwoNetworks mixed(settings_with_mixup(0.7)), stack(both);
  mixed.batches.begin_epoch();
  stack.batches.begin_epoch();
  const auto expected = mixed.batches.next().targets * 0.7 + 0.1;
  EXPECT_TRUE(torch::allclose(stack.batches.next().targets, expected, 1e-5, 1e-6));
}

Settings noise(const std::string& distribution, const std::string& labels) {
  Settings settings;
  settings.turn_on("noise_warmup");
  settings.set("noise_warmup.distribution", distribution);
  settings.set("noise_warmup.labels", labels);
  settings.set("noise_warmup.std", 2.0);
  settings.set("noise_warmup.batch_size", std::int64_t{500});
  return settings;
}

TEST(NoiseBatchesTest, pixels_have_mean_zero_and_the_stated_deviation) {
  const auto members = two_members();
  for (const char* distribution : {"normal", "uniform"}) {
    NoiseBatches batches(noise(distribution, "random"), members, 100, 10, at::kCPU);
    const Batch& batch = batches.next();
    EXPECT_NEAR(batch.inputs.mean().item<double>(), 0.0, 0.03);
    EXPECT_NEAR(batch.inputs.std().item<double>(), 2.0, 0.03);
    const double largest = batch.inputs.abs().max().item<double>();
    EXPECT_EQ(largest <= 2.0 * std::sqrt(3.0), std::string(distribution) == "uniform");
    EXPECT_TRUE(torch::allclose(batch.targets.sum(2), torch::ones({500, 2})));
    EXPECT_NEAR(batch.targets.mean(at::IntArrayRef({0, 1})).max().item<double>(), 0.1, 0.04);
  }
}

TEST(NoiseBatchesTest, uniform_labels_are_the_soft_target) {
  NoiseBatches batches(noise("normal", "uniform"), two_members(), 5, 4, at::kCPU);
  EXPECT_TRUE(torch::equal(batches.next().targets, torch::full({500, 2, 4}, 0.25)));
}

TEST(NoiseBatchesTest, every_batch_is_fresh_and_belongs_to_its_network_alone) {
  const auto members = two_members();
  NoiseBatches stacked(noise("normal", "random"), members, 100, 10, at::kCPU);
  NoiseBatches alone(noise("normal", "random"), std::span(members).subspan(1), 100, 10, at::kCPU);
  const auto first = stacked.next().inputs.clone();
  torch::randn({17});  // somebody else's random numbers
  EXPECT_TRUE(torch::equal(first[1], alone.next().inputs[0]));
  EXPECT_FALSE(torch::equal(first[0], first[1]));
  EXPECT_FALSE(torch::equal(stacked.next().inputs, first));
}

}  // namespace
}  // namespace calsweep::worker
