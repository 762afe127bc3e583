// The real calsweep-trainer, driven through its pipes as an agent drives it, and small runs for it.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <string>
#include <vector>

#include "sweeps/errors.hpp"
#include "sweeps/run_directory.hpp"
#include "sweeps/trainer_protocol.hpp"
#include "sweeps/unit_file.hpp"
#include "tests/worker/small_data.hpp"

extern char** environ;

namespace calsweep::worker::testing {

/// A trainer with pipes on stdin and file descriptor 3.
class TrainerProcess {
 public:
  explicit TrainerProcess(std::vector<std::string> arguments = {"--device", "cpu"}) {
    std::array<int, 2> commands{}, replies{};
    if (::pipe2(commands.data(), O_CLOEXEC) != 0 || ::pipe2(replies.data(), O_CLOEXEC) != 0) {
      throw IoError("no pipes");
    }
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, commands[0], 0);
    posix_spawn_file_actions_adddup2(&actions, replies[1], kTrainerReplyFd);
    pid_ = start(arguments, &actions);
    posix_spawn_file_actions_destroy(&actions);
    ::close(commands[0]);
    ::close(replies[1]);
    commands_ = commands[1];
    replies_ = replies[0];
  }
  ~TrainerProcess() {
    if (pid_ > 0) ::kill(pid_, SIGKILL);
    wait_for_exit();
    close_replies();
  }
  TrainerProcess(const TrainerProcess&) = delete;
  TrainerProcess& operator=(const TrainerProcess&) = delete;

  static pid_t start(const std::vector<std::string>& arguments,
                     posix_spawn_file_actions_t* actions) {
    std::vector<std::string> all = {CALSWEEP_TRAINER};
    all.insert(all.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (auto& argument : all) argv.push_back(argument.data());
    argv.push_back(nullptr);
    pid_t pid = -1;
    if (::posix_spawn(&pid, CALSWEEP_TRAINER, actions, nullptr, argv.data(), environ) != 0) {
      throw IoError("cannot start " CALSWEEP_TRAINER);
    }
    return pid;
  }

  void send(const TrainCommand& command) { send_text(encode(command)); }
  void send_text(std::string text) {
    if (!text.ends_with('\n')) text += '\n';
    if (::write(commands_, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
      throw IoError("the trainer does not listen");
    }
  }
  void signal(int number) const { ::kill(pid_, number); }
  pid_t pid() const { return pid_; }
  void close_replies() {
    if (replies_ >= 0) ::close(replies_);
    replies_ = -1;
  }

  /// The next line; fails the test after 30 s or when the trainer has gone.
  TrainerReply receive() {
    for (;;) {
      const auto end = buffer_.find('\n');
      if (end != std::string::npos) {
        const std::string line = buffer_.substr(0, end);
        buffer_.erase(0, end + 1);
        return decode_trainer_reply(line);
      }
      pollfd waiting{replies_, POLLIN, 0};
      if (::poll(&waiting, 1, 30000) != 1) throw IoError("the trainer is silent");
      std::array<char, 4096> part{};
      const ssize_t n = ::read(replies_, part.data(), part.size());
      if (n <= 0) throw IoError("the trainer has gone");
      buffer_.append(part.data(), static_cast<std::size_t>(n));
    }
  }
  /// Skips progress; notes the longest silence.
  TrainerReply receive_result() {
    for (;;) {
      const auto before = std::chrono::steady_clock::now();
      const TrainerReply reply = receive();
      longest_silence = std::max(longest_silence, std::chrono::steady_clock::now() - before);
      if (!std::holds_alternative<TrainerProgress>(reply)) return reply;
      progress.push_back(std::get<TrainerProgress>(reply));
    }
  }

  /// Waits for its end, whatever it is; stdin stays open.
  int wait_for_exit() {
    if (pid_ <= 0) return -1;
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    if (commands_ >= 0) ::close(commands_);
    commands_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  /// Closes stdin and returns the exit status; -signal if killed.
  int leave() {
    ::close(commands_);
    commands_ = -1;
    return wait_for_exit();
  }

  std::vector<TrainerProgress> progress;
  std::chrono::steady_clock::duration longest_silence{};

 private:
  pid_t pid_ = -1;
  int commands_ = -1, replies_ = -1;
  std::string buffer_;
};

struct SmallRun {
  TemporaryFolder folder;
  RunDirectory directory{folder.path() / "run"};
  Settings settings;
  double checkpoint_seconds = 60.0;

  SmallRun() {
    write_small_data(folder.path());
    fs::create_directories(directory.root());
    settings.set("data.size", std::int64_t{150});
    settings.set("data.validation_size", std::int64_t{30});
    settings.set("data.ood", std::vector<std::string>{"mnist"});
    settings.set("model.width", std::int64_t{16});
    settings.set("training.epochs", std::int64_t{3});
    settings.set("training.batch_size", std::int64_t{32});
    settings.set("training.learning_rate", 1e-3);
  }

  /// One stack of networks with these seeds.
  WorkUnit unit(const std::string& name, std::initializer_list<std::int64_t> seeds) const {
    WorkUnit unit;
    unit.id = UnitId::of(name);
    Stack stack{settings, {}};
    for (const auto seed : seeds) {
      StackMember member;
      member.seed = seed;
      member.trial = TrialId::of(name + std::to_string(seed));
      if (settings.has("noise_warmup")) member.stage = stage(seed);
      stack.members.push_back(member);
    }
    unit.stacks.push_back(stack);
    return unit;
  }
  static StageId stage(std::int64_t seed) { return StageId::of("stage" + std::to_string(seed)); }

  TrainCommand command(const WorkUnit& unit, std::int64_t attempt = 1) const {
    DataInventory inventory;
    for (const char* name : {"fashion-mnist", "mnist"}) {
      const fs::path set = folder.path() / name;
      inventory.sets[name] = {name, set, fingerprint_dataset(*find_dataset(name), set)};
    }
    return {Attempt{attempt},          unit,
            directory.root().string(), folder.path().string(),
            inventory.to_json(),       checkpoint_seconds};
  }
  UnitFileReader sealed(const WorkUnit& unit) const {
    return UnitFileReader(directory.unit(unit.id));
  }
};

inline TrainerDone expect_done(const TrainerReply& reply) {
  if (const auto* failed = std::get_if<TrainerFailed>(&reply)) {
    ADD_FAILURE() << "failed: " << failed->message;
    return {};
  }
  return std::get<TrainerDone>(reply);
}

inline TrainerFailed expect_failed(const TrainerReply& reply, FailureKind kind,
                                   const std::string& words) {
  const auto* failed = std::get_if<TrainerFailed>(&reply);
  if (failed == nullptr) {
    ADD_FAILURE() << "did not fail";
    return {};
  }
  EXPECT_EQ(to_string(failed->kind), to_string(kind)) << failed->message;
  EXPECT_NE(failed->message.find(words), std::string::npos) << failed->message;
  return *failed;
}

}  // namespace calsweep::worker::testing
