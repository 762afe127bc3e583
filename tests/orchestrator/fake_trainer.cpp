// A trainer that trains nothing: it speaks the protocol, seals valid unit files with made-up
// logits, and misbehaves as $FAKE_TRAINER says (comma-separated), so that the orchestrator's
// answers to every kind of misbehaviour can be tested. "…-once" happens once per run directory.
//
//   killed-once, killed-always   SIGKILL to itself in the middle of a unit
//   exit-once                    exit code 3 in the middle of a unit, with last words in the log
//   hang-once                    says nothing any more
//   garbage-once                 a line that is no reply
//   failed-once                  reports a failure of kind data
//   disk-full                    reports a failure of kind disk
//   short-once                   reports more bytes than the file has
//   twice                        reports every unit twice
//   no-hello, exit-at-start      never gets as far as its hello
//   slow                         50 ms per unit
//   environment                  writes its environment, CPUs and descriptors to <run directory>/seen.txt
//   first-command                the first one writes the steady clock to <run directory>/first-command
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <thread>

#include "sweeps/run_directory.hpp"
#include "sweeps/trainer_protocol.hpp"
#include "sweeps/unit_file.hpp"

extern char** environ;

namespace {

using namespace calsweep;

std::string behaviour() {
  const char* text = std::getenv("FAKE_TRAINER");
  return std::string(",") + (text == nullptr ? "" : text) + ",";
}

bool is_told(const std::string& what) {
  return behaviour().find("," + what + ",") != std::string::npos;
}

// True for the first caller in this run directory.
bool once(const std::string& what, const RunDirectory& run) {
  if (!is_told(what + "-once")) return false;
  const auto marker = run.root() / ("fake-" + what);
  const int fd = ::open(marker.c_str(), O_CREAT | O_EXCL | O_WRONLY, 0666);
  if (fd < 0) return false;
  ::close(fd);
  return true;
}

void say(const TrainerReply& reply) {
  const std::string line = encode(reply) + "\n";
  if (::write(kTrainerReplyFd, line.data(), line.size()) < 0) std::exit(4);
}

void write_what_is_seen(const RunDirectory& run) {
  std::ofstream seen(run.root() / "seen.txt");
  for (char** entry = environ; *entry != nullptr; ++entry) seen << *entry << "\n";
  {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("Cpus_allowed_list:")) seen << line << "\n";
    }
  }
  DIR* folder = ::opendir("/proc/self/fd");
  while (const dirent* entry = ::readdir(folder)) {
    if (entry->d_name[0] == '.' || std::atoi(entry->d_name) == ::dirfd(folder)) continue;
    std::error_code ignored;
    seen << "fd " << entry->d_name << " "
         << fs::read_symlink(std::string("/proc/self/fd/") + entry->d_name, ignored).string()
         << "\n";
  }
  ::closedir(folder);
}

TrialRecord made_up_trial(const Stack& stack, const StackMember& member) {
  TrialRecord record;
  record.id = member.trial;
  record.settings = stack.settings.canonical();
  record.seed = member.seed;
  record.member = member.member;
  const auto x = static_cast<float>(member.seed);
  record.logits.push_back({"test", {x, 1.0F, 2.0F, x, 0.0F, -x, x, x}});
  return record;
}

void make_stages(const RunDirectory& run, const WorkUnit& unit) {
  for (const Stack& stack : unit.stacks) {
    for (const StackMember& member : stack.members) {
      write_file_atomically(run.stage(member.stage), "warmed up");
    }
  }
}

TrainerDone seal(const RunDirectory& run, const TrainCommand& command) {
  UnitFileHeader header;
  header.unit = command.unit.id;
  header.attempt = number(command.attempt);
  header.dataset = "fashion-mnist";
  header.n_classes = 2;
  UnitFileWriter writer(run.unit(command.unit.id), header);
  const std::vector<std::int32_t> labels{0, 1, 0, 1};
  writer.add_labels("test", labels);
  for (const Stack& stack : command.unit.stacks) {
    for (const StackMember& member : stack.members) {
      if (!member.stage.is_zero() && !fs::exists(run.stage(member.stage))) {
        std::fprintf(stderr, "a stage is missing\n");
        std::exit(5);
      }
      writer.add_trial(made_up_trial(stack, member));
    }
  }
  const std::string checksum = writer.seal();
  const auto bytes = static_cast<std::int64_t>(fs::file_size(run.unit(command.unit.id)));
  return {command.unit.id, command.attempt, checksum, bytes, 0.001, 0.0, {}};
}

// Whoever started the run compares it with the clock at its start.
void note_first_command(const RunDirectory& run) {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  const fs::path file = run.root() / "first-command";
  if (fs::exists(file)) return;
  write_file_atomically(file, std::to_string(std::chrono::duration<double>(now).count()));
}

void misbehave(const RunDirectory& run, const TrainCommand& command) {
  if (is_told("killed-always") || once("killed", run)) ::raise(SIGKILL);
  if (once("exit", run)) {
    std::ofstream(run.log(command.unit.id)) << "step 12\nthe end is near\n";
    std::exit(3);
  }
  if (once("hang", run)) std::this_thread::sleep_for(std::chrono::hours(1));
  if (once("garbage", run)) {
    const std::string line = "Segmentation fault, or so\n";
    if (::write(kTrainerReplyFd, line.data(), line.size()) < 0) std::exit(4);
    std::this_thread::sleep_for(std::chrono::hours(1));
  }
}

void train(const TrainCommand& command) {
  const RunDirectory run(command.run_directory);
  if (is_told("environment")) write_what_is_seen(run);
  if (is_told("first-command")) note_first_command(run);
  const auto begun = std::chrono::steady_clock::now();
  const auto networks = static_cast<std::int64_t>(command.unit.n_networks());
  say(TrainerProgress{command.unit.id, 0, networks, 0.5, "pretending"});
  if (is_told("slow")) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  misbehave(run, command);
  if (is_told("disk-full")) {
    return say(TrainerFailed{command.unit.id, command.attempt, FailureKind::Disk,
                             "cannot write /some/unit.h5: No space left on device"});
  }
  if (once("failed", run)) {
    return say(TrainerFailed{command.unit.id, command.attempt, FailureKind::Internal, "no such layer"});
  }
  TrainerDone done{command.unit.id, command.attempt, "", 0, 0.001, 0.0, {}};
  if (command.unit.kind == UnitKind::Stage) {
    make_stages(run, command.unit);
  } else {
    done = seal(run, command);
  }
  done.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  if (!done.checksum.empty() && once("short", run)) done.bytes += 1000;
  say(done);
  if (is_told("twice")) say(done);
}

}  // namespace

int main() {
  if (is_told("exit-at-start")) {
    std::fprintf(stderr, "libsomething.so: cannot open shared object file\n");
    return 127;
  }
  if (is_told("no-hello")) std::this_thread::sleep_for(std::chrono::hours(1));
  say(TrainerHello{"cpu", "none"});
  for (std::string line; std::getline(std::cin, line);) train(decode_train_command(line));
  return 0;
}
