// A stack's warm-up, and the stages it makes and starts from.
#include "sweeps/errors.hpp"
#include "worker/stack_data.hpp"
#include "worker/stack_training.hpp"
#include "worker/stage_file.hpp"

namespace calsweep::worker {
namespace {

constexpr std::int64_t kWarmupChunk = 200;  // steps between two words about them

}  // namespace

void StackTraining::warm_up() {
  NoiseBatches noise(settings_, stack_.members, input_shape(settings_).pixels(), n_classes_,
                     device_);
  Trainer trainer(*network_, make_optimizer(warmup_optimizer(settings_), network_->parameters(),
                                            network_->gradients()));
  const double rate = settings_.real("noise_warmup.learning_rate");
  const std::int64_t steps = warmup_steps(settings_);
  const double work = kTrainWork * static_cast<double>(networks()) *
                      static_cast<double>(settings_.integer("noise_warmup.batch_size"));
  at::Tensor losses = at::zeros({networks()}, network_->parameters().options());
  std::int64_t step = 0;
  const VisitState state = [&](StateVisitor& visitor) {
    visitor.integer("warmup_step", step);
    visit_network(visitor);
    trainer.visit_state(visitor);
    noise.visit_state(visitor);
  };
  if (checkpoints_ != nullptr && checkpoints_->in_training() != nullptr) {
    checkpoints_->in_training()->restore(state);
    checkpoints_->resumed("noise step " + std::to_string(step));
  }
  while (step < steps) {
    if (step % kWarmupChunk == 0) {
      progress_.set_doing(label_ + ", noise step " + std::to_string(step) + "/" +
                          std::to_string(steps));
    }
    trainer.step(noise.next(), rate, losses);
    progress_.advance(work);
    ++step;
    if (checkpoints_ != nullptr) checkpoints_->at_boundary(state, work * static_cast<double>(step));
  }
}

void StackTraining::store_stages(const RunDirectory& directory) {
  for (std::size_t k = 0; k < stack_.members.size(); ++k) {
    const StageId& stage = stack_.members[k].stage;
    write_stage(directory.stage(stage), stage, network_->state(static_cast<std::int64_t>(k)));
  }
}

void StackTraining::load_stages(const RunDirectory& directory) {
  std::string problem;  // the first; the others are looked at too, so that one more run mends all
  const auto note = [&](std::string text) {
    if (problem.empty()) problem = std::move(text);
  };
  for (std::size_t k = 0; k < stack_.members.size(); ++k) {
    const StageId& stage = stack_.members[k].stage;
    if (stage.is_zero() && !settings_.has("noise_warmup")) continue;
    if (stage.is_zero()) {
      throw CalsweepError("trial " + stack_.members[k].trial.str() +
                          " has a noise warm-up but names no stage to start from");
    }
    const fs::path file = directory.stage(stage);
    try {
      read_stage(file, stage, network_->state(static_cast<std::int64_t>(k)));
    } catch (const FormatError& error) {
      // Out of the way, so that the next run trains the warm-up again instead of finding it
      // "there".
      const fs::path moved = directory.quarantine_file(file);
      note(std::string(error.what()) + "; it is now " + moved.string() +
           ", and the same command trains its warm-up again");
    } catch (const IoError& error) {
      note("stage " + stage.str() + " cannot be read, the same command trains its warm-up again: " +
           error.what());
    }
  }
  if (!problem.empty()) throw FormatError(problem);
}

}  // namespace calsweep::worker
