// What goes into the coordinator (events), what comes out (actions) and what it plans with (units).
//
// Plain values only. The wire (messages.hpp) carries the events that agents send; the dispatch loop
// carries out the actions.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "sweeps/ids.hpp"
#include "sweeps/trainer_protocol.hpp"
#include "sweeps/unit.hpp"

namespace calsweep::orchestrator {

/// An agent is named by its rank; 0 is also the in-process agent of a run without a launcher.
enum class AgentId : std::int32_t {};
constexpr std::int32_t number(AgentId agent) { return static_cast<std::int32_t>(agent); }
using calsweep::number;

struct SlotId {
  AgentId agent{};
  std::int32_t slot = 0;
  auto operator<=>(const SlotId&) const = default;
};

/// Position of a unit in the plan the coordinator was built with.
enum class UnitIndex : std::int32_t {};
constexpr std::size_t position(UnitIndex unit) { return static_cast<std::size_t>(unit); }

/// What the coordinator needs to know of a WorkUnit.
struct PlannedUnit {
  UnitId id;
  UnitKind kind = UnitKind::Trials;
  double flops = 0.0;
  std::string shape;
  std::vector<StageId> needs;   ///< stages to start from; those no planned unit makes exist already
  std::vector<StageId> makes;   ///< stages of a stage unit
  std::vector<TrialId> trials;  ///< empty for a stage unit
  std::int64_t width = 1;       ///< networks in its widest stack

  std::size_t n_networks() const { return trials.size() + makes.size(); }
};
PlannedUnit planned(const WorkUnit& unit);

/// Makes units of a unit's parts. The parts get the next indices, in order.
class UnitDivider {
 public:
  virtual ~UnitDivider() = default;
  /// Of a unit of two networks or more.
  virtual std::vector<PlannedUnit> halves(UnitIndex unit) = 0;
  /// The same work in stacks of at most `width` networks.
  virtual PlannedUnit narrowed(UnitIndex unit, std::int64_t width) = 0;
};

/// Networks of one shape that fit one device when fused; learnt from running out of memory.
struct FusionLimit {
  std::string shape, device;
  std::int64_t width = 1;
};

// ---- events -----------------------------------------------------------------------------------
struct AgentJoined {
  AgentId agent{};
  std::string host;
  std::int32_t n_slots = 0;
  std::string device;   ///< "cpu" or "cuda"; refined by SlotReady
  std::string problem;  ///< why it has no slots, if it has none
};
struct AgentLost {
  AgentId agent{};
  std::string why;
};
struct AgentAlive {
  AgentId agent{};
};
/// The agent was asked to leave by a signal: its trainers store checkpoints, it takes no more.
struct AgentLeaving {
  AgentId agent{};
  std::string why;
};
/// A trainer said hello on this slot.
struct SlotReady {
  SlotId slot;
  std::string
      device;  ///< "cpu", "cuda NVIDIA H100": without an index, so that equal devices share a rate
};
/// No trainer can be started on this slot: it leaves the run.
struct SlotUnusable {
  SlotId slot;
  std::string message;
};
struct UnitProgress {
  SlotId slot;
  UnitId unit;
  Attempt attempt{};
  double fraction = 0.0;
  std::string doing;
};
struct UnitDone {
  SlotId slot;
  UnitId unit;
  Attempt attempt{};
  std::string checksum;  ///< of the sealed file; empty for a stage unit
  std::int64_t bytes = 0;
  double seconds = 0.0;
  double resumed_at = 0.0;  ///< share of the work that came from checkpoints, 0…1
  std::vector<TrialId> diverged;
};
/// A trainer was asked to stop and did, after a checkpoint.
struct UnitStopped {
  SlotId slot;
  UnitId unit;
  Attempt attempt{};
  double fraction = 0.0;  ///< of its work that the checkpoint holds
};
struct UnitFailed {
  SlotId slot;
  UnitId unit;
  Attempt attempt{};
  FailureKind kind = FailureKind::Trainer;
  std::string cause;    ///< short: "killed by signal 9 (SIGKILL)"
  std::string message;  ///< long: with the last log lines
};
/// Hand out nothing more and let the trainers store checkpoints, for at most `grace_seconds`; 0:
/// stop at once.
struct StopRequested {
  std::string why;
  double grace_seconds = 0.0;
};
using Event =
    std::variant<AgentJoined, AgentLost, AgentLeaving, AgentAlive, SlotReady, SlotUnusable,
                 UnitProgress, UnitDone, UnitStopped, UnitFailed, StopRequested>;

// ---- actions ----------------------------------------------------------------------------------
/// Send the unit to the slot, after its attempt is on disk in the ledger.
struct AssignUnit {
  SlotId slot;
  UnitIndex unit{};
  Attempt attempt{};
};
/// Drop the unit there; kill its trainer if it is at it.
struct CancelUnit {
  SlotId slot;
  UnitId unit;
  Attempt attempt{};
};
/// Have its trainer store a checkpoint and end.
struct StopUnit {
  SlotId slot;
  UnitId unit;
  Attempt attempt{};
};
/// Drop everything and introduce yourself again.
struct ResetAgent {
  AgentId agent{};
};
struct RecordDone {
  UnitIndex unit{};
  UnitDone done;
};
enum class AttemptEnd {
  Failed,      ///< counts against the unit
  Lost,        ///< the agent or the slot went away
  Interrupted  ///< the run was stopped
};
struct RecordEnd {
  UnitIndex unit{};
  Attempt attempt{};
  AttemptEnd end = AttemptEnd::Failed;
  std::string cause, message;
};
struct RecordSetAside {
  UnitIndex unit{};
  std::string cause, message;
};
/// The unit is replaced by its parts, which are planned from now on.
struct RecordDivided {
  UnitIndex unit{};
  std::vector<UnitIndex> parts;
};
struct RecordFusionLimit {
  FusionLimit limit;
};
enum class NoteLevel { Info, Warning, Error };
/// For the log on screen and the ledger's events.
struct Note {
  NoteLevel level = NoteLevel::Info;
  std::string text;
};
enum class FinishReason {
  Complete,  ///< every unit is sealed or set aside
  Stopped,   ///< asked to stop, or the job's time is up
  DiskFull,  ///< a unit could not be written
  NoSlots    ///< no slot is left, or none ever came
};
struct Finish {
  FinishReason reason = FinishReason::Complete;
  std::string message;
};
using Action = std::variant<AssignUnit, CancelUnit, StopUnit, ResetAgent, RecordDone, RecordEnd,
                            RecordSetAside, RecordDivided, RecordFusionLimit, Note, Finish>;

}  // namespace calsweep::orchestrator
