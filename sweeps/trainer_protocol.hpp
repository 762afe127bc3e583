// What an agent and its trainer say to each other: one JSON object per line.
//
// The agent writes commands to the trainer's stdin; the trainer answers on file descriptor 3 (its
// stdout and stderr belong to the log). The trainer speaks first ("hello"). End of file on stdin
// means: leave. Numbers that may be NaN never travel here: divergence is an outcome in the unit
// file.
//
// SIGTERM asks the trainer to stop: at the next step boundary it stores a checkpoint, answers
// "stopped" and ends with kExitIncomplete. An idle trainer just ends.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "sweeps/ids.hpp"
#include "sweeps/unit.hpp"

namespace calsweep {

inline constexpr int kTrainerReplyFd = 3;

// ---- agent -> trainer -------------------------------------------------------------------------
/// Train this unit. Paths are absolute. The trainer's stderr goes to `log_file` from now on.
struct TrainCommand {
  Attempt attempt{};
  WorkUnit unit;
  std::string run_directory;
  std::string data_root;  ///< of the spec; may be empty
  std::string inventory;  ///< DataInventory::to_json()
  double checkpoint_seconds = 60.0;  ///< between two checkpoints of a unit
};
std::string encode(const TrainCommand& command);
TrainCommand decode_train_command(std::string_view line);  ///< throws FormatError

// ---- trainer -> agent -------------------------------------------------------------------------
struct TrainerHello {
  std::string device;  ///< "cpu" or e.g. "cuda:0 NVIDIA H100"
  std::string libtorch_version;
};
/// Sent at least every two seconds while training: the heartbeat.
struct TrainerProgress {
  UnitId unit;
  std::int64_t networks_done = 0, networks = 0;
  double fraction = 0.0;  ///< of the unit's work, 0…1
  std::string doing;      ///< "d6 n2000 mixup seeds 0-9, epoch 12/30"
};
struct TrainerDone {
  UnitId unit;
  Attempt attempt{};
  std::string checksum;  ///< of the sealed file; empty for a stage unit
  std::int64_t bytes = 0;
  double seconds = 0.0;
  double resumed_at = 0.0;  ///< share of the work that came from checkpoints, 0…1
  std::vector<TrialId> diverged;
};
/// The answer to SIGTERM.
struct TrainerStopped {
  UnitId unit;
  Attempt attempt{};
  /// Of the unit's work that a checkpoint now holds, 0…1; 0 if it was stopped before it looked.
  double fraction = 0.0;
};
/// Trainer: the process died or fell silent. Device: its GPU failed. Data: an input is missing or
/// damaged. Disk: something could not be written. Internal: anything else.
enum class FailureKind { Trainer, OutOfMemory, Data, Disk, Internal, Device };
std::string_view to_string(FailureKind kind);
FailureKind failure_kind_from(std::string_view text);  ///< throws FormatError
struct TrainerFailed {
  UnitId unit;
  Attempt attempt{};
  FailureKind kind = FailureKind::Internal;
  std::string message;
};
using TrainerReply =
    std::variant<TrainerHello, TrainerProgress, TrainerDone, TrainerStopped, TrainerFailed>;
std::string encode(const TrainerReply& reply);
TrainerReply decode_trainer_reply(std::string_view line);  ///< throws FormatError

}  // namespace calsweep
