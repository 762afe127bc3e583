// What becomes of a stack's networks: per-epoch rows, divergence, logits; one TrialRecord each.
//
// A network has diverged at the first task step (counted from 1) whose loss is not finite; if only
// its final logits are not finite, at the last step. It is recorded without logits and without the
// epochs from then on; its neighbours in the stack go on.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "sweeps/unit.hpp"
#include "sweeps/unit_file.hpp"
#include "worker/state_visitor.hpp"

namespace calsweep::worker {

using HostLogits = std::vector<std::vector<float>>;  ///< [K][n * C]

class StackRecords {
 public:
  explicit StackRecords(const Stack& stack);

  bool all_diverged() const;
  /// Looks at the losses [steps, K] of an epoch that follows `steps_before`; sizes: images per step
  /// and network. Returns each network's mean over the epoch's images.
  std::vector<double> end_epoch(std::span<const float> losses,
                                const std::vector<std::int64_t>& sizes, std::int64_t steps_before);
  /// A row for every network that has not diverged.
  void add_epoch(std::int64_t epoch, const std::vector<double>& train_losses,
                 const HostLogits& test_logits, std::span<const std::int32_t> labels,
                 std::int64_t n_classes);
  void add_logits(const std::string& name, HostLogits logits, std::int64_t steps_done);
  /// seconds: wall time of the stack.
  std::vector<TrialRecord> finish(double seconds);

  /// As they were before `epoch`, which follows `steps_before` steps.
  void visit_state(StateVisitor& visitor, std::int64_t epoch, std::int64_t steps_before);

 private:
  std::vector<TrialRecord> records_;
};

/// Records of a stack's members, nothing trained yet.
std::vector<TrialRecord> blank_records(const Stack& stack);
/// Everything of finished records that blank_records() does not know. Restoring throws FormatError.
void visit_finished(StateVisitor& visitor, std::vector<TrialRecord>& records);

}  // namespace calsweep::worker
