#include "worker/optimizer.hpp"

#include <torch/version.h>

#include <cmath>
#include <vector>

namespace calsweep::worker {
namespace {

#define CALSWEEP_HAS_FUSED_OPTIMIZERS \
  (TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 4))

/// Kingma & Ba 2015, in the order of operations of torch.optim.Adam.
class PlainAdam final : public Optimizer {
 public:
  PlainAdam(const OptimizerOptions& options, at::Tensor parameters, at::Tensor gradients)
      : options_(options),
        parameters_(std::move(parameters)),
        gradients_(std::move(gradients)),
        mean_(at::zeros_like(parameters_)),
        square_(at::zeros_like(parameters_)),
        scratch_(at::empty_like(parameters_)) {}

  void step(double learning_rate) override {
    ++steps_;
    if (options_.weight_decay != 0.0) gradients_.add_(parameters_, options_.weight_decay);
    mean_.lerp_(gradients_, 1.0 - options_.beta1);
    square_.mul_(options_.beta2).addcmul_(gradients_, gradients_, 1.0 - options_.beta2);
    const double correction1 = 1.0 - std::pow(options_.beta1, steps_);
    const double correction2 = 1.0 - std::pow(options_.beta2, steps_);
    at::sqrt_out(scratch_, square_);
    scratch_.div_(std::sqrt(correction2)).add_(options_.epsilon);
    parameters_.addcdiv_(mean_, scratch_, -learning_rate / correction1);
  }
  void visit_state(StateVisitor& visitor) override {
    visitor.tensor("adam_mean", mean_);
    visitor.tensor("adam_square", square_);
    visitor.real("adam_steps", steps_);
  }

 private:
  OptimizerOptions options_;
  at::Tensor parameters_, gradients_, mean_, square_, scratch_;
  double steps_ = 0;
};

class PlainSgd final : public Optimizer {
 public:
  PlainSgd(const OptimizerOptions& options, at::Tensor parameters, at::Tensor gradients)
      : options_(options), parameters_(std::move(parameters)), gradients_(std::move(gradients)) {
    if (options_.momentum != 0.0) buffer_ = at::zeros_like(parameters_);
  }

  void step(double learning_rate) override {
    if (options_.weight_decay != 0.0) gradients_.add_(parameters_, options_.weight_decay);
    if (buffer_.defined()) buffer_.mul_(options_.momentum).add_(gradients_);
    parameters_.add_(buffer_.defined() ? buffer_ : gradients_, -learning_rate);
  }
  void visit_state(StateVisitor& visitor) override {
    if (buffer_.defined()) visitor.tensor("sgd_buffer", buffer_);
  }

 private:
  OptimizerOptions options_;
  at::Tensor parameters_, gradients_, buffer_;
};

#if CALSWEEP_HAS_FUSED_OPTIMIZERS
class FusedAdam final : public Optimizer {
 public:
  FusedAdam(const OptimizerOptions& options, at::Tensor parameters, at::Tensor gradients)
      : options_(options),
        parameters_{std::move(parameters)},
        gradients_{std::move(gradients)},
        mean_{at::zeros_like(parameters_[0])},
        square_{at::zeros_like(parameters_[0])},
        steps_{at::zeros({}, parameters_[0].options())} {}

  void step(double learning_rate) override {
    steps_[0].add_(1);
    at::_fused_adam_(parameters_, gradients_, mean_, square_, {}, steps_, learning_rate,
                     options_.beta1, options_.beta2, options_.weight_decay, options_.epsilon,
                     /*amsgrad=*/false, /*maximize=*/false);
  }
  void visit_state(StateVisitor& visitor) override {
    visitor.tensor("adam_mean", mean_[0]);
    visitor.tensor("adam_square", square_[0]);
    visitor.tensor("adam_steps", steps_[0]);
  }

 private:
  OptimizerOptions options_;
  std::vector<at::Tensor> parameters_, gradients_, mean_, square_, steps_;
};

class FusedSgd final : public Optimizer {
 public:
  FusedSgd(const OptimizerOptions& options, at::Tensor parameters, at::Tensor gradients)
      : options_(options), parameters_{std::move(parameters)}, gradients_{std::move(gradients)} {
    if (options_.momentum != 0.0) buffer_.push_back(at::zeros_like(parameters_[0]));
  }

  void step(double learning_rate) override {
    at::_fused_sgd_(parameters_, gradients_, buffer_, options_.weight_decay, options_.momentum,
                    learning_rate, /*dampening=*/0.0, /*nesterov=*/false, /*maximize=*/false,
                    /*is_first_step=*/first_);
    first_ = false;
  }
  void visit_state(StateVisitor& visitor) override {
    if (buffer_.empty()) return;
    visitor.tensor("sgd_buffer", buffer_[0]);
    std::int64_t first = first_ ? 1 : 0;
    visitor.integer("sgd_first", first);
    first_ = first != 0;
  }

 private:
  OptimizerOptions options_;
  std::vector<at::Tensor> parameters_, gradients_, buffer_;
  bool first_ = true;
};
#endif

OptimizerKind kind_of(const std::string& name) {
  return name == "sgd" ? OptimizerKind::Sgd : OptimizerKind::Adam;
}

}  // namespace

OptimizerOptions task_optimizer(const Settings& settings) {
  OptimizerOptions options;
  options.kind = kind_of(settings.text("training.optimizer"));
  options.weight_decay = settings.real("training.weight_decay");
  options.momentum = settings.real("training.momentum");
  options.beta1 = settings.real("training.adam_beta1");
  options.beta2 = settings.real("training.adam_beta2");
  options.epsilon = settings.real("training.adam_epsilon");
  return options;
}

OptimizerOptions warmup_optimizer(const Settings& settings) {
  OptimizerOptions options;
  options.kind = kind_of(settings.text("noise_warmup.optimizer"));
  options.weight_decay = settings.real("noise_warmup.weight_decay");
  options.momentum = settings.real("noise_warmup.momentum");
  return options;
}

std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options,
                                          const at::Tensor& parameters, const at::Tensor& gradients,
                                          Kernel kernel) {
  const bool adam = options.kind == OptimizerKind::Adam;
#if CALSWEEP_HAS_FUSED_OPTIMIZERS
  if (kernel == Kernel::FusedIfPresent) {
    if (adam) return std::make_unique<FusedAdam>(options, parameters, gradients);
    return std::make_unique<FusedSgd>(options, parameters, gradients);
  }
#else
  (void)kernel;
#endif
  if (adam) return std::make_unique<PlainAdam>(options, parameters, gradients);
  return std::make_unique<PlainSgd>(options, parameters, gradients);
}

}  // namespace calsweep::worker
