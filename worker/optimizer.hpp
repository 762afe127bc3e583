// Adam and SGD over one flat tensor of parameters, with torch.optim's semantics.
//
// Weight decay is coupled (L2: added to the gradient) and acts on every parameter, biases and
// normalisation included, as torch.optim does by default. All updates are element-wise, so stacked
// networks have optimiser states of their own. Where LibTorch has the fused kernel (CPU: >= 2.4),
// one pass over memory does the whole step.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <string>

#include "sweeps/settings.hpp"
#include "worker/state_visitor.hpp"

namespace calsweep::worker {

enum class OptimizerKind { Adam, Sgd };

struct OptimizerOptions {
  OptimizerKind kind = OptimizerKind::Adam;
  double weight_decay = 0.0;
  double momentum = 0.9;                              ///< Sgd
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;  ///< Adam
};
OptimizerOptions task_optimizer(const Settings& settings);
/// The warm-up's: Adam's constants are the usual ones whatever the task's are, since a warm-up is
/// shared by recipes that differ in `training.*`.
OptimizerOptions warmup_optimizer(const Settings& settings);

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  /// One update of the parameters from the gradients.
  virtual void step(double learning_rate) = 0;
  /// What the next steps depend on besides parameters and gradients.
  virtual void visit_state(StateVisitor& visitor) = 0;
};

enum class Kernel { FusedIfPresent, Plain };

/// Both tensors are flat float32 and are kept.
std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options,
                                          const at::Tensor& parameters, const at::Tensor& gradients,
                                          Kernel kernel = Kernel::FusedIfPresent);

}  // namespace calsweep::worker
