#include "orchestrator/messages.hpp"

#include <nlohmann/json.hpp>

#include "sweeps/errors.hpp"
#include "sweeps/json_integer.hpp"

namespace calsweep::orchestrator {
namespace {

using nlohmann::json;

// Host names and log lines may carry any bytes: they must not break a message.
std::string line(const json& object) {
  return object.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

json head(std::string_view type, std::int32_t slot) { return {{"t", type}, {"slot", slot}}; }

json head(std::string_view type, std::int32_t slot, const UnitId& unit, Attempt attempt) {
  return {{"t", type}, {"slot", slot}, {"unit", unit.hex()}, {"attempt", number(attempt)}};
}

struct EventEncoder {
  json operator()(const AgentAlive&) const { return {{"t", "alive"}}; }
  json operator()(const AgentLeaving& m) const { return {{"t", "leaving"}, {"why", m.why}}; }
  json operator()(const SlotReady& m) const {
    json object = head("slot-ready", m.slot.slot);
    object["device"] = m.device;
    return object;
  }
  json operator()(const SlotUnusable& m) const {
    json object = head("slot-unusable", m.slot.slot);
    object["message"] = m.message;
    return object;
  }
  json operator()(const UnitProgress& m) const {
    json object = head("progress", m.slot.slot, m.unit, m.attempt);
    object["fraction"] = m.fraction;
    object["doing"] = m.doing;
    return object;
  }
  json operator()(const UnitDone& m) const {
    json object = head("done", m.slot.slot, m.unit, m.attempt);
    object["checksum"] = m.checksum;
    object["bytes"] = m.bytes;
    object["seconds"] = m.seconds;
    object["resumed_at"] = m.resumed_at;
    object["diverged"] = json::array();
    for (const TrialId& trial : m.diverged) object["diverged"].push_back(trial.hex());
    return object;
  }
  json operator()(const UnitStopped& m) const {
    json object = head("stopped", m.slot.slot, m.unit, m.attempt);
    object["fraction"] = m.fraction;
    return object;
  }
  json operator()(const UnitFailed& m) const {
    json object = head("failed", m.slot.slot, m.unit, m.attempt);
    object["kind"] = to_string(m.kind);
    object["cause"] = m.cause;
    object["message"] = m.message;
    return object;
  }
  template <class Other>
  json operator()(const Other&) const {
    CALSWEEP_CHECK(false, "an event that agents never send was encoded");
    return {};
  }
};

UnitId unit_of(const json& object) {
  return UnitId::from_hex(object.at("unit").get_ref<const std::string&>());
}
Attempt attempt_of(const json& object) { return Attempt{integer_at<std::int64_t>(object, "attempt")}; }
std::string text_of(const json& object, const char* key) {
  return object.at(key).get<std::string>();
}

UnitDone decode_done(SlotId slot, const json& object) {
  UnitDone done{slot,
                unit_of(object),
                attempt_of(object),
                text_of(object, "checksum"),
                integer_at<std::int64_t>(object, "bytes"),
                object.at("seconds").get<double>(),
                object.at("resumed_at").get<double>(),
                {}};
  for (const json& trial : object.at("diverged")) {
    done.diverged.push_back(TrialId::from_hex(trial.get_ref<const std::string&>()));
  }
  return done;
}

Hello decode_hello(const json& object) {
  return {integer_at<int>(object, "wire"),
          text_of(object, "version"),
          text_of(object, "host"),
          integer_at<std::int64_t>(object, "pid"),
          integer_at<std::int32_t>(object, "slots"),
          text_of(object, "device"),
          text_of(object, "problem")};
}

FromAgent decode_event(AgentId agent, const std::string& type, const json& object) {
  if (type == "hello") return decode_hello(object);
  if (type == "bye") return Bye{};
  if (type == "alive") return Event(AgentAlive{agent});
  if (type == "leaving") return Event(AgentLeaving{agent, text_of(object, "why")});
  const SlotId slot{agent, integer_at<std::int32_t>(object, "slot")};
  if (type == "slot-ready") return Event(SlotReady{slot, text_of(object, "device")});
  if (type == "slot-unusable") return Event(SlotUnusable{slot, text_of(object, "message")});
  if (type == "progress") {
    return Event(UnitProgress{slot, unit_of(object), attempt_of(object),
                              object.at("fraction").get<double>(), text_of(object, "doing")});
  }
  if (type == "done") return Event(decode_done(slot, object));
  if (type == "stopped") {
    return Event(UnitStopped{slot, unit_of(object), attempt_of(object),
                             object.at("fraction").get<double>()});
  }
  if (type == "failed") {
    return Event(UnitFailed{slot, unit_of(object), attempt_of(object),
                            failure_kind_from(text_of(object, "kind")), text_of(object, "cause"),
                            text_of(object, "message")});
  }
  throw FormatError("an agent sent a message of unknown type '" + type + "'");
}

struct ToAgentEncoder {
  std::string operator()(const Welcome& m) const {
    return line({{"t", "welcome"},
                 {"run_directory", m.run_directory},
                 {"trainer", m.trainer},
                 {"data_root", m.data_root},
                 {"inventory", m.inventory},
                 {"heartbeat_seconds", m.heartbeat_seconds},
                 {"checkpoint_seconds", m.checkpoint_seconds},
                 {"threads", m.threads},
                 {"no_op", m.no_op}});
  }
  std::string operator()(const Assign& m) const {
    return line(head("assign", m.slot, m.unit, m.attempt)) + m.work + "\n";
  }
  std::string operator()(const Cancel& m) const {
    return line(head("cancel", m.slot, m.unit, m.attempt));
  }
  std::string operator()(const Stop& m) const {
    return line(head("stop", m.slot, m.unit, m.attempt));
  }
  std::string operator()(const Reset&) const { return line({{"t", "reset"}}); }
  std::string operator()(const Alive&) const { return line({{"t", "alive"}}); }
  std::string operator()(const Goodbye&) const { return line({{"t", "goodbye"}}); }
};

/// Cuts the next line off `text`. Throws FormatError at the end.
std::string_view next_line(std::string_view& text) {
  const auto end = text.find('\n');
  if (end == std::string_view::npos) throw FormatError("a message ends in the middle of a line");
  const auto found = text.substr(0, end);
  text.remove_prefix(end + 1);
  return found;
}

ToAgent decode_command(const json& object, std::string_view& rest) {
  const auto type = text_of(object, "t");
  if (type == "alive") return Alive{};
  if (type == "reset") return Reset{};
  if (type == "goodbye") return Goodbye{};
  if (type == "assign") {
    return Assign{integer_at<std::int32_t>(object, "slot"), unit_of(object), attempt_of(object),
                  std::string(next_line(rest))};
  }
  if (type == "cancel") {
    return Cancel{integer_at<std::int32_t>(object, "slot"), unit_of(object), attempt_of(object)};
  }
  if (type == "stop") {
    return Stop{integer_at<std::int32_t>(object, "slot"), unit_of(object), attempt_of(object)};
  }
  if (type == "welcome") {
    return Welcome{text_of(object, "run_directory"),
                   text_of(object, "trainer"),
                   text_of(object, "data_root"),
                   text_of(object, "inventory"),
                   object.at("heartbeat_seconds").get<double>(),
                   object.at("checkpoint_seconds").get<double>(),
                   integer_at<std::int64_t>(object, "threads"),
                   object.at("no_op").get<bool>()};
  }
  throw FormatError("the coordinator sent a message of unknown type '" + type + "'");
}

}  // namespace

std::string encode(const Hello& hello) {
  return line({{"t", "hello"},
               {"wire", hello.wire_version},
               {"version", hello.calsweep_version},
               {"host", hello.host},
               {"pid", hello.pid},
               {"slots", hello.n_slots},
               {"device", hello.device},
               {"problem", hello.problem}});
}
std::string encode(const Bye&) { return line({{"t", "bye"}}); }
std::string encode(const Event& event) { return line(std::visit(EventEncoder{}, event)); }
std::string encode(const ToAgent& message) { return std::visit(ToAgentEncoder{}, message); }

std::vector<FromAgent> decode_from_agent(AgentId agent, std::string_view text) {
  std::vector<FromAgent> messages;
  try {
    while (!text.empty()) {
      const json object = json::parse(next_line(text));
      messages.push_back(decode_event(agent, text_of(object, "t"), object));
    }
  } catch (const json::exception& error) {
    throw FormatError(std::string("not a message of an agent: ") + error.what());
  }
  return messages;
}

std::vector<ToAgent> decode_to_agent(std::string_view text) {
  std::vector<ToAgent> messages;
  try {
    while (!text.empty()) {
      const json object = json::parse(next_line(text));
      messages.push_back(decode_command(object, text));
    }
  } catch (const json::exception& error) {
    throw FormatError(std::string("not a message of the coordinator: ") + error.what());
  }
  return messages;
}

}  // namespace calsweep::orchestrator
