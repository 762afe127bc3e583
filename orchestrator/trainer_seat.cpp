#include "orchestrator/trainer_seat.hpp"

#include <fmt/core.h>
#include <signal.h>

#include <algorithm>
#include <fstream>

#include "orchestrator/oom_kills.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/log.hpp"
#include "sweeps/run_directory.hpp"

namespace calsweep::orchestrator {
namespace {

constexpr int kMaxFailedStarts = 2;
constexpr double kProgressSeconds = 0.5;  // a trainer may report more often than anyone reads

RunDirectory run_directory(const Welcome& welcome) { return RunDirectory(welcome.run_directory); }

// "cuda:0 NVIDIA H100" -> "cuda NVIDIA H100": equal devices share a rate.
std::string without_index(const std::string& device) {
  const auto colon = device.find(':');
  if (colon == std::string::npos) return device;
  const auto end = device.find_first_not_of("0123456789", colon + 1);
  return device.substr(0, colon) + (end == std::string::npos ? "" : device.substr(end));
}

// Empty if the file is there as reported. Asked on the host that wrote it: no cache is in between.
std::string what_is_wrong_with(const RunDirectory& run, const TrainerDone& done) {
  if (done.checksum.empty()) return "";
  std::error_code error;
  const auto bytes = fs::file_size(run.unit(done.unit), error);
  if (error) return fmt::format("{}: {}", run.unit(done.unit).string(), error.message());
  if (static_cast<std::int64_t>(bytes) == done.bytes) return "";
  return fmt::format("{} has {} bytes, {} were reported", run.unit(done.unit).string(), bytes,
                     done.bytes);
}

}  // namespace

std::string last_lines(const std::filesystem::path& file, std::size_t n_lines,
                       std::size_t max_bytes) {
  std::ifstream stream(file, std::ios::binary | std::ios::ate);
  if (!stream) return "";
  const auto size = static_cast<std::int64_t>(stream.tellg());
  stream.seekg(std::max<std::int64_t>(size - 16384, 0));
  std::deque<std::string> lines;
  for (std::string line; std::getline(stream, line);) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    lines.push_back(line);
    if (lines.size() > n_lines) lines.pop_front();
  }
  std::string text;
  for (const std::string& line : lines) text += (text.empty() ? "" : " | ") + line;
  return text.size() <= max_bytes ? text : "…" + text.substr(text.size() - max_bytes);
}

void TrainerSeat::assign(Assign assignment) { queue_.push_back(std::move(assignment)); }

void TrainerSeat::cancel(const UnitId& unit, Attempt attempt) {
  if (is_front(unit, attempt) && trainer_ && trainer_->has_command) trainer_.reset();
  std::erase_if(queue_, [&](const Assign& a) { return a.unit == unit && a.attempt == attempt; });
}

void TrainerSeat::stop(const UnitId& unit, Attempt attempt) {
  const bool at_it = is_front(unit, attempt) && trainer_ && trainer_->has_command;
  if (at_it && !trainer_->asked_to_stop) {
    trainer_->process.ask_to_stop();
    trainer_->asked_to_stop = true;
  }
  if (at_it) return;
  for (Assign& waiting : queue_) {
    if (waiting.unit == unit && waiting.attempt == attempt) waiting.work.clear();
  }
}

void TrainerSeat::stop_all() {
  leaving_ = true;
  if (!queue_.empty()) stop(queue_.front().unit, queue_.front().attempt);
}

void TrainerSeat::reset() {
  trainer_.reset();
  queue_.clear();
}

bool TrainerSeat::is_front(const UnitId& unit, Attempt attempt) const {
  return !queue_.empty() && queue_.front().unit == unit && queue_.front().attempt == attempt;
}

bool TrainerSeat::poll(double now, std::vector<Event>& events) {
  if (unusable_) return false;
  const std::size_t before = events.size();
  return_what_is_not_begun(events);
  if (options_.welcome.no_op) {
    for (const Assign& a : queue_) {
      events.push_back(UnitDone{options_.slot, a.unit, a.attempt, "", 0, 0.0, 0.0, {}});
    }
    queue_.clear();
    return events.size() > before;
  }
  if (!trainer_ && !queue_.empty() && !start_trainer(now, events)) return true;
  if (!trainer_) return false;
  bool active = read_replies(now, events);
  if (trainer_ && trainer_->said_hello && !trainer_->has_command && !queue_.empty()) {
    send_command(now);
    active = true;
  }
  if (trainer_) check_end(now, events);
  if (trainer_) check_silence(now, events);
  return active || events.size() > before;
}

// Units that were to be stopped before the trainer got them.
void TrainerSeat::return_what_is_not_begun(std::vector<Event>& events) {
  const bool busy = trainer_ && trainer_->has_command;
  for (std::size_t i = busy ? 1 : 0; i < queue_.size();) {
    if (!leaving_ && !queue_[i].work.empty()) {
      ++i;
      continue;
    }
    events.push_back(UnitStopped{options_.slot, queue_[i].unit, queue_[i].attempt, 0.0});
    queue_.erase(queue_.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

TrainerSeat::Trainer::Trainer(const TrainerStart& start, double now)
    : process(start), last_heard_at(now), oom_kills_before(oom_kills_on_this_host()) {}

bool TrainerSeat::start_trainer(double now, std::vector<Event>& events) {
  try {
    trainer_ = std::make_unique<Trainer>(options_.start, now);
    return true;
  } catch (const IoError& error) {
    failed_to_start(error.what(), true, events);
    return false;
  }
}

void TrainerSeat::failed_to_start(const std::string& why, bool hopeless,
                                  std::vector<Event>& events) {
  trainer_.reset();
  ++failed_starts_;
  if (!hopeless && failed_starts_ < kMaxFailedStarts) return;
  unusable_ = true;
  queue_.clear();
  events.push_back(SlotUnusable{options_.slot, why});
}

void TrainerSeat::send_command(double now) {
  const Assign& front = queue_.front();
  const TrainCommand command{front.attempt, WorkUnit::from_json(front.work),
                             options_.welcome.run_directory, options_.welcome.data_root,
                             options_.welcome.inventory, options_.welcome.checkpoint_seconds};
  trainer_->process.send_line(encode(command));
  trainer_->has_command = true;
  trainer_->last_heard_at = now;
}

bool TrainerSeat::read_replies(double now, std::vector<Event>& events) {
  bool any = false;
  try {
    for (const std::string& line : trainer_->process.exchange()) {
      any = true;
      const TrainerReply reply = decode_trainer_reply(line);
      trainer_->last_heard_at = now;
      std::visit([&](const auto& typed) { on(typed, now, events); }, reply);
      if (!trainer_) return true;
    }
  } catch (const FormatError& error) {
    if (trainer_->said_hello) {
      fail_front(FailureKind::Internal, "the trainer said something unintelligible", error.what(),
                 events);
    } else {
      failed_to_start(fmt::format("{} does not speak as a trainer: {}",
                                  options_.start.program.string(), error.what()),
                      true, events);
    }
  }
  return any;
}

void TrainerSeat::on(const TrainerHello& hello, double, std::vector<Event>& events) {
  trainer_->said_hello = true;
  failed_starts_ = 0;
  events.push_back(SlotReady{options_.slot, without_index(hello.device)});
}

void TrainerSeat::on(const TrainerProgress& progress, double now, std::vector<Event>& events) {
  if (queue_.empty() || queue_.front().unit != progress.unit || !trainer_->has_command) return;
  if (now - trainer_->last_progress_told_at < kProgressSeconds) return;
  trainer_->last_progress_told_at = now;
  events.push_back(UnitProgress{options_.slot, progress.unit, queue_.front().attempt,
                                progress.fraction, progress.doing});
}

void TrainerSeat::on(const TrainerDone& done, double, std::vector<Event>& events) {
  if (!is_front(done.unit, done.attempt) || !trainer_->has_command) {
    log::warning(
        fmt::format("a trainer reported unit {} attempt {} though it was not at it; ignored",
                    done.unit.hex(), number(done.attempt)));
    return;
  }
  const std::string wrong = what_is_wrong_with(run_directory(options_.welcome), done);
  if (!wrong.empty()) {
    fail_front(FailureKind::Internal, "the sealed file is not what was reported", wrong, events);
    return;
  }
  events.push_back(UnitDone{options_.slot, done.unit, done.attempt, done.checksum, done.bytes,
                            done.seconds, done.resumed_at, done.diverged});
  queue_.pop_front();
  trainer_->has_command = false;
}

void TrainerSeat::on(const TrainerStopped& stopped, double, std::vector<Event>& events) {
  if (!is_front(stopped.unit, stopped.attempt) || !trainer_->has_command) return;
  stopped_front(stopped.fraction, events);
}

void TrainerSeat::stopped_front(double fraction, std::vector<Event>& events) {
  events.push_back(
      UnitStopped{options_.slot, queue_.front().unit, queue_.front().attempt, fraction});
  queue_.pop_front();
  trainer_.reset();  // it leaves; another follows when there is work
}

void TrainerSeat::on(const TrainerFailed& failed, double, std::vector<Event>& events) {
  if (!is_front(failed.unit, failed.attempt) || !trainer_->has_command) return;
  fail_front(failed.kind, fmt::format("{} error", to_string(failed.kind)), failed.message, events);
}

void TrainerSeat::fail_front(FailureKind kind, const std::string& cause, const std::string& message,
                             std::vector<Event>& events) {
  const bool was_at_it = trainer_ && trainer_->has_command;
  trainer_.reset();
  if (queue_.empty() || !was_at_it) return;
  const Assign& front = queue_.front();
  events.push_back(UnitFailed{options_.slot, front.unit, front.attempt, kind, cause, message});
  queue_.pop_front();
}

void TrainerSeat::check_end(double now, std::vector<Event>& events) {
  const auto how = trainer_->process.ended();
  if (!how) return;
  // It may have answered just before it ended.
  read_replies(now, events);
  if (!trainer_) return;
  if (trainer_->said_hello) return ended_after_hello(*how, events);
  const std::string tail = last_lines(options_.start.log, 5, 800);
  failed_to_start(
      fmt::format("the trainer {} ended before it said hello: {}{}{}",
                  options_.start.program.string(), *how, tail.empty() ? "" : ": ", tail),
      false, events);
}

void TrainerSeat::ended_after_hello(const std::string& how, std::vector<Event>& events) {
  if (trainer_->asked_to_stop && trainer_->has_command) return stopped_front(0.0, events);
  if (!trainer_->has_command && !trainer_->asked_to_stop) {
    log::warning(
        fmt::format("an idle trainer ended ({}); another follows when there is work", how));
  }
  const bool no_memory = how == describe_wait_status(SIGKILL) &&
                         oom_kills_on_this_host() > trainer_->oom_kills_before;
  if (!no_memory) return fail_front(FailureKind::Trainer, how, log_tail(), events);
  fail_front(FailureKind::OutOfMemory, "killed by the kernel: out of memory", log_tail(), events);
}

void TrainerSeat::check_silence(double now, std::vector<Event>& events) {
  const double silence = now - trainer_->last_heard_at;
  if (!trainer_->said_hello && silence > options_.hello_seconds) {
    failed_to_start(fmt::format("the trainer {} said no hello within {:.0f} s; see {}",
                                options_.start.program.string(), options_.hello_seconds,
                                options_.start.log.string()),
                    true, events);
    return;
  }
  if (!trainer_->has_command || silence <= options_.welcome.heartbeat_seconds) return;
  fail_front(FailureKind::Trainer,
             fmt::format("silent for more than {:g} s, killed", options_.welcome.heartbeat_seconds),
             log_tail(), events);
}

std::string TrainerSeat::log_tail() const {
  if (queue_.empty()) return "";
  const auto tail = last_lines(run_directory(options_.welcome).log(queue_.front().unit), 5, 800);
  return tail.empty() ? last_lines(options_.start.log, 5, 800) : tail;
}

}  // namespace calsweep::orchestrator
