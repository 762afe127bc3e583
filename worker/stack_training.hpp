// A stack from its initial weights to its logits: phases in order, epochs, checkpoints.
//
//   initial weights --warm_up()--> stage --train()--> TrialRecords
//
// With checkpoints, either phase continues where a stored one stood, to the bit, and may end with
// UnitStopped. What a checkpoint holds of a phase is in visit_warm_up() and visit_task(); an epoch
// is stored as its beginning and the number of steps done, since it can be drawn again.
#pragma once

#include <ATen/ATen.h>

#include <chrono>
#include <memory>
#include <vector>

#include "sweeps/run_directory.hpp"
#include "sweeps/unit.hpp"
#include "sweeps/unit_file.hpp"
#include "worker/data_cache.hpp"
#include "worker/stack_records.hpp"
#include "worker/stack_schedule.hpp"
#include "worker/stacked_network.hpp"
#include "worker/training_step.hpp"
#include "worker/unit_checkpoints.hpp"
#include "worker/work_progress.hpp"

namespace calsweep::worker {

class StackTraining {
 public:
  /// Initial weights are drawn. The stack, the data, the progress and the checkpoints (null: none)
  /// must outlive this.
  StackTraining(const Stack& stack, DataCache& data, at::Device device, WorkProgress& progress,
                UnitCheckpoints* checkpoints = nullptr);

  StackedNetwork& network() { return *network_; }
  /// Both phases throw UnfitCheckpoint if the checkpoint that was found does not fit.
  void warm_up();
  void store_stages(const RunDirectory& directory);
  /// Replaces the weights of members that name a stage. Throws IoError or FormatError for a file
  /// that is missing or damaged, CalsweepError if a recipe with a warm-up names none.
  void load_stages(const RunDirectory& directory);
  /// The task, from the weights as they are; one record per member, in their order.
  std::vector<TrialRecord> train();

 private:
  using Clock = std::chrono::steady_clock;

  /// What the task phase consists of besides the network and the records.
  struct Task {
    TaskBatches batches;
    Trainer trainer;
    at::Tensor losses;  // [steps, K], of the epoch
    std::int64_t epoch = 1, step = 0;
    Clock::time_point started = Clock::now();

    std::int64_t steps_before() const { return (epoch - 1) * losses.size(0); }
  };

  std::int64_t networks() const { return static_cast<std::int64_t>(stack_.members.size()); }
  TaskBatches make_batches();
  Task make_task();
  bool resume_task(Task& task);
  /// Steps from task.step on; begins the epoch unless it is resumed.
  void train_epoch(Task& task);
  void visit_network(StateVisitor& visitor);
  void visit_task(StateVisitor& visitor, Task& task);
  /// Evaluates the test set.
  void record_epoch(std::int64_t epoch, const std::vector<double>& train_losses);
  std::vector<double> end_epoch(Task& task);
  HostLogits evaluate(const PixelSource& images, std::int64_t n);
  void log_final_logits(std::int64_t steps_done);

  const Stack& stack_;
  const Settings& settings_;
  DataCache& data_;
  at::Device device_;
  WorkProgress& progress_;
  UnitCheckpoints* checkpoints_;
  std::string label_;
  std::int64_t n_classes_;
  const LoadedSplit* train_ = nullptr;
  PixelSource subset_;
  std::vector<std::int32_t> subset_labels_;
  std::unique_ptr<StackedNetwork> network_;
  HostLogits test_logits_;  // of the latest evaluation
  StackRecords records_;
  double work_ = 0.0;     // done by this stack up to the latest step
  VisitState save_task_;  // empty before the first step
};

}  // namespace calsweep::worker
