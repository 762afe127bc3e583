// calsweep-trainer: started by an agent of `calsweep run`, with pipes; trains units until stdin
// ends or SIGTERM comes.
#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "sweeps/errors.hpp"
#include "sweeps/log.hpp"
#include "sweeps/version.hpp"
#include "worker/reply_channel.hpp"
#include "worker/stop_request.hpp"
#include "worker/trainer_session.hpp"

namespace {

using namespace calsweep;

constexpr const char* kUsage =
    "usage: calsweep-trainer [--device auto|cpu|cuda:N] [--threads N] [--version]\n";

int parse_threads(const std::string& text) {
  int threads = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), threads);
  if (error != std::errc() || end != text.data() + text.size() || threads < 1 || threads > 4096) {
    throw UsageError("--threads " + text + ": expected a number of threads, 1 or more");
  }
  return threads;
}

worker::SessionOptions parse_options(const std::vector<std::string>& arguments) {
  worker::SessionOptions options;
  for (std::size_t i = 0; i < arguments.size(); i += 2) {
    const std::string& name = arguments[i];
    if (name != "--device" && name != "--threads") {
      throw UsageError("unknown option '" + name + "'; " + kUsage);
    }
    if (i + 1 == arguments.size()) throw UsageError(name + " needs a value; " + kUsage);
    if (name == "--device") options.device = arguments[i + 1];
    if (name == "--threads") options.threads = parse_threads(arguments[i + 1]);
  }
  return options;
}

bool started_by_an_agent() {
  return ::fcntl(kTrainerReplyFd, F_GETFD) != -1 && ::isatty(STDIN_FILENO) == 0;
}

int serve(worker::SessionOptions options) {
  const worker::StopRequest stop;  // opens files: only now is it known that 3 is the agent's
  options.stop_requested = [&] { return stop.made(); };
  worker::ReplyChannel replies(kTrainerReplyFd);
  worker::TrainerSession session(options);
  replies.send(session.hello());
  worker::CommandLines commands(STDIN_FILENO, stop);
  while (const auto line = commands.next()) {
    const TrainCommand command = decode_train_command(*line);
    replies.send(session.run(command, [&](const TrainerProgress& p) { replies.send(p); }));
    if (session.must_end()) return kExitFailures;
  }
  return stop.made() ? kExitIncomplete : kExitDone;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments == std::vector<std::string>{"--version"}) {
    std::cout << "calsweep-trainer " << version() << " (LibTorch " << worker::libtorch_version()
              << ")\n";
    return kExitDone;
  }
  if (arguments == std::vector<std::string>{"--help"}) {
    std::cout << kUsage;
    return kExitDone;
  }
  log::set_up("trainer");
  try {
    const auto options = parse_options(arguments);
    if (!started_by_an_agent()) {
      std::cerr << "calsweep-trainer is started by `calsweep run`, not by hand\n";
      return kExitUsage;
    }
    return serve(options);
  } catch (const UsageError& error) {
    std::cerr << "calsweep-trainer: " << error.what() << '\n';
    return kExitUsage;
  } catch (const std::exception& error) {
    std::cerr << "calsweep-trainer: " << error.what() << '\n';
    return kExitInternal;
  }
}
