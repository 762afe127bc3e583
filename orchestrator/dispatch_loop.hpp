// Carries out what the coordinator decides: one round reads messages, asks for actions, writes the
// ledger in one transaction, and only then sends. So an attempt is on disk before its assignment
// leaves, and a completion before the next unit goes to that slot.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "orchestrator/channel.hpp"
#include "orchestrator/coordinator.hpp"
#include "orchestrator/ledger.hpp"
#include "orchestrator/messages.hpp"
#include "orchestrator/work_store.hpp"

namespace calsweep::orchestrator {

class DispatchLoop {
 public:
  /// Everything must outlive the loop; `units` are the coordinator's; `agents` are the
  /// channel's peers. Sends the welcome at once.
  DispatchLoop(Coordinator& coordinator, Ledger& ledger, Channel& channel,
               const WorkStore& units, std::vector<AgentId> agents,
               const Welcome& welcome, double now);

  /// One round; never blocks (but for the disk). Returns true if anything happened.
  bool round(double now);
  /// Feeds an event of our own (a stop request).
  void inject(const Event& event, double now) { coordinator_.handle(event, now); }

 private:
  bool read_messages(double now);
  void take(AgentId agent, const FromAgent& message, double now);
  void record(const std::vector<Action>& actions);
  void record_one(const Action& action);
  void send(const std::vector<Action>& actions, double now);
  void keep_in_touch(double now);

  Coordinator& coordinator_;
  Ledger& ledger_;
  Channel& channel_;
  const WorkStore& units_;
  std::vector<AgentId> agents_;
  double last_tick_ = 0.0, last_alive_ = 0.0;
};

/// Tells every agent to leave and waits for their answers, up to `seconds`; `step` is called
/// between looks (it moves the in-process agent). Returns true if all answered.
bool say_goodbye(Channel& channel, const std::vector<AgentId>& agents, double seconds,
                 const std::function<void()>& step);

}  // namespace calsweep::orchestrator
