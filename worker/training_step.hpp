// One optimiser step: forward, loss, backward, update; and the record of losses on the device.
#pragma once

#include <ATen/ATen.h>

#include "worker/batches.hpp"
#include "worker/optimizer.hpp"
#include "worker/stacked_network.hpp"

namespace calsweep::worker {

/// Cross-entropy against target distributions: per network the mean over the batch of
/// -sum_c t_c log p_c, in nats. The total is the sum over networks, so each one's gradient is that
/// of its own loss.
class SoftCrossEntropy {
 public:
  /// logits, targets: [B, K, C]. Writes each network's loss to `losses` [K] and returns the
  /// gradient with respect to the logits, valid until the next call.
  const at::Tensor& operator()(const at::Tensor& logits, const at::Tensor& targets,
                               at::Tensor losses);

 private:
  at::Tensor log_probabilities_, gradient_;
};

class Trainer {
 public:
  Trainer(StackedNetwork& network, std::unique_ptr<Optimizer> optimizer)
      : network_(network), optimizer_(std::move(optimizer)) {}

  /// losses: [K], on the device; nothing here waits for the device.
  void step(const Batch& batch, double learning_rate, const at::Tensor& losses);
  /// Of the optimiser.
  void visit_state(StateVisitor& visitor) { optimizer_->visit_state(visitor); }

 private:
  StackedNetwork& network_;
  std::unique_ptr<Optimizer> optimizer_;
  SoftCrossEntropy loss_;
};

}  // namespace calsweep::worker
