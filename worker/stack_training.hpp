// A stack from its initial weights to its logits: phases in order, epochs, records, divergence.
//
//   initial weights --warm_up()--> stage --train()--> TrialRecords
//
// A network has diverged at the first task step (counted from 1) whose loss is not finite; if only
// its final logits are not finite, at the last step. It is recorded without logits and without the
// epochs from then on; its neighbours in the stack go on.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <vector>

#include "sweeps/run_directory.hpp"
#include "sweeps/unit.hpp"
#include "sweeps/unit_file.hpp"
#include "worker/data_cache.hpp"
#include "worker/stacked_network.hpp"
#include "worker/training_step.hpp"
#include "worker/work_progress.hpp"

namespace calsweep::worker {

/// The work of a stack in WorkProgress's unit: images forward, times 3 where also backward.
double stack_work(const Stack& stack, UnitKind kind);

/// Learning rate in an epoch counted from 0: constant, or torch's CosineAnnealingLR with
/// T_max = epochs, stepped per epoch.
double scheduled_rate(const Settings& settings, std::int64_t epoch);

class StackTraining {
 public:
  /// Initial weights are drawn. The stack, the data and the progress must outlive this.
  StackTraining(const Stack& stack, DataCache& data, at::Device device, WorkProgress& progress);

  StackedNetwork& network() { return *network_; }
  void warm_up();
  void store_stages(const RunDirectory& directory);
  /// Replaces the weights of members that name a stage. Throws IoError or FormatError for a file
  /// that is missing or damaged, CalsweepError if a recipe with a warm-up names none.
  void load_stages(const RunDirectory& directory);
  /// The task, from the weights as they are; one record per member, in their order.
  std::vector<TrialRecord> train();

 private:
  using HostLogits = std::vector<std::vector<float>>;  // [K][n * C]

  std::int64_t networks() const { return static_cast<std::int64_t>(stack_.members.size()); }
  TaskBatches make_batches();
  /// Mean loss per network over one epoch; notes divergence.
  std::vector<double> train_epoch(Trainer& trainer, TaskBatches& batches, double rate);
  void note_divergence(const at::Tensor& losses, std::vector<std::int64_t> const& sizes,
                       std::vector<double>& means);
  void record_epoch(std::int64_t epoch, const std::vector<double>& train_losses);
  bool is_due(std::int64_t epoch) const;
  bool all_diverged() const;
  HostLogits evaluate(const PixelSource& images, std::int64_t n);
  void log_final_logits();
  void add_logits(const std::string& name, HostLogits logits);

  const Stack& stack_;
  const Settings& settings_;
  DataCache& data_;
  at::Device device_;
  WorkProgress& progress_;
  std::string label_;
  std::int64_t n_classes_;
  const LoadedSplit* train_;
  PixelSource subset_;
  std::vector<std::int32_t> subset_labels_;
  std::unique_ptr<StackedNetwork> network_;
  std::int64_t steps_done_ = 0;
  HostLogits test_logits_;  // of the latest evaluation
  std::vector<TrialRecord> records_;
};

}  // namespace calsweep::worker
