#include "worker/training_step.hpp"

namespace calsweep::worker {

const at::Tensor& SoftCrossEntropy::operator()(const at::Tensor& logits, const at::Tensor& targets,
                                               at::Tensor losses) {
  const auto batch = static_cast<double>(logits.size(0));
  if (!gradient_.defined() || gradient_.sizes() != logits.sizes()) {
    log_probabilities_ = at::empty_like(logits);
    gradient_ = at::empty_like(logits);
  }
  at::_log_softmax_out(log_probabilities_, logits, -1, /*half_to_float=*/false);
  at::mul_out(gradient_, log_probabilities_, targets);
  at::sum_out(losses, gradient_, at::IntArrayRef({0, 2}));
  losses.div_(-batch);
  at::exp_out(gradient_, log_probabilities_);
  gradient_.sub_(targets).div_(batch);
  return gradient_;
}

void Trainer::step(const Batch& batch, double learning_rate, const at::Tensor& losses) {
  const at::Tensor& logits = network_.forward(batch.inputs);
  network_.backward(loss_(logits, batch.targets, losses));
  optimizer_->step(learning_rate);
}

}  // namespace calsweep::worker
