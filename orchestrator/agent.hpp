// An agent: one rank's seats and its side of the conversation with the coordinator. Works over any
// Channel; step() never blocks. Everything it knows came by message.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "orchestrator/channel.hpp"
#include "orchestrator/messages.hpp"
#include "orchestrator/slot_count.hpp"
#include "orchestrator/trainer_seat.hpp"

namespace calsweep::orchestrator {

struct AgentOptions {
  AgentId id{};
  HostResources host;
  SlotRequest request;  ///< the number of threads comes with the welcome
  double alive_seconds = 2.0;  ///< a sign of life at least this often
  double coordinator_silence_seconds = 60.0;
  double welcome_seconds = 3600.0;  ///< rank 0 reads the spec and the data first
  double hello_seconds = 60.0;      ///< for a trainer to start
};

class Agent {
 public:
  /// `channel`'s peer 0 is the coordinator, who speaks first.
  Agent(AgentOptions options, Channel& channel, double now);

  /// Reads messages, moves the trainers along, tells what happened. True if anything happened.
  bool step(double now);
  /// Asked to leave by a signal: trainers store checkpoints, nothing more is taken. Once is enough.
  void leave(const std::string& why);
  /// Kills all trainers and forgets their units.
  void drop_everything();

  /// True once the coordinator said goodbye and was answered.
  bool is_dismissed() const { return dismissed_; }
  /// True if the coordinator has not been heard of for too long.
  bool coordinator_is_silent(double now) const {
    return now - last_heard_at_ >
           (welcome_ ? options_.coordinator_silence_seconds : options_.welcome_seconds);
  }

 private:
  void say_hello();
  void on(Welcome message);
  void on(Assign message);
  void on(const Cancel& message);
  void on(const Stop& message);
  void on(const Reset&);
  void on(const Alive&) {}
  void on(const Goodbye&);
  TrainerStart trainer_start(std::size_t seat) const;

  AgentOptions options_;
  Channel& channel_;
  std::optional<Welcome> welcome_;
  AgentPlan plan_;
  std::string problem_;
  std::string leaving_;  ///< why, once it is
  std::vector<TrainerSeat> seats_;
  bool dismissed_ = false;
  double last_heard_at_, last_told_at_;
};

}  // namespace calsweep::orchestrator
