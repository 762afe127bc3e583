#include "orchestrator/dispatch_loop.hpp"

#include <fmt/core.h>

#include <set>

#include "orchestrator/back_off.hpp"
#include "orchestrator/utc_time.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/log.hpp"
#include "sweeps/version.hpp"

namespace calsweep::orchestrator {
namespace {

constexpr double kTickSeconds = 0.1;
constexpr double kAliveSeconds = 5.0;   // agents give up on a coordinator silent for a minute
constexpr int kMaxTextsPerRound = 256;  // so that the ledger is written even in a flood

bool belongs_in_ledger(const Action& action) {
  return !std::holds_alternative<CancelUnit>(action) &&
         !std::holds_alternative<StopUnit>(action) &&
         !std::holds_alternative<ResetAgent>(action) && !std::holds_alternative<Finish>(action);
}

void show(const Note& note) {
  switch (note.level) {
    case NoteLevel::Info:
      return log::info(note.text);
    case NoteLevel::Warning:
      return log::warning(note.text);
    case NoteLevel::Error:
      return log::error(note.text);
  }
}

}  // namespace

DispatchLoop::DispatchLoop(Coordinator& coordinator, Ledger& ledger, Channel& channel,
                           const WorkStore& units, std::vector<AgentId> agents,
                           const Welcome& welcome, double now)
    : coordinator_(coordinator),
      ledger_(ledger),
      channel_(channel),
      units_(units),
      agents_(std::move(agents)),
      last_alive_(now) {
  for (const AgentId agent : agents_) channel_.send(number(agent), encode(ToAgent(welcome)));
}

bool DispatchLoop::round(double now) {
  const bool received = read_messages(now);
  if (now - last_tick_ > kTickSeconds) {
    coordinator_.tick(now);
    last_tick_ = now;
  }
  const std::vector<Action> actions = coordinator_.take_actions(now);
  record(actions);
  send(actions, now);
  keep_in_touch(now);
  return received || !actions.empty();
}

bool DispatchLoop::read_messages(double now) {
  int n_texts = 0;
  while (n_texts < kMaxTextsPerRound) {
    const auto incoming = channel_.receive();
    if (!incoming) break;
    ++n_texts;
    const AgentId agent{incoming->peer};
    for (const FromAgent& message : decode_from_agent(agent, incoming->text)) {
      take(agent, message, now);
    }
  }
  return n_texts > 0;
}

void DispatchLoop::take(AgentId agent, const FromAgent& message, double now) {
  if (const auto* event = std::get_if<Event>(&message)) {
    coordinator_.handle(*event, now);
    return;
  }
  const auto* hello = std::get_if<Hello>(&message);
  if (hello == nullptr) return;
  if (hello->wire_version != kWireVersion || hello->calsweep_version != version()) {
    throw UsageError(fmt::format(
        "rank {} on {} runs calsweep {}, this is {}: all ranks must run the same calsweep",
        number(agent), hello->host, hello->calsweep_version, version()));
  }
  coordinator_.handle(
      AgentJoined{agent, hello->host, hello->n_slots, hello->device, hello->problem}, now);
}

void DispatchLoop::record(const std::vector<Action>& actions) {
  bool begun = false;
  for (const Action& action : actions) {
    if (!belongs_in_ledger(action)) continue;
    if (!begun) ledger_.begin();
    begun = true;
    record_one(action);
  }
  if (begun) ledger_.commit();
}

void DispatchLoop::record_one(const Action& action) {
  const auto& plans = coordinator_.units();
  if (const auto* assign = std::get_if<AssignUnit>(&action)) {
    ledger_.attempt_started(assign->attempt, plans[position(assign->unit)],
                            coordinator_.host(assign->slot.agent), assign->slot);
  } else if (const auto* done = std::get_if<RecordDone>(&action)) {
    ledger_.unit_sealed(plans[position(done->unit)], done->done);
  } else if (const auto* end = std::get_if<RecordEnd>(&action)) {
    ledger_.attempt_ended(end->attempt, end->end, end->cause, end->message);
  } else if (const auto* aside = std::get_if<RecordSetAside>(&action)) {
    ledger_.set_aside(plans[position(aside->unit)], aside->cause, aside->message);
  } else if (const auto* divided = std::get_if<RecordDivided>(&action)) {
    ledger_.unit_divided(plans[position(divided->unit)].id);
  } else if (const auto* learnt = std::get_if<RecordFusionLimit>(&action)) {
    ledger_.remember(learnt->limit);
  } else if (const auto* note = std::get_if<Note>(&action)) {
    show(*note);
    ledger_.event(note->level, note->text);
  }
}

void DispatchLoop::send(const std::vector<Action>& actions, double now) {
  std::map<AgentId, std::string> texts;
  for (const Action& action : actions) {
    if (const auto* assign = std::get_if<AssignUnit>(&action)) {
      const WorkUnit& unit = units_[assign->unit];
      texts[assign->slot.agent] +=
          encode(ToAgent(Assign{assign->slot.slot, unit.id, assign->attempt, unit.to_json()}));
    } else if (const auto* cancel = std::get_if<CancelUnit>(&action)) {
      texts[cancel->slot.agent] +=
          encode(ToAgent(Cancel{cancel->slot.slot, cancel->unit, cancel->attempt}));
    } else if (const auto* stop = std::get_if<StopUnit>(&action)) {
      texts[stop->slot.agent] +=
          encode(ToAgent(Stop{stop->slot.slot, stop->unit, stop->attempt}));
    } else if (const auto* reset = std::get_if<ResetAgent>(&action)) {
      texts[reset->agent] += encode(ToAgent(Reset{}));
    }
  }
  for (auto& [agent, text] : texts) channel_.send(number(agent), std::move(text));
  if (texts.size() == agents_.size()) last_alive_ = now;
}

void DispatchLoop::keep_in_touch(double now) {
  if (now - last_alive_ < kAliveSeconds) return;
  last_alive_ = now;
  for (const AgentId agent : agents_) channel_.send(number(agent), encode(ToAgent(Alive{})));
}

bool say_goodbye(Channel& channel, const std::vector<AgentId>& agents, double seconds,
                 const std::function<void()>& step) {
  for (const AgentId agent : agents) channel.send(number(agent), encode(ToAgent(Goodbye{})));
  std::set<AgentId> missing(agents.begin(), agents.end());
  const double deadline = steady_seconds() + seconds;
  BackOff back_off;
  while (!missing.empty() && steady_seconds() < deadline) {
    step();
    const auto incoming = channel.receive();
    back_off.after_round(incoming.has_value());
    if (!incoming) continue;
    for (const FromAgent& message : decode_from_agent(AgentId{incoming->peer}, incoming->text)) {
      if (std::holds_alternative<Bye>(message)) missing.erase(AgentId{incoming->peer});
    }
  }
  return missing.empty();
}

}  // namespace calsweep::orchestrator
