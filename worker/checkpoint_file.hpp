// Checkpoint files: the exact state of one stack that is not sealed yet. Format:
// docs/checkpoints.md.
//
// A checkpoint is what torch.load(file, weights_only=False) reads as a dictionary: "format",
// "stack" (the id), "kind" ("training" or "finished"), "work", "semantics" (kTrainingSemantics),
// "made_on" (what rounding depends on) and "checksum", then the state as its owners name it to a
// StateVisitor. Whoever changes a name or a meaning bumps kCheckpointFormat: files of another
// format are ignored, never misread.
#pragma once

#include <ATen/core/Dict.h>

#include <filesystem>
#include <functional>
#include <string>

#include "sweeps/errors.hpp"
#include "sweeps/ids.hpp"
#include "worker/state_visitor.hpp"

namespace calsweep::worker {

inline constexpr std::int64_t kCheckpointFormat = 2;

enum class CheckpointKind { Training, Finished };

/// Sound, but another format's, stack's, device's or version's.
class ForeignCheckpoint : public CalsweepError {
 public:
  using CalsweepError::CalsweepError;
};

/// Sound by its checksum, but what it holds is not the state it is to be restored to.
class UnfitCheckpoint : public CalsweepError {
 public:
  using CalsweepError::CalsweepError;
};

struct CheckpointLabel {
  StackId stack;
  CheckpointKind kind = CheckpointKind::Training;
  std::string made_on;    ///< describe_numerics()
  std::int64_t work = 0;  ///< of the stack's, done; in WorkProgress's unit
};

/// Appears complete or not at all; returns its size in bytes. `pulse` is called every few
/// megabytes. Throws IoError.
std::int64_t write_checkpoint(const std::filesystem::path& file, const CheckpointLabel& label,
                              const VisitState& state, const std::function<void()>& pulse = {});

class StoredCheckpoint {
 public:
  /// Throws IoError if it cannot be read, FormatError if it is damaged, ForeignCheckpoint if it
  /// does not belong to this stack, device and version.
  StoredCheckpoint(const std::filesystem::path& file, const StackId& stack,
                   const std::string& made_on, const std::function<void()>& pulse = {});

  CheckpointKind kind() const { return kind_; }
  double work() const { return static_cast<double>(work_); }
  /// Throws UnfitCheckpoint; what was visited until then has changed.
  void restore(const VisitState& state) const;

 private:
  c10::impl::GenericDict content_;
  CheckpointKind kind_ = CheckpointKind::Training;
  std::int64_t work_ = 0;
};

/// SHA-256 over every entry but "checksum", in the dictionary's order.
std::string checkpoint_checksum(const c10::impl::GenericDict& content,
                                const std::function<void()>& pulse = {});

}  // namespace calsweep::worker
