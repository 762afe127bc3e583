// Checkpoints in one process: at every boundary, of every recipe, entry by entry.
#include "worker/checkpoint_file.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <optional>
#include <set>

#include "sweeps/errors.hpp"
#include "tests/worker/small_data.hpp"
#include "worker/optimizer.hpp"
#include "worker/pickled_dictionary.hpp"
#include "worker/stack_training.hpp"
#include "worker/torch_runtime.hpp"

namespace calsweep::worker {
namespace {

constexpr std::int64_t kNever = std::int64_t{1} << 40;

/// A small sweep whose stacks are stopped at chosen boundaries.
struct StoppedSweep {
  testing::TemporaryFolder folder;
  RunDirectory directory{folder.path() / "run"};
  DataCache data{at::kCPU};
  Settings settings;
  WorkProgress progress;
  std::vector<std::int64_t> seeds = {0};
  std::string made_on = "here";
  bool second_network_diverges = false;
  double resumed_fraction = 0.0;  // of the latest train()

  StoppedSweep() {
    at::set_num_threads(1);
    testing::write_small_data(folder.path());
    data.set_sources({}, folder.path().string());
    fs::create_directories(directory.root());
    settings.set("data.size", std::int64_t{150});
    settings.set("data.validation_size", std::int64_t{20});
    settings.set("data.ood", std::vector<std::string>{"mnist"});
    settings.set("model.depth", std::int64_t{3});
    settings.set("model.width", std::int64_t{16});
    settings.set("training.epochs", std::int64_t{4});
    settings.set("training.batch_size", std::int64_t{32});
    settings.set("training.learning_rate", 1e-3);
  }
  void turn_on_warmup() {
    settings.turn_on("noise_warmup");
    settings.set("noise_warmup.samples", std::int64_t{320});
    settings.set("noise_warmup.batch_size", std::int64_t{32});
  }

  Stack stack() const {
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
  fs::path file(UnitKind kind = UnitKind::Trials) const {
    return directory.checkpoint(stack_id(stack(), kind));
  }

  /// Runs `phase` until it was asked `questions` times whether to stop. False: it was stopped.
  bool run(UnitKind kind, std::int64_t questions,
           const std::function<void(StackTraining&)>& phase) {
    const WorkUnit unit{UnitId::of("unit"), kind, {stack()}, 0.0, "", {}};
    std::int64_t asked = -1;  // the first time is before the first step
    UnitCheckpoints checkpoints(directory, unit,
                                {1e9, made_on, [&] { return ++asked >= questions; }}, progress);
    try {
      checkpoints.begin_stack(unit.stacks[0]);
      StackTraining training(unit.stacks[0], data, at::kCPU, progress, &checkpoints);
      if (second_network_diverges) training.network().state(1)[0].value.fill_(1e38);
      phase(training);
      resumed_fraction = checkpoints.resumed_fraction();
      return true;
    } catch (const UnitStopped&) {
      return false;
    }
  }
  std::optional<std::vector<TrialRecord>> train(std::int64_t questions = kNever) {
    std::vector<TrialRecord> records;
    const auto phase = [&](StackTraining& training) { records = training.train(); };
    if (!run(UnitKind::Trials, questions, phase)) return std::nullopt;
    fs::remove(file());
    return records;
  }
  /// Every network's state after the warm-up, one after another.
  std::optional<std::vector<at::Tensor>> warm_up(std::int64_t questions = kNever) {
    std::vector<at::Tensor> states;
    const auto phase = [&](StackTraining& training) {
      training.warm_up();
      for (std::size_t k = 0; k < seeds.size(); ++k) {
        for (const auto& [name, value] : training.network().state(static_cast<std::int64_t>(k))) {
          states.push_back(value.clone());
        }
      }
    };
    if (!run(UnitKind::Stage, questions, phase)) return std::nullopt;
    fs::remove(file(UnitKind::Stage));
    return states;
  }
};

bool same_record(const TrialRecord& a, const TrialRecord& b) {
  bool same = a.id == b.id && a.outcome == b.outcome && a.diverged_step == b.diverged_step &&
              a.settings == b.settings && a.seed == b.seed && a.fused_width == b.fused_width &&
              a.epochs.size() == b.epochs.size() && a.logits.size() == b.logits.size();
  same = same &&
         std::memcmp(a.epochs.data(), b.epochs.data(), a.epochs.size() * sizeof(EpochRecord)) == 0;
  for (std::size_t i = 0; same && i < a.logits.size(); ++i) {
    const auto &x = a.logits[i], &y = b.logits[i];
    same = x.name == y.name && x.logits.size() == y.logits.size() &&
           std::memcmp(x.logits.data(), y.logits.data(), x.logits.size() * sizeof(float)) == 0;
  }
  return same;
}

bool same_records(const std::vector<TrialRecord>& a, const std::vector<TrialRecord>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), same_record);
}

bool same_tensors(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const at::Tensor& x, const at::Tensor& y) { return at::equal(x, y); });
}

struct Recipe {
  std::string name;
  std::function<void(StoppedSweep&)> change;
};

std::vector<Recipe> recipes() {
  const auto sgd = [](double momentum) {
    return [=](StoppedSweep& sweep) {
      sweep.settings.set("training.optimizer", std::string("sgd"));
      sweep.settings.set("training.momentum", momentum);
      sweep.settings.set("training.learning_rate", 0.05);
    };
  };
  const auto text = [](const char* key, const char* value) {
    return [=](StoppedSweep& sweep) { sweep.settings.set(key, std::string(value)); };
  };
  return {
      {"mixup and label smoothing, fused",
       [](StoppedSweep& sweep) {
         sweep.seeds = {0, 1, 2};
         sweep.settings.turn_on("mixup");
         sweep.settings.turn_on("label_smoothing");
       }},
      {"sgd with momentum", sgd(0.9)},
      {"sgd without momentum", sgd(0.0)},
      {"cosine schedule", text("training.schedule", "cosine")},
      {"no normalisation", text("model.normalization", "none")},
      {"normalisation first", text("model.normalization_position", "before-activation")},
      {"a subset per seed, fused",
       [](StoppedSweep& sweep) {
         sweep.seeds = {4, 5};
         sweep.settings.set("data.subset", std::string("per-seed"));
       }},
      {"full batches only",
       [](StoppedSweep& sweep) { sweep.settings.set("training.drop_last", true); }},
      {"all diverge",
       [](StoppedSweep& sweep) {
         sweep.settings.set("training.optimizer", std::string("sgd"));
         sweep.settings.set("training.learning_rate", 1e30);
       }},
      {"one of two diverges",
       [](StoppedSweep& sweep) {
         sweep.seeds = {0, 1};
         sweep.second_network_diverges = true;
       }},
  };
}

TEST(CheckpointTest, a_stack_stopped_at_any_boundary_ends_with_the_same_bits) {
  StoppedSweep sweep;
  const auto expected = sweep.train().value();
  ASSERT_EQ(expected[0].epochs.size(), 5U);
  std::int64_t stops = 0;
  for (;; ++stops) {
    if (sweep.train(stops + 1).has_value()) break;
    const auto records = sweep.train().value();
    EXPECT_TRUE(same_records(records, expected)) << "stopped at boundary " << stops;
  }
  EXPECT_GE(stops, 4 * 5 + 5 + 2);  // steps, evaluations after epochs, and at the end
}

TEST(CheckpointTest, every_recipe_stopped_again_and_again_ends_with_the_same_bits) {
  for (const auto& recipe : recipes()) {
    StoppedSweep sweep;
    recipe.change(sweep);
    const auto expected = sweep.train().value();
    for (const std::int64_t first : {2, 3, 7}) {
      std::optional<std::vector<TrialRecord>> records;
      std::int64_t stops = -1;
      // Growing, since an evaluation that is stopped begins anew.
      while (!records && stops < 50) records = sweep.train(first + ++stops);
      ASSERT_TRUE(records.has_value());
      EXPECT_GT(stops, 0);
      EXPECT_TRUE(same_records(*records, expected)) << recipe.name << ", from " << first;
    }
  }
}

TEST(CheckpointTest, a_warmup_stopped_again_and_again_ends_with_the_same_bits) {
  for (const bool plain : {true, false}) {
    StoppedSweep sweep;
    sweep.seeds = {0, 1};
    sweep.turn_on_warmup();
    if (!plain) {
      sweep.settings.set("noise_warmup.distribution", std::string("uniform"));
      sweep.settings.set("noise_warmup.labels", std::string("random"));
      sweep.settings.set("noise_warmup.optimizer", std::string("sgd"));
    }
    const auto expected = sweep.warm_up().value();
    EXPECT_FALSE(sweep.warm_up(3).has_value());
    EXPECT_FALSE(sweep.warm_up(4).has_value());
    EXPECT_TRUE(same_tensors(sweep.warm_up().value(), expected));
    EXPECT_GT(sweep.resumed_fraction, 0.6);
  }
}

/// The checkpoint in `file` with one entry as `other` has it, sealed with a checksum of its own.
void exchange_entry(const fs::path& file, const PickledDictionary& other, const std::string& name) {
  const PickledDictionary content = PickledFile(file, "checkpoint").content();
  PickledDictionary changed = make_dictionary();
  for (const auto& item : content) {
    const std::string key = item.key().toStringRef();
    if (key == "checksum") continue;
    // No later checkpoint says that no step was done yet.
    const bool first = key == name && name == "sgd_first";
    changed.insert(key, first ? c10::IValue(1) : key == name ? other.at(key) : item.value());
  }
  changed.insert("checksum", checkpoint_checksum(changed));
  write_dictionary(file, changed);
}

std::vector<std::string> state_names(const PickledDictionary& content) {
  const std::vector<std::string> label = {"format",  "stack",    "kind", "semantics",
                                          "made_on", "checksum", "work", "seconds"};
  std::vector<std::string> names;
  for (const auto& item : content) {
    const std::string name = item.key().toStringRef();
    if (std::find(label.begin(), label.end(), name) == label.end()) names.push_back(name);
  }
  return names;
}

/// Resumes from a late checkpoint with one entry out of an early one, entry after entry. Returns
/// the names of entries without which the results are the same.
template <class Result>
std::vector<std::string> entries_without_effect(
    const fs::path& file, std::int64_t early, std::int64_t late,
    const std::function<std::optional<Result>(std::int64_t)>& train,
    const std::function<bool(const Result&, const Result&)>& same) {
  const Result expected = train(kNever).value();
  EXPECT_FALSE(train(early).has_value());
  const PickledDictionary before = PickledFile(file, "checkpoint").content();
  EXPECT_FALSE(train(late - early).has_value());
  const auto after = testing::read_bytes(file);
  std::vector<std::string> without_effect;
  for (const auto& name : state_names(before)) {
    testing::write_bytes(file, after);
    exchange_entry(file, before, name);
    if (same(train(kNever).value(), expected)) without_effect.push_back(name);
  }
  testing::write_bytes(file, after);
  EXPECT_TRUE(same(train(kNever).value(), expected));
  return without_effect;
}

/// So the tests above notice an entry that is not restored.
TEST(CheckpointTest, no_entry_can_be_left_out) {
  const auto none = std::vector<std::string>{};
  for (const auto& recipe : recipes()) {
    const std::set<std::string> enough = {"mixup and label smoothing, fused", "sgd with momentum",
                                          "normalisation first", "one of two diverges"};
    if (!enough.contains(recipe.name)) continue;
    StoppedSweep sweep;
    recipe.change(sweep);
    sweep.settings.set("model.depth", std::int64_t{2});
    if (sweep.seeds.size() > 2) sweep.seeds.resize(2);
    auto names = entries_without_effect<std::vector<TrialRecord>>(
        sweep.file(), 3, 16, [&](std::int64_t questions) { return sweep.train(questions); },
        same_records);
    std::erase_if(names, [&](const std::string& name) {
      // Nothing diverges in either checkpoint; or the network that has diverged has no results that
      // its state or its batches could change.
      if (!sweep.second_network_diverges) return name.ends_with("_diverged_step");
      return name == "trial0_diverged_step" || name.starts_with("network1_") || name == "order1" ||
             name == "trial1_epochs";
    });
    EXPECT_EQ(names, none) << recipe.name;
  }
  for (const char* optimizer : {"adam", "sgd"}) {
    StoppedSweep sweep;
    sweep.seeds = {0, 1};
    sweep.turn_on_warmup();
    sweep.settings.set("model.depth", std::int64_t{2});
    sweep.settings.set("noise_warmup.optimizer", std::string(optimizer));
    const auto names = entries_without_effect<std::vector<at::Tensor>>(
        sweep.file(UnitKind::Stage), 2, 7,
        [&](std::int64_t questions) { return sweep.warm_up(questions); }, same_tensors);
    EXPECT_EQ(names, none) << optimizer;
  }
}

TEST(CheckpointTest, plain_optimisers_continue_to_the_bit) {
  const testing::TemporaryFolder folder;
  const fs::path file = folder.path() / "optimizer.pt";
  const StackId id = StackId::of("optimiser");
  for (const auto kind : {OptimizerKind::Adam, OptimizerKind::Sgd}) {
    for (const auto kernel : {Kernel::Plain, Kernel::FusedIfPresent}) {
      OptimizerOptions options;
      options.kind = kind;
      at::Tensor parameters = at::arange(64).to(at::kFloat), gradients = at::zeros({64});
      const auto step = [&](Optimizer& optimizer, int i) {
        gradients.copy_(at::sin(at::arange(64).to(at::kFloat) * (i + 1)));
        optimizer.step(0.1);
      };
      const auto straight = make_optimizer(options, parameters, gradients, kernel);
      for (int i = 0; i < 3; ++i) step(*straight, i);
      write_checkpoint(file, {id, CheckpointKind::Training, "here"},
                       [&](StateVisitor& v) { straight->visit_state(v); });
      const at::Tensor halfway = parameters.clone();
      for (int i = 3; i < 6; ++i) step(*straight, i);
      const at::Tensor expected = parameters.clone();
      for (const bool restored : {true, false}) {
        parameters.copy_(halfway);
        const auto resumed = make_optimizer(options, parameters, gradients, kernel);
        const StoredCheckpoint stored(file, id, "here");
        if (restored) stored.restore([&](StateVisitor& v) { resumed->visit_state(v); });
        for (int i = 3; i < 6; ++i) step(*resumed, i);
        EXPECT_EQ(at::equal(parameters, expected), restored);
      }
    }
  }
}

TEST(CheckpointTest, foreign_checkpoints_are_ignored_and_stay) {
  StoppedSweep sweep;
  const auto expected = sweep.train().value();
  ASSERT_FALSE(sweep.train(9).has_value());
  const auto bytes = testing::read_bytes(sweep.file());
  sweep.made_on = "elsewhere";
  EXPECT_TRUE(same_records(sweep.train().value(), expected));
  EXPECT_EQ(sweep.resumed_fraction, 0.0);
  sweep.made_on = "here";
  const StackId id = stack_id(sweep.stack(), UnitKind::Trials);
  for (const char* entry : {"format", "semantics", "stack"}) {
    testing::write_bytes(sweep.file(), bytes);
    PickledDictionary other = make_dictionary();
    const bool text = std::string(entry) == "stack";
    other.insert(entry, text ? c10::IValue("00000000000000000000") : c10::IValue(0));
    exchange_entry(sweep.file(), other, entry);
    EXPECT_THROW(StoredCheckpoint(sweep.file(), id, "here"), ForeignCheckpoint) << entry;
    EXPECT_TRUE(same_records(sweep.train().value(), expected));
    EXPECT_EQ(sweep.resumed_fraction, 0.0);
  }
  EXPECT_FALSE(fs::exists(sweep.directory.quarantine()));
}

TEST(CheckpointTest, damage_anywhere_is_noticed_or_harmless) {
  StoppedSweep sweep;
  ASSERT_FALSE(sweep.train(9).has_value());
  const auto bytes = testing::read_bytes(sweep.file());
  const StackId id = stack_id(sweep.stack(), UnitKind::Trials);
  const std::string sound = checkpoint_checksum(PickledFile(sweep.file(), "checkpoint").content());
  int noticed = 0, tried = 0;
  for (std::size_t at = 0; at < bytes.size(); at += 2003, ++tried) {
    auto flipped = bytes;
    flipped[at] ^= static_cast<std::uint8_t>(1U << (at % 8));
    testing::write_bytes(sweep.file(), flipped);
    try {
      const StoredCheckpoint stored(sweep.file(), id, "here");
      // Padding and time stamps of the archive: the content is what it was.
      EXPECT_EQ(checkpoint_checksum(PickledFile(sweep.file(), "checkpoint").content()), sound);
    } catch (const FormatError&) {
      ++noticed;
    }
  }
  EXPECT_GT(noticed, tried / 2);
  testing::write_bytes(sweep.file(), {});
  EXPECT_THROW(StoredCheckpoint(sweep.file(), id, "here"), FormatError);
}

TEST(DeviceTest, the_probe_agrees_with_a_sound_device_and_errors_are_told_apart) {
  EXPECT_TRUE(device_computes(at::kCPU));
  const auto thrown = [](const std::string& text) {
    return c10::Error({__func__, __FILE__, static_cast<std::uint32_t>(__LINE__)}, text);
  };
  EXPECT_TRUE(is_device_error(thrown("CUDA error: an illegal memory access was encountered")));
  EXPECT_TRUE(is_device_error(thrown("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED")));
  EXPECT_FALSE(is_device_error(thrown("mat1 and mat2 shapes cannot be multiplied")));
  EXPECT_TRUE(is_out_of_memory(thrown("CUDA out of memory. Tried to allocate 20 GiB")));
  EXPECT_TRUE(is_out_of_memory(thrown("DefaultCPUAllocator: can't allocate memory")));
  EXPECT_FALSE(is_out_of_memory(thrown("CUDA error: an illegal memory access")));
}

TEST(CheckpointTest, finished_records_come_back_bit_for_bit) {
  StoppedSweep sweep;
  sweep.seeds = {0, 1};
  sweep.second_network_diverges = true;
  auto records = sweep.train().value();
  const Stack stack = sweep.stack();
  const StackId id = stack_id(stack, UnitKind::Trials);
  fs::create_directories(sweep.directory.checkpoints());
  records[0].logits[0].logits[0] = std::nanf("5");
  write_checkpoint(sweep.file(), {id, CheckpointKind::Finished, "here"},
                   [&](StateVisitor& v) { visit_finished(v, records); });
  auto read = blank_records(stack);
  const StoredCheckpoint stored(sweep.file(), id, "here");
  EXPECT_EQ(stored.kind(), CheckpointKind::Finished);
  stored.restore([&](StateVisitor& v) { visit_finished(v, read); });
  EXPECT_TRUE(same_records(read, records));
  EXPECT_EQ(read[0].train_seconds, records[0].train_seconds);
  EXPECT_EQ(read[1].outcome, TrialOutcome::Diverged);
}

}  // namespace
}  // namespace calsweep::worker
