#include "sweeps/trainer_protocol.hpp"

#include <array>
#include <nlohmann/json.hpp>

#include "sweeps/errors.hpp"
#include "sweeps/json_integer.hpp"

namespace calsweep {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 6> kFailureNames = {
    "trainer", "out-of-memory", "data", "disk", "internal", "device"};

// Texts may carry arbitrary bytes (file names, error messages): never let them break a message.
std::string dump(const json& object) {
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

template <class Function>
auto read_line(std::string_view line, std::string_view what, Function read) {
  try {
    return read(json::parse(line));
  } catch (const json::exception& error) {
    throw FormatError("not a " + std::string(what) + ": " + error.what());
  }
}

struct ReplyEncoder {
  json operator()(const TrainerHello& m) const {
    return {{"type", "hello"}, {"device", m.device}, {"libtorch", m.libtorch_version}};
  }
  json operator()(const TrainerProgress& m) const {
    return {{"type", "progress"},     {"unit", m.unit.str()},   {"done", m.networks_done},
            {"networks", m.networks}, {"fraction", m.fraction}, {"doing", m.doing}};
  }
  json operator()(const TrainerDone& m) const {
    json diverged = json::array();
    for (const auto& id : m.diverged) diverged.push_back(id.str());
    return {{"type", "done"},         {"unit", m.unit.str()}, {"attempt", number(m.attempt)},
            {"checksum", m.checksum}, {"bytes", m.bytes},     {"seconds", m.seconds},
            {"resumed_at", m.resumed_at},
            {"diverged", diverged}};
  }
  json operator()(const TrainerStopped& m) const {
    return {{"type", "stopped"},
            {"unit", m.unit.str()},
            {"attempt", number(m.attempt)},
            {"fraction", m.fraction}};
  }
  json operator()(const TrainerFailed& m) const {
    return {{"type", "failed"},
            {"unit", m.unit.str()},
            {"attempt", number(m.attempt)},
            {"kind", to_string(m.kind)},
            {"message", m.message}};
  }
};

UnitId unit_of(const json& object) {
  return UnitId::from_hex(object.at("unit").get<std::string>());
}
Attempt attempt_of(const json& object) { return Attempt{integer_at<std::int64_t>(object, "attempt")}; }

TrainerDone decode_done(const json& object) {
  TrainerDone done{unit_of(object),
                   attempt_of(object),
                   object.at("checksum").get<std::string>(),
                   integer_at<std::int64_t>(object, "bytes"),
                   object.at("seconds").get<double>(),
                   object.at("resumed_at").get<double>(),
                   {}};
  for (const auto& id : object.at("diverged")) {
    done.diverged.push_back(TrialId::from_hex(id.get<std::string>()));
  }
  return done;
}

TrainerReply decode_reply(const json& object) {
  const auto type = object.at("type").get<std::string>();
  if (type == "hello") {
    return TrainerHello{object.at("device").get<std::string>(),
                        object.at("libtorch").get<std::string>()};
  }
  if (type == "progress") {
    return TrainerProgress{unit_of(object), integer_at<std::int64_t>(object, "done"),
                           integer_at<std::int64_t>(object, "networks"),
                           object.at("fraction").get<double>(),
                           object.at("doing").get<std::string>()};
  }
  if (type == "done") return decode_done(object);
  if (type == "stopped") {
    return TrainerStopped{unit_of(object), attempt_of(object),
                          object.at("fraction").get<double>()};
  }
  if (type == "failed") {
    return TrainerFailed{unit_of(object), attempt_of(object),
                         failure_kind_from(object.at("kind").get<std::string>()),
                         object.at("message").get<std::string>()};
  }
  throw FormatError("a trainer sent a message of unknown type '" + type + "'");
}

}  // namespace

std::string_view to_string(FailureKind kind) {
  return kFailureNames.at(static_cast<std::size_t>(kind));
}

FailureKind failure_kind_from(std::string_view text) {
  for (std::size_t i = 0; i < kFailureNames.size(); ++i) {
    if (kFailureNames[i] == text) return static_cast<FailureKind>(i);
  }
  throw FormatError("'" + std::string(text) + "' is not a kind of failure");
}

std::string encode(const TrainCommand& command) {
  return dump({{"type", "train"},
               {"attempt", number(command.attempt)},
               {"unit", json::parse(command.unit.to_json())},
               {"run_directory", command.run_directory},
               {"data_root", command.data_root},
               {"inventory", command.inventory},
               {"checkpoint_seconds", command.checkpoint_seconds}});
}

TrainCommand decode_train_command(std::string_view line) {
  return read_line(line, "command for a trainer", [](const json& object) {
    return TrainCommand{attempt_of(object), WorkUnit::from_json(object.at("unit").dump()),
                        object.at("run_directory").get<std::string>(),
                        object.at("data_root").get<std::string>(),
                        object.at("inventory").get<std::string>(),
                        object.at("checkpoint_seconds").get<double>()};
  });
}

std::string encode(const TrainerReply& reply) { return dump(std::visit(ReplyEncoder{}, reply)); }

TrainerReply decode_trainer_reply(std::string_view line) {
  return read_line(line, "reply of a trainer", decode_reply);
}

}  // namespace calsweep
