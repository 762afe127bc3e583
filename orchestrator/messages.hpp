// What the coordinator and its agents say to each other: JSON, one message per line, several lines
// per text. Version 2; a change that an older peer would misread bumps kWireVersion, and the hello
// of an agent of another version is refused (all ranks must run the same calsweep).
//
// The coordinator speaks first (welcome), the agent answers with its hello.
//   agent -> coordinator   hello, alive, leaving, slot-ready, slot-unusable, progress, done, stopped, failed,
//                          bye
//   coordinator -> agent   welcome, assign (followed by one line: the unit), cancel, stop, reset,
//                          alive,
//                          goodbye
// Nothing that may be NaN travels here. Everything an agent needs comes by message: it reads no
// spec.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "orchestrator/coordinator_types.hpp"

namespace calsweep::orchestrator {

inline constexpr int kWireVersion = 2;

// ---- agent -> coordinator ---------------------------------------------------------------------
struct Hello {
  int wire_version = kWireVersion;
  std::string calsweep_version;
  std::string host;
  std::int64_t pid = 0;
  std::int32_t n_slots = 0;
  std::string device;   ///< "cpu" or "cuda"
  std::string problem;  ///< why it has no slots, if it has none
};
struct Bye {};
/// Either a hello, a bye, or an event (with the agent's number filled in from the transport).
using FromAgent = std::variant<Hello, Bye, Event>;

std::string encode(const Hello& hello);
std::string encode(const Bye& bye);
/// Only for events that agents send (not AgentJoined, AgentLost, StopRequested).
std::string encode(const Event& event);
/// Every message of a text. Throws FormatError.
std::vector<FromAgent> decode_from_agent(AgentId agent, std::string_view text);

// ---- coordinator -> agent ---------------------------------------------------------------------
struct Welcome {
  std::string run_directory;  ///< absolute
  std::string trainer;        ///< path of calsweep-trainer
  std::string data_root;
  std::string inventory;  ///< DataInventory::to_json()
  double heartbeat_seconds = 120.0;
  double checkpoint_seconds = 60.0;
  std::int64_t threads = 1;
  bool no_op = false;
};
struct Assign {
  std::int32_t slot = 0;
  UnitId unit;
  Attempt attempt{};
  std::string work;  ///< WorkUnit::to_json()
};
struct Cancel {
  std::int32_t slot = 0;
  UnitId unit;
  Attempt attempt{};
};
/// Have the trainer that is at this unit store a checkpoint and end.
struct Stop {
  std::int32_t slot = 0;
  UnitId unit;
  Attempt attempt{};
};
struct Reset {};
struct Alive {};
/// Kill the trainers, answer with Bye, leave.
struct Goodbye {};
using ToAgent = std::variant<Welcome, Assign, Cancel, Stop, Reset, Alive, Goodbye>;

std::string encode(const ToAgent& message);
std::vector<ToAgent> decode_to_agent(std::string_view text);  ///< throws FormatError

}  // namespace calsweep::orchestrator
