#include "orchestrator/agent.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include "orchestrator/utc_time.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/run_directory.hpp"
#include "sweeps/version.hpp"

namespace calsweep::orchestrator {

Agent::Agent(AgentOptions options, Channel& channel, double now)
    : options_(std::move(options)), channel_(channel), last_heard_at_(now), last_told_at_(now) {}

void Agent::say_hello() {
  channel_.send(0, encode(Hello{kWireVersion, std::string(version()), host_name(), ::getpid(),
                                static_cast<std::int32_t>(seats_.size()), plan_.device, problem_}));
}

bool Agent::step(double now) {
  bool active = false;
  while (auto incoming = channel_.receive()) {
    active = true;
    last_heard_at_ = now;
    for (ToAgent& message : decode_to_agent(incoming->text)) {
      std::visit([&](auto& typed) { on(std::move(typed)); }, message);
    }
  }
  if (dismissed_) return active;
  std::vector<Event> events;
  for (TrainerSeat& seat : seats_) active = seat.poll(now, events) || active;
  if (!welcome_) return active;
  if (events.empty() && now - last_told_at_ > options_.alive_seconds) {
    events.push_back(AgentAlive{options_.id});
  }
  if (events.empty()) return active;
  std::string text;
  for (const Event& event : events) text += encode(event);
  channel_.send(0, std::move(text));
  last_told_at_ = now;
  return active;
}

void Agent::leave(const std::string& why) {
  if (!leaving_.empty() || dismissed_) return;
  leaving_ = why;
  for (TrainerSeat& seat : seats_) seat.stop_all();
  if (welcome_) channel_.send(0, encode(Event(AgentLeaving{options_.id, why})));
}

void Agent::drop_everything() {
  for (TrainerSeat& seat : seats_) seat.reset();
}

TrainerStart Agent::trainer_start(std::size_t seat) const {
  const Welcome& welcome = *welcome_;
  const std::string threads = std::to_string(welcome.threads);
  TrainerStart start{
      welcome.trainer,
      {"--device", plan_.trainer_device, "--threads", threads},
      {{"OMP_NUM_THREADS", threads}, {"MKL_NUM_THREADS", threads}},
      RunDirectory(welcome.run_directory).logs() /
          fmt::format("trainer-{}-{}.{}.log", host_name(), number(options_.id), seat),
      plan_.seats[seat].cpus};
  const std::string& gpu = plan_.seats[seat].cuda_device;
  if (!gpu.empty()) start.environment["CUDA_VISIBLE_DEVICES"] = gpu;
  return start;
}

void Agent::on(Welcome message) {
  drop_everything();
  seats_.clear();
  problem_.clear();
  plan_ = {};
  welcome_ = std::move(message);
  if (!leaving_.empty()) {
    problem_ = "it was asked to leave: " + leaving_;
    return say_hello();
  }
  options_.request.threads = welcome_->threads;
  try {
    plan_ = plan_agent(options_.host, options_.request);
  } catch (const UsageError& error) {
    problem_ = error.what();
  }
  for (std::size_t seat = 0; seat < plan_.seats.size(); ++seat) {
    seats_.emplace_back(SeatOptions{{options_.id, static_cast<std::int32_t>(seat)},
                                    *welcome_,
                                    trainer_start(seat),
                                    options_.hello_seconds});
  }
  say_hello();
}

void Agent::on(Assign message) {
  const auto seat = static_cast<std::size_t>(message.slot);
  if (seat < seats_.size()) seats_[seat].assign(std::move(message));
}

void Agent::on(const Cancel& message) {
  const auto seat = static_cast<std::size_t>(message.slot);
  if (seat < seats_.size()) seats_[seat].cancel(message.unit, message.attempt);
}

void Agent::on(const Stop& message) {
  const auto seat = static_cast<std::size_t>(message.slot);
  if (seat < seats_.size()) seats_[seat].stop(message.unit, message.attempt);
}

void Agent::on(const Reset&) {
  drop_everything();
  if (!leaving_.empty()) {
    seats_.clear();
    problem_ = "it was asked to leave: " + leaving_;
  }
  say_hello();
}

void Agent::on(const Goodbye&) {
  drop_everything();
  dismissed_ = true;
  channel_.send(0, encode(Bye{}));
}

}  // namespace calsweep::orchestrator
