// One unit from its command to its sealed file or its stages: stack after stack, with checkpoints.
#pragma once

#include <ATen/ATen.h>

#include "sweeps/trainer_protocol.hpp"
#include "worker/data_cache.hpp"
#include "worker/stack_training.hpp"
#include "worker/unit_checkpoints.hpp"
#include "worker/work_progress.hpp"

namespace calsweep::worker {

class UnitTrainer {
 public:
  /// All of these must outlive it.
  UnitTrainer(const TrainCommand& command, DataCache& data, at::Device device, int threads,
              WorkProgress& progress, UnitCheckpoints& checkpoints);

  /// Throws UnitStopped when a stop was requested and its state is stored, UnitFailure and whatever
  /// LibTorch throws otherwise.
  TrainerDone train();

 private:
  void train_stages();
  void train_stage_stack(const Stack& stack);
  bool stages_are_stored(const Stack& stack);
  void train_trials(TrainerDone& done);
  std::vector<TrialRecord> train_stack(std::size_t i);
  void load_stages(StackTraining& training, std::size_t i);

  const TrainCommand& command_;
  const WorkUnit& unit_;
  RunDirectory directory_;
  DataCache& data_;
  at::Device device_;
  int threads_;
  WorkProgress& progress_;
  UnitCheckpoints& checkpoints_;
};

}  // namespace calsweep::worker
