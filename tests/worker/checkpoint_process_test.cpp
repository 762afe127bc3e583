// Checkpoints through the real calsweep-trainer: stopped, killed and resumed units end with the
// bits of undisturbed ones.
#include <sys/mount.h>
#include <sys/resource.h>

#include <cstring>
#include <fstream>
#include <random>
#include <thread>

#include "tests/worker/trainer_process.hpp"

namespace calsweep::worker {
namespace {

using namespace std::chrono_literals;
using testing::expect_done;
using testing::expect_failed;
using testing::SmallRun;
using testing::TrainerProcess;

/// A run whose units take long enough to be stopped several times.
struct LongRun : SmallRun {
  LongRun() {
    settings.set("model.depth", std::int64_t{3});
    settings.set("training.epochs", std::int64_t{400});
    settings.set("logging.epoch_every", std::int64_t{7});
  }

  /// Stacks of the given widths, with seeds counted on.
  WorkUnit stacks(std::initializer_list<std::int64_t> widths, UnitKind kind) const {
    WorkUnit all;
    std::int64_t seed = 0;
    for (const auto width : widths) {
      Stack stack{settings, {}};
      for (std::int64_t k = 0; k < width; ++k, ++seed) {
        StackMember member;
        member.seed = seed;
        if (kind == UnitKind::Trials) member.trial = TrialId::of("trial" + std::to_string(seed));
        if (kind == UnitKind::Stage) member.stage = stage(seed);
        stack.members.push_back(member);
      }
      all.stacks.push_back(stack);
    }
    all.kind = kind;
    all.id = UnitId::of("unit");
    return all;
  }

  std::size_t checkpoint_files() const {
    std::error_code none;
    const auto files = fs::directory_iterator(directory.checkpoints(), none);
    return static_cast<std::size_t>(std::distance(begin(files), end(files)));
  }
  std::string log(const WorkUnit& unit) const {
    std::ifstream in(directory.log(unit.id));
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  TrainerDone train(const WorkUnit& unit) const {
    TrainerProcess trainer;
    trainer.receive();
    trainer.send(command(unit));
    return expect_done(trainer.receive_result());
  }
};

/// An undisturbed run of the same unit, in a run directory of its own.
struct Undisturbed {
  testing::TemporaryFolder folder;
  RunDirectory directory{folder.path()};
  TrainerDone done;

  Undisturbed(const LongRun& run, const WorkUnit& unit) {
    TrainerProcess trainer;
    trainer.receive();
    TrainCommand command = run.command(unit);
    command.run_directory = folder.path().string();
    trainer.send(command);
    done = expect_done(trainer.receive_result());
  }
};

template <class Value>
bool same_bits(const std::vector<Value>& a, const std::vector<Value>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(Value)) == 0;
}

/// NaN losses are equal to themselves here.
bool same_rows(const std::vector<EpochRecord>& a, const std::vector<EpochRecord>& b) {
  static_assert(sizeof(EpochRecord) == 7 * sizeof(double), "no padding");
  return same_bits(a, b);
}

void expect_same_results(const WorkUnit& unit, const RunDirectory& a, const RunDirectory& b) {
  const UnitFileReader one(a.unit(unit.id)), other(b.unit(unit.id));
  for (const auto& stack : unit.stacks) {
    for (const auto& member : stack.members) {
      const TrialRecord x = one.trial(member.trial), y = other.trial(member.trial);
      EXPECT_EQ(x.outcome, y.outcome);
      EXPECT_EQ(x.diverged_step, y.diverged_step);
      EXPECT_EQ(x.fused_width, y.fused_width);
      EXPECT_GT(x.epochs.size(), 0U);
      EXPECT_TRUE(same_rows(x.epochs, y.epochs)) << "seed " << member.seed;
      EXPECT_EQ(one.logit_sets(member.trial), other.logit_sets(member.trial));
      for (const auto& set : one.logit_sets(member.trial)) {
        EXPECT_TRUE(same_bits(one.logits(member.trial, set), other.logits(member.trial, set)))
            << "seed " << member.seed << ", " << set;
      }
    }
  }
}

/// Sends SIGTERM at random moments until `stops` of them came while the unit was under way, then
/// lets it end. Each wait begins when the trainer has the unit; it grows while too short.
TrainerDone train_with_stops(const LongRun& run, const WorkUnit& unit, int stops) {
  std::mt19937 random(std::random_device{}());
  std::int64_t longest_wait_ms = 150, attempt = 1;
  double kept = 0.0;
  while (stops > 0) {
    TrainerProcess trainer;
    trainer.receive();
    trainer.send(run.command(unit, attempt++));
    trainer.receive();  // the first progress
    std::this_thread::sleep_for(std::chrono::milliseconds(
        std::uniform_int_distribution<std::int64_t>(0, longest_wait_ms)(random)));
    trainer.signal(SIGTERM);
    const auto reply = trainer.receive_result();
    EXPECT_EQ(trainer.wait_for_exit(), kExitIncomplete);
    if (const auto* done = std::get_if<TrainerDone>(&reply)) {
      ADD_FAILURE() << "the unit is too short for another stop, " << kept << " done";
      return *done;
    }
    const auto* stopped = std::get_if<TrainerStopped>(&reply);
    if (stopped == nullptr) {
      expect_done(reply);
      return {};
    }
    // Stacks that an attempt did not come to do not count.
    if (unit.stacks.size() == 1) {
      EXPECT_GE(stopped->fraction, kept);
    }
    EXPECT_LT(stopped->fraction, 1.0);
    if (stopped->fraction > kept) --stops;
    if (stopped->fraction <= kept) longest_wait_ms *= 2;
    kept = std::max(kept, stopped->fraction);
    EXPECT_FALSE(fs::exists(run.directory.unit(unit.id)));
  }
  const TrainerDone done = run.train(unit);
  EXPECT_GE(done.resumed_at, kept - 1e-9);
  EXPECT_LT(done.resumed_at, 1.0);
  return done;
}

void expect_stops_change_nothing(const LongRun& run, const WorkUnit& unit, int stops) {
  const Undisturbed undisturbed(run, unit);
  EXPECT_EQ(undisturbed.done.resumed_at, 0.0);
  const TrainerDone done = train_with_stops(run, unit, stops);
  EXPECT_EQ(done.diverged, undisturbed.done.diverged);
  expect_same_results(unit, run.directory, undisturbed.directory);
  EXPECT_EQ(run.checkpoint_files(), 0U);
}

TEST(CheckpointProcessTest, stopped_units_of_several_stacks_end_with_the_same_bits) {
  LongRun run;
  run.settings.set("training.schedule", std::string("cosine"));
  expect_stops_change_nothing(run, run.stacks({1, 1, 1}, UnitKind::Trials), 3);
}

TEST(CheckpointProcessTest, stopped_fused_mixup_with_momentum_ends_with_the_same_bits) {
  LongRun run;
  run.settings.turn_on("mixup");
  run.settings.turn_on("label_smoothing");
  run.settings.set("training.optimizer", std::string("sgd"));
  run.settings.set("training.learning_rate", 0.05);
  expect_stops_change_nothing(run, run.stacks({3}, UnitKind::Trials), 3);
}

TEST(CheckpointProcessTest, stopped_warmups_store_the_same_stages) {
  LongRun run;
  run.settings.turn_on("noise_warmup");
  run.settings.set("noise_warmup.samples", std::int64_t{32 * 800});
  run.settings.set("noise_warmup.batch_size", std::int64_t{32});
  const WorkUnit unit = run.stacks({1, 2}, UnitKind::Stage);
  const Undisturbed undisturbed(run, unit);
  train_with_stops(run, unit, 3);
  for (std::int64_t seed = 0; seed < 3; ++seed) {
    EXPECT_EQ(testing::read_bytes(run.directory.stage(SmallRun::stage(seed))),
              testing::read_bytes(undisturbed.directory.stage(SmallRun::stage(seed))));
  }
  EXPECT_EQ(run.checkpoint_files(), 0U);
}

/// Trains until a checkpoint is there, then kills.
void kill_after_a_checkpoint(LongRun& run, const WorkUnit& unit) {
  run.checkpoint_seconds = 0.0;
  TrainerProcess trainer;
  trainer.receive();
  trainer.send(run.command(unit));
  const fs::path file = run.directory.checkpoint(stack_id(unit.stacks[0], unit.kind));
  const auto end = std::chrono::steady_clock::now() + 30s;
  while (!fs::exists(file) && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(1ms);
  }
  ASSERT_TRUE(fs::exists(file));
  trainer.signal(SIGKILL);
  EXPECT_EQ(trainer.wait_for_exit(), -SIGKILL);
  run.checkpoint_seconds = 60.0;
}

TEST(CheckpointProcessTest, a_killed_unit_continues_from_its_interval_checkpoint) {
  LongRun run;
  run.settings.set("training.epochs", std::int64_t{40});
  const WorkUnit unit = run.stacks({2}, UnitKind::Trials);
  const Undisturbed undisturbed(run, unit);
  kill_after_a_checkpoint(run, unit);
  testing::write_bytes(run.directory.checkpoints() /
                           (stack_id(unit.stacks[0], unit.kind).str() + ".pt.elsewhere-1.partial"),
                       {'x'});
  EXPECT_GT(run.train(unit).resumed_at, 0.0);
  expect_same_results(unit, run.directory, undisturbed.directory);
  EXPECT_EQ(run.checkpoint_files(), 0U);
}

TEST(CheckpointProcessTest, a_damaged_checkpoint_is_set_aside_and_costs_only_time) {
  LongRun run;
  run.settings.set("training.epochs", std::int64_t{40});
  const WorkUnit unit = run.stacks({1}, UnitKind::Trials);
  const Undisturbed undisturbed(run, unit);
  kill_after_a_checkpoint(run, unit);
  const fs::path file = run.directory.checkpoint(stack_id(unit.stacks[0], unit.kind));
  const auto bytes = testing::read_bytes(file);
  auto truncated = bytes, flipped = bytes;
  truncated.resize(bytes.size() / 2);
  flipped[bytes.size() / 2] ^= 1U;
  int quarantined = 0;
  for (const auto& damaged : {truncated, flipped}) {
    testing::write_bytes(file, damaged);
    EXPECT_EQ(run.train(unit).resumed_at, 0.0);
    expect_same_results(unit, run.directory, undisturbed.directory);
    const std::string moved = file.filename().string() + "." + std::to_string(++quarantined);
    EXPECT_EQ(testing::read_bytes(run.directory.quarantine() / moved), damaged);
    EXPECT_NE(run.log(unit).find(moved), std::string::npos);
  }
}

TEST(CheckpointProcessTest, a_checkpoint_that_cannot_be_written_fails_nothing) {
  LongRun run;
  run.settings.set("training.epochs", std::int64_t{20});
  run.checkpoint_seconds = 0.0;
  testing::write_bytes(run.directory.checkpoints(), {'a', ' ', 'f', 'i', 'l', 'e'});
  const WorkUnit unit = run.stacks({1, 1}, UnitKind::Trials);
  run.train(unit);
  const std::string log = run.log(unit);
  const auto first = log.find("no checkpoint for now");
  EXPECT_NE(first, std::string::npos);
  EXPECT_EQ(log.find("no checkpoint for now", first + 1), std::string::npos) << log;
}

/// A file system of so many KiB at `folder`; gone with this object.
class SmallDisk {
 public:
  SmallDisk(const fs::path& folder, int kib) : folder_(folder) {
    fs::create_directories(folder);
    const std::string size = "size=" + std::to_string(kib) + "k";
    mounted_ = ::mount("tmpfs", folder.c_str(), "tmpfs", 0, size.c_str()) == 0;
  }
  ~SmallDisk() {
    if (mounted_) ::umount2(folder_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  bool mounted() const { return mounted_; }

 private:
  fs::path folder_;
  bool mounted_ = false;
};

TEST(CheckpointProcessTest, a_full_disk_leaves_no_partial_file_and_training_goes_on) {
  LongRun run;
  run.settings.set("training.epochs", std::int64_t{20});
  run.checkpoint_seconds = 0.0;
  const SmallDisk disk(run.directory.checkpoints(), 64);  // a checkpoint takes some 170 KiB
  if (!disk.mounted()) GTEST_SKIP() << "no privilege to mount a tmpfs";
  const WorkUnit unit = run.stacks({1}, UnitKind::Trials);
  const Undisturbed undisturbed(run, unit);
  EXPECT_EQ(run.train(unit).resumed_at, 0.0);
  EXPECT_NE(run.log(unit).find("the disk is full"), std::string::npos) << run.log(unit);
  EXPECT_EQ(run.checkpoint_files(), 0U);
  expect_same_results(unit, run.directory, undisturbed.directory);
}

TEST(CheckpointProcessTest, an_idle_trainer_ends_when_asked_to_stop) {
  TrainerProcess trainer;
  trainer.receive();
  trainer.signal(SIGTERM);
  EXPECT_EQ(trainer.wait_for_exit(), kExitIncomplete);
}

/// Allows the process `more` bytes of address space beyond what it has.
void limit_memory(pid_t pid, std::size_t more) {
  std::ifstream statm("/proc/" + std::to_string(pid) + "/statm");
  std::size_t pages = 0;
  statm >> pages;
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const rlim_t bytes = pages * page + more;
  const rlimit limit{bytes, bytes};
  ASSERT_EQ(::prlimit(pid, RLIMIT_AS, &limit, nullptr), 0);
}

TEST(CheckpointProcessTest, out_of_memory_is_reported_and_the_trainer_lives_on) {
  LongRun run;
  run.settings.set("training.epochs", std::int64_t{3});
  const WorkUnit small = run.stacks({1}, UnitKind::Trials);
  run.settings.set("model.width", std::int64_t{4096});
  WorkUnit large = run.stacks({8}, UnitKind::Trials);
  large.id = UnitId::of("large");
  TrainerProcess trainer;
  trainer.receive();
  limit_memory(trainer.pid(), std::size_t{256} << 20);
  for (int round = 0; round < 2; ++round) {
    trainer.send(run.command(large));
    expect_failed(trainer.receive_result(), FailureKind::OutOfMemory, "memory");
    trainer.send(run.command(small));
    expect_done(trainer.receive_result());
  }
  EXPECT_EQ(trainer.leave(), kExitDone);
}

}  // namespace
}  // namespace calsweep::worker
