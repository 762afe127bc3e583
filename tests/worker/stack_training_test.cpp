// A stack from initial weights to logits, on a small data set of the test's own.
#include "worker/stack_training.hpp"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <iostream>

#include "sweeps/errors.hpp"
#include "tests/worker/small_data.hpp"
#include "worker/epoch_metrics.hpp"
#include "worker/stack_data.hpp"
#include "worker/stage_file.hpp"

namespace calsweep::worker {
namespace {

struct SmallSweep {
  testing::TemporaryFolder folder;
  RunDirectory directory{folder.path() / "run"};
  DataCache data{at::kCPU};
  Settings settings;
  WorkProgress progress;

  SmallSweep() {
    at::set_num_threads(1);
    testing::write_small_data(folder.path());
    data.set_sources({}, folder.path().string());
    fs::create_directories(directory.stages());
    settings.set("data.size", std::int64_t{200});
    settings.set("data.validation_size", std::int64_t{40});
    settings.set("data.ood", std::vector<std::string>{"mnist", "mnist:raw"});
    settings.set("model.depth", std::int64_t{3});
    settings.set("model.width", std::int64_t{32});
    settings.set("training.epochs", std::int64_t{4});
    settings.set("training.batch_size", std::int64_t{32});
    settings.set("training.learning_rate", 1e-3);
  }

  Stack stack(std::initializer_list<std::int64_t> seeds) const {
    Stack stack{settings, {}};
    for (const auto seed : seeds) {
      StackMember member;
      member.seed = seed;
      member.trial = TrialId::of("trial " + std::to_string(seed));
      member.stage = StageId::of("stage " + std::to_string(seed));
      stack.members.push_back(member);
    }
    return stack;
  }

  std::vector<TrialRecord> train(std::initializer_list<std::int64_t> seeds) {
    const Stack own = stack(seeds);
    return StackTraining(own, data, at::kCPU, progress).train();
  }

  void turn_on_warmup() {
    settings.turn_on("noise_warmup");
    settings.set("noise_warmup.samples", std::int64_t{320});
    settings.set("noise_warmup.batch_size", std::int64_t{32});
  }
};

const LogitSet& logits_of(const TrialRecord& record, const std::string& name) {
  for (const auto& set : record.logits) {
    if (set.name == name) return set;
  }
  throw std::runtime_error("no logits " + name);
}

double largest_difference(const LogitSet& a, const LogitSet& b) {
  double largest = 0.0;
  for (std::size_t i = 0; i < a.logits.size(); ++i) {
    largest = std::max(largest, static_cast<double>(std::abs(a.logits[i] - b.logits[i])));
  }
  return largest;
}

TEST(StackTrainingTest, records_every_epoch_and_every_set_and_learns) {
  SmallSweep sweep;
  sweep.settings.set("training.epochs", std::int64_t{12});
  const auto records = sweep.train({0, 1});
  ASSERT_EQ(records.size(), 2U);
  for (const auto& record : records) {
    EXPECT_EQ(record.outcome, TrialOutcome::Completed);
    EXPECT_EQ(record.fused_width, 2);
    ASSERT_EQ(record.epochs.size(), 13U);
    EXPECT_TRUE(std::isnan(record.epochs.front().train_loss));
    EXPECT_LT(record.epochs.back().train_loss, record.epochs[1].train_loss);
    EXPECT_GT(record.epochs.back().test_accuracy, 0.6);
    EXPECT_EQ(logits_of(record, "test").logits.size(), 120U * 10U);
    EXPECT_EQ(logits_of(record, "validation").logits.size(), 40U * 10U);
    EXPECT_EQ(logits_of(record, "ood/mnist").logits.size(), 120U * 10U);
    EXPECT_EQ(logits_of(record, "ood/mnist:raw").logits.size(), 120U * 10U);
    const auto metrics = epoch_metrics(logits_of(record, "test").logits,
                                       test_labels(sweep.settings, sweep.data), 10);
    EXPECT_EQ(metrics.accuracy, record.epochs.back().test_accuracy);
    EXPECT_EQ(metrics.nll, record.epochs.back().test_nll);
  }
}

TEST(StackTrainingTest, epochs_are_recorded_as_often_as_asked) {
  SmallSweep sweep;
  const auto epochs_recorded = [&](std::int64_t every) {
    sweep.settings.set("logging.epoch_every", every);
    std::vector<std::int64_t> epochs;
    const auto records = sweep.train({0});
    for (const auto& row : records.front().epochs) epochs.push_back(row.epoch);
    return epochs;
  };
  EXPECT_EQ(epochs_recorded(3), (std::vector<std::int64_t>{0, 3, 4}));
  EXPECT_EQ(epochs_recorded(0), (std::vector<std::int64_t>{4}));
}

TEST(StackTrainingTest, the_same_trial_twice_gives_the_same_bits) {
  SmallSweep sweep;
  sweep.settings.turn_on("mixup");
  torch::manual_seed(1);
  const auto once = sweep.train({3});
  torch::manual_seed(2);  // nobody uses the global generator
  const auto twice = sweep.train({3});
  EXPECT_EQ(logits_of(once[0], "test").logits, logits_of(twice[0], "test").logits);
}

TEST(StackTrainingTest, fused_agrees_with_unfused) {
  for (const char* subset : {"shared", "per-seed"}) {
    SmallSweep sweep;
    sweep.settings.set("data.subset", std::string(subset));
    sweep.settings.set("training.epochs", std::int64_t{1});
    sweep.settings.turn_on("mixup");
    const auto fused = sweep.train({0, 1, 2});
    double largest = 0.0;
    for (std::int64_t k = 0; k < 3; ++k) {
      const auto alone = sweep.train({k});
      largest = std::max(largest,
                         largest_difference(logits_of(fused[static_cast<std::size_t>(k)], "test"),
                                            logits_of(alone[0], "test")));
    }
    std::cout << "fused against unfused, " << subset << ": largest difference " << largest << '\n';
    EXPECT_LT(largest, 1e-4);
  }
}

TEST(StackTrainingTest, a_stored_and_loaded_stage_equals_going_straight_on) {
  SmallSweep sweep;
  sweep.turn_on_warmup();
  const Stack stack = sweep.stack({0, 1});
  StackTraining straight(stack, sweep.data, at::kCPU, sweep.progress);
  straight.warm_up();
  const auto expected = straight.train();
  {
    StackTraining stage(stack, sweep.data, at::kCPU, sweep.progress);
    stage.warm_up();
    stage.store_stages(sweep.directory);
  }
  StackTraining resumed(stack, sweep.data, at::kCPU, sweep.progress);
  resumed.load_stages(sweep.directory);
  const auto records = resumed.train();
  for (std::size_t k = 0; k < 2; ++k) {
    EXPECT_EQ(logits_of(records[k], "test").logits, logits_of(expected[k], "test").logits);
    EXPECT_EQ(records[k].epochs[0].test_nll, expected[k].epochs[0].test_nll);
  }
  const auto cold = sweep.train({0, 1});
  EXPECT_NE(logits_of(cold[0], "test").logits, logits_of(expected[0], "test").logits);
}

// Cheon & Paik 2026: an untrained network is overconfident on noise; after the warm-up its
// confidence there is near chance.
TEST(StackTrainingTest, a_warmup_brings_confidence_down_to_chance) {
  SmallSweep sweep;
  sweep.turn_on_warmup();
  sweep.settings.set("noise_warmup.samples", std::int64_t{16000});
  sweep.settings.set("noise_warmup.learning_rate", 3e-3);
  const Stack stack = sweep.stack({0});
  StackTraining training(stack, sweep.data, at::kCPU, sweep.progress);
  const auto noise = torch::randn({500, 28 * 28});
  const auto confidence = [&] {
    const auto logits = training.network().evaluate(noise).select(1, 0);
    return std::get<0>(torch::softmax(logits, 1).max(1)).mean().item<double>();
  };
  EXPECT_GT(confidence(), 0.3);
  training.warm_up();
  EXPECT_LT(confidence(), 0.2);
}

TEST(StackTrainingTest, divergence_is_recorded_with_its_step_and_without_logits) {
  SmallSweep sweep;
  sweep.settings.set("training.optimizer", std::string("sgd"));
  sweep.settings.set("training.learning_rate", 1e30);
  const auto records = sweep.train({0, 1});
  for (const auto& record : records) {
    EXPECT_EQ(record.outcome, TrialOutcome::Diverged);
    EXPECT_GE(record.diverged_step, 2);  // the first loss is of the initial weights
    EXPECT_LE(record.diverged_step, 7);
    EXPECT_TRUE(record.logits.empty());
    EXPECT_EQ(record.epochs.size(), 1U);  // epoch 0 was sound
  }
}

TEST(StackTrainingTest, one_diverging_network_of_a_stack_leaves_the_others_results_alone) {
  SmallSweep sweep;
  const Stack stack = sweep.stack({0, 1, 2});
  const auto sound = StackTraining(stack, sweep.data, at::kCPU, sweep.progress).train();
  StackTraining training(stack, sweep.data, at::kCPU, sweep.progress);
  training.network().state(1)[0].value.fill_(1e38);
  const auto broken = training.train();
  EXPECT_EQ(broken[1].outcome, TrialOutcome::Diverged);
  EXPECT_EQ(broken[1].diverged_step, 1);
  EXPECT_TRUE(broken[1].logits.empty());
  for (const std::size_t k : {0U, 2U}) {
    EXPECT_EQ(broken[k].outcome, TrialOutcome::Completed);
    EXPECT_EQ(logits_of(broken[k], "test").logits, logits_of(sound[k], "test").logits);
    EXPECT_EQ(broken[k].epochs.back().train_loss, sound[k].epochs.back().train_loss);
  }
}

TEST(StackTrainingTest, odd_batch_sizes_train) {
  SmallSweep sweep;
  for (const std::int64_t size : {199, 200, 1000}) {  // 199 leaves a last batch of one image
    sweep.settings.set("training.batch_size", size);
    EXPECT_EQ(sweep.train({0, 1})[0].outcome, TrialOutcome::Completed) << size;
  }
  sweep.settings.set("training.drop_last", true);
  EXPECT_THROW(sweep.train({0}), FormatError);
}

TEST(StackTrainingTest, refuses_data_other_than_the_sweeps) {
  SmallSweep sweep;
  DataInventory inventory;
  inventory.sets["fashion-mnist"] = {"fashion-mnist", sweep.folder.path() / "fashion-mnist",
                                     std::string(64, '0')};
  sweep.data.set_sources(inventory, sweep.folder.path().string());
  EXPECT_THROW(sweep.train({0}), FormatError);
}

// torch.optim.lr_scheduler.CosineAnnealingLR(T_max=4): 1, 0.8536, 0.5, 0.1464 of the rate.
TEST(ScheduleTest, cosine_follows_torch) {
  Settings settings;
  settings.set("training.schedule", std::string("cosine"));
  settings.set("training.epochs", std::int64_t{4});
  settings.set("training.learning_rate", 2.0);
  const std::vector<double> expected = {2.0, 1.7071067811865475, 1.0, 0.2928932188134524};
  for (std::int64_t epoch = 0; epoch < 4; ++epoch) {
    EXPECT_NEAR(scheduled_rate(settings, epoch), expected[static_cast<std::size_t>(epoch)], 1e-12);
  }
}

struct StoredStage {
  testing::TemporaryFolder folder;
  fs::path file = folder.path() / "stage.pt";
  StageId id = StageId::of("a stage");
  std::vector<NamedTensor> state = {{"a", torch::arange(6).to(torch::kFloat).view({2, 3})},
                                    {"b", torch::ones({4})}};
  StoredStage() { write_stage(file, id, state); }
  std::vector<NamedTensor> blank() const {
    return {{"a", torch::zeros({2, 3})}, {"b", torch::zeros({4})}};
  }
};

TEST(StageFileTest, reads_back_what_was_written) {
  const StoredStage stored;
  const auto read = stored.blank();
  read_stage(stored.file, stored.id, read);
  EXPECT_TRUE(torch::equal(read[0].value, stored.state[0].value));
  EXPECT_TRUE(torch::equal(read[1].value, stored.state[1].value));
}

TEST(StageFileTest, refuses_another_stage_another_network_and_a_missing_file) {
  const StoredStage stored;
  EXPECT_THROW(read_stage(stored.file, StageId::of("other"), stored.blank()), FormatError);
  EXPECT_THROW(read_stage(stored.file, stored.id, {{"a", torch::zeros({3, 3})}}), FormatError);
  EXPECT_THROW(read_stage(stored.file, stored.id, {{"c", torch::zeros({4})}}), FormatError);
  EXPECT_THROW(read_stage(stored.folder.path() / "none.pt", stored.id, stored.blank()), IoError);
}

TEST(StageFileTest, refuses_damage_wherever_it_lies) {
  const StoredStage stored;
  const auto bytes = testing::read_bytes(stored.file);
  for (const std::size_t keep :
       {std::size_t{0}, std::size_t{10}, bytes.size() / 2, bytes.size() - 1}) {
    testing::write_bytes(stored.file,
                         {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(keep)});
    EXPECT_THROW(read_stage(stored.file, stored.id, stored.blank()), FormatError) << keep;
  }
  // The float 5 of tensor "a" is 00 00 a0 40.
  const testing::Bytes five = {0x00, 0x00, 0xa0, 0x40};
  auto flipped = bytes;
  const auto found = std::search(flipped.begin(), flipped.end(), five.begin(), five.end());
  ASSERT_NE(found, flipped.end());
  *(found + 2) ^= 0x10U;
  testing::write_bytes(stored.file, flipped);
  EXPECT_THROW(read_stage(stored.file, stored.id, stored.blank()), FormatError);
}

}  // namespace
}  // namespace calsweep::worker
