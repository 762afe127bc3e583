// Where the batches of a phase come from, and the ingredients that change them.
//
// A method is a list of ingredients. One that changes inputs or targets (mixup, label smoothing, …)
// derives from Ingredient and gets a line in make_ingredients(). One that trains on other data
// before the task (noise warm-up, …) is a BatchSource of its own and a phase in stack_training.cpp.
// One that changes the loss goes into SoftCrossEntropy (training_step.hpp). Targets are
// distributions over the classes, so ingredients that mix or soften them compose in any order.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <span>
#include <vector>

#include "sweeps/settings.hpp"
#include "sweeps/unit.hpp"
#include "worker/batch_order.hpp"
#include "worker/pixel_source.hpp"
#include "worker/state_visitor.hpp"

namespace calsweep::worker {

struct Batch {
  at::Tensor inputs;   ///< [K, B, D] float32, contiguous
  at::Tensor targets;  ///< [B, K, C] float32, contiguous; each row sums to 1
};

class Ingredient {
 public:
  virtual ~Ingredient() = default;
  /// Draws all that the epoch's batches need, from generators of the networks' own.
  virtual void begin_epoch(const EpochOrder& epoch) = 0;
  /// Changes the inputs and targets of one batch in place.
  virtual void transform(Batch& batch, std::int64_t step) = 0;
  /// The generators as they were before begin_epoch() drew from them: restored, it draws the same
  /// again.
  virtual void visit_state(StateVisitor& visitor) = 0;
};

/// Those of the task that the settings turn on, in the order in which they act.
std::vector<std::unique_ptr<Ingredient>> make_ingredients(const Settings& settings,
                                                          std::span<const StackMember> members,
                                                          at::Device device);

/// Hands out the batches of one phase in order.
class BatchSource {
 public:
  virtual ~BatchSource() = default;
  /// Valid until the next call.
  virtual Batch& next() = 0;
  /// Of a phase in epochs: as of the beginning of the epoch that is under way.
  virtual void visit_state(StateVisitor& visitor) = 0;
};

/// Labelled images, epoch after epoch, with the task's ingredients applied.
class TaskBatches final : public BatchSource {
 public:
  /// labels: of every row of `images`. The source and the labels must outlive this.
  TaskBatches(const PixelSource& images, std::span<const std::int32_t> labels,
              std::int64_t n_classes, BatchOrder order,
              std::vector<std::unique_ptr<Ingredient>> ingredients);

  /// To be called before the first batch of every epoch.
  const EpochOrder& begin_epoch();
  const EpochOrder& epoch() const { return epoch_; }
  std::int64_t steps() const { return order_.steps(); }  ///< per epoch
  Batch& next() override;
  /// Passes over the first batches of the epoch that has begun.
  void skip_to(std::int64_t step) { step_ = step; }
  void visit_state(StateVisitor& visitor) override;

 private:
  Batch& buffers(std::int64_t batch_size);

  const PixelSource& images_;
  std::span<const std::int32_t> labels_;
  at::Tensor classes_;  // 0 … C-1
  BatchOrder order_;
  std::vector<std::unique_ptr<Ingredient>> ingredients_;
  EpochOrder epoch_;
  at::Tensor rows_, epoch_labels_;  // on the device: step after step [K, B] and [B, K]
  std::int64_t step_ = 0;
  std::vector<std::pair<std::int64_t, Batch>> buffers_;  // by batch size
};

/// The noise warm-up's: pixels from a generator of each network's own, fresh every batch, targets
/// independent of them (Cheon & Paik 2026).
class NoiseBatches final : public BatchSource {
 public:
  NoiseBatches(const Settings& settings, std::span<const StackMember> members,
               std::int64_t n_inputs, std::int64_t n_classes, at::Device device);
  Batch& next() override;
  void visit_state(StateVisitor& visitor) override;

 private:
  bool uniform_pixels_, random_labels_;
  double std_;
  std::int64_t n_classes_;
  at::Tensor classes_, labels_;  // [C], [K, B]
  std::vector<at::Generator> generators_;
  Batch batch_;
};

}  // namespace calsweep::worker
