// The real calsweep-trainer, driven through its pipes as an agent drives it.
#include "tests/worker/trainer_process.hpp"

#include <optional>

namespace calsweep::worker {
namespace {

using namespace std::chrono_literals;
using testing::expect_done;
using testing::expect_failed;
using testing::SmallRun;
using testing::TrainerProcess;

TEST(TrainerProcessTest, says_hello_first_and_leaves_when_stdin_ends) {
  TrainerProcess trainer;
  const auto hello = std::get<TrainerHello>(trainer.receive());
  EXPECT_EQ(hello.device, "cpu");
  EXPECT_FALSE(hello.libtorch_version.empty());
  EXPECT_EQ(trainer.leave(), kExitDone);
}

TEST(TrainerProcessTest, seals_a_unit_that_its_reader_accepts) {
  SmallRun run;
  const WorkUnit unit = run.unit("first", {0, 1});
  TrainerProcess trainer;
  trainer.receive();
  trainer.send(run.command(unit, 7));
  const auto done = expect_done(trainer.receive_result());
  EXPECT_EQ(done.unit, unit.id);
  EXPECT_EQ(number(done.attempt), 7);
  EXPECT_TRUE(done.diverged.empty());
  EXPECT_FALSE(trainer.progress.empty());
  const UnitFileReader file = run.sealed(unit);
  EXPECT_EQ(file.checksum(), done.checksum);
  EXPECT_EQ(static_cast<std::int64_t>(fs::file_size(run.directory.unit(unit.id))), done.bytes);
  EXPECT_EQ(file.header().dataset, "fashion-mnist");
  EXPECT_EQ(file.header().attempt, 7);
  EXPECT_EQ(file.header().fingerprints.size(), 2U);
  EXPECT_EQ(file.trials().size(), 2U);
  EXPECT_EQ(file.labels("test").size(), 120U);
  EXPECT_EQ(file.labels("test")[1], 7);  // as written by write_split
  EXPECT_EQ(file.labels("validation").size(), 30U);
  for (const auto& member : unit.stacks[0].members) {
    const TrialRecord record = file.trial(member.trial);
    EXPECT_EQ(record.seed, member.seed);
    EXPECT_EQ(record.settings, run.settings.canonical());
    EXPECT_EQ(record.epochs.size(), 4U);
    EXPECT_EQ(file.logit_sets(member.trial),
              (std::vector<std::string>{"ood/mnist", "test", "validation"}));
    EXPECT_EQ(file.logits(member.trial, "test").size(), 1200U);
  }
  EXPECT_TRUE(fs::exists(run.directory.log(unit.id)));
}

TEST(TrainerProcessTest, lives_on_and_repeats_a_unit_bit_for_bit) {
  SmallRun run;
  TrainerProcess trainer;
  trainer.receive();
  const WorkUnit first = run.unit("first", {0, 1, 2}), again = run.unit("again", {0, 1, 2});
  for (const auto& unit : {first, again}) {
    trainer.send(run.command(unit));
    expect_done(trainer.receive_result());
  }
  TrainerProcess other;
  other.receive();
  const WorkUnit elsewhere = run.unit("elsewhere", {0, 1, 2});
  other.send(run.command(elsewhere));
  expect_done(other.receive_result());
  for (std::size_t k = 0; k < 3; ++k) {
    const auto logits = run.sealed(first).logits(first.stacks[0].members[k].trial, "test");
    EXPECT_EQ(logits, run.sealed(again).logits(again.stacks[0].members[k].trial, "test"));
    EXPECT_EQ(logits, run.sealed(elsewhere).logits(elsewhere.stacks[0].members[k].trial, "test"));
  }
}

TEST(TrainerProcessTest, a_stage_is_stored_and_then_trained_from) {
  SmallRun run;
  run.settings.turn_on("noise_warmup");
  run.settings.set("noise_warmup.samples", std::int64_t{320});
  run.settings.set("noise_warmup.batch_size", std::int64_t{32});
  TrainerProcess trainer;
  trainer.receive();
  WorkUnit stage = run.unit("stage unit", {0, 1});
  stage.kind = UnitKind::Stage;
  const WorkUnit trials = run.unit("trials", {0, 1});
  trainer.send(run.command(trials));
  expect_failed(trainer.receive_result(), FailureKind::Data, SmallRun::stage(0).str());
  trainer.send(run.command(stage));
  const auto stored = expect_done(trainer.receive_result());
  EXPECT_EQ(stored.checksum, "");
  EXPECT_TRUE(fs::exists(run.directory.stage(SmallRun::stage(1))));
  trainer.send(run.command(trials));
  expect_done(trainer.receive_result());
  EXPECT_EQ(run.sealed(trials).trials().size(), 2U);
  WorkUnit lost = trials;
  lost.stacks[0].members[1].stage = StageId();
  trainer.send(run.command(lost));
  expect_failed(trainer.receive_result(), FailureKind::Internal, "names no stage");
  testing::write_bytes(run.directory.stage(SmallRun::stage(1)), {'n', 'o'});
  trainer.send(run.command(trials));
  expect_failed(trainer.receive_result(), FailureKind::Data, "is damaged");
}

TEST(TrainerProcessTest, diverged_networks_are_an_outcome_not_a_failure) {
  SmallRun run;
  run.settings.set("training.optimizer", std::string("sgd"));
  run.settings.set("training.learning_rate", 1e30);
  const WorkUnit unit = run.unit("diverging", {0, 1});
  TrainerProcess trainer;
  trainer.receive();
  trainer.send(run.command(unit));
  const auto done = expect_done(trainer.receive_result());
  EXPECT_EQ(done.diverged.size(), 2U);
  const TrialRecord record = run.sealed(unit).trial(unit.stacks[0].members[0].trial);
  EXPECT_EQ(record.outcome, TrialOutcome::Diverged);
  EXPECT_GE(record.diverged_step, 2);
}

TEST(TrainerProcessTest, damaged_data_is_a_failure_of_kind_data_that_names_the_file) {
  SmallRun run;
  const fs::path file = run.folder.path() / "fashion-mnist" / "train-images-idx3-ubyte.gz";
  testing::Bytes bytes = testing::read_bytes(file);
  bytes.resize(bytes.size() / 2);
  testing::write_bytes(file, bytes);
  TrainerProcess trainer;
  trainer.receive();
  trainer.send(run.command(run.unit("unit", {0})));
  expect_failed(trainer.receive_result(), FailureKind::Data, file.string());
}

TEST(TrainerProcessTest, data_changed_since_the_sweep_began_are_refused) {
  SmallRun run;
  const TrainCommand command = run.command(run.unit("unit", {0}));
  testing::write_split(run.folder.path() / "fashion-mnist", "train", 299);
  TrainerProcess trainer;
  trainer.receive();
  trainer.send(command);
  expect_failed(trainer.receive_result(), FailureKind::Data, "is not the one this sweep");
}

TEST(TrainerProcessTest, what_cannot_be_written_is_a_failure_of_kind_disk) {
  SmallRun run;
  const WorkUnit unit = run.unit("unit", {0});
  fs::create_directories(run.directory.root());
  testing::write_bytes(run.directory.units(), {'a', ' ', 'f', 'i', 'l', 'e'});
  TrainerProcess trainer;
  trainer.receive();
  trainer.send(run.command(unit));
  expect_failed(trainer.receive_result(), FailureKind::Disk, run.directory.units().string());
  EXPECT_EQ(trainer.leave(), kExitDone);
}

TEST(TrainerProcessTest, an_orphan_ends_within_seconds) {
  SmallRun run;
  run.settings.set("training.epochs", std::int64_t{1000000});
  TrainerProcess trainer;
  trainer.receive();
  trainer.send(run.command(run.unit("endless", {0})));
  trainer.receive();
  trainer.close_replies();
  EXPECT_EQ(trainer.leave(), kExitIncomplete);
}

TEST(TrainerProcessTest, is_never_silent_for_two_seconds_while_it_trains) {
  SmallRun run;
  run.settings.set("training.epochs", std::int64_t{2000});
  run.settings.set("logging.epoch_every", std::int64_t{0});
  run.settings.set("model.width", std::int64_t{256});
  TrainerProcess trainer;
  trainer.receive();
  trainer.send(run.command(run.unit("long", {0})));
  const auto end = std::chrono::steady_clock::now() + 4s;
  double fraction = 0.0;
  while (std::chrono::steady_clock::now() < end) {
    const auto before = std::chrono::steady_clock::now();
    const auto reply = trainer.receive();
    if (!std::holds_alternative<TrainerProgress>(reply)) break;
    EXPECT_LT(std::chrono::steady_clock::now() - before, 2s);
    EXPECT_GE(std::get<TrainerProgress>(reply).fraction, fraction);
    fraction = std::get<TrainerProgress>(reply).fraction;
  }
  EXPECT_GT(fraction, 0.0);
}

TEST(TrainerProcessTest, refuses_to_be_started_by_hand_or_with_wrong_options) {
  const auto run_alone = [](std::vector<std::string> arguments) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    if (::fcntl(3, F_GETFD) != -1) posix_spawn_file_actions_addclose(&actions, 3);
    int status = 0;
    ::waitpid(TrainerProcess::start(arguments, &actions), &status, 0);
    posix_spawn_file_actions_destroy(&actions);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  };
  EXPECT_EQ(run_alone({}), kExitUsage);
  EXPECT_EQ(run_alone({"--threads", "none"}), kExitUsage);
  EXPECT_EQ(run_alone({"--nonsense"}), kExitUsage);
  EXPECT_EQ(run_alone({"--version"}), kExitDone);
  TrainerProcess wrong_device({"--device", "cuda:99"});
  EXPECT_EQ(wrong_device.leave(), kExitUsage);
}

TEST(TrainerProcessTest, a_command_that_is_none_ends_it_with_a_message) {
  TrainerProcess trainer;
  trainer.receive();
  trainer.send_text("{\"type\": \"nonsense\"}");
  EXPECT_EQ(trainer.leave(), kExitInternal);
}

}  // namespace
}  // namespace calsweep::worker
