#include "worker/trainer_session.hpp"

#include <c10/core/InferenceMode.h>
#include <torch/version.h>

#include <new>

#include "sweeps/errors.hpp"
#include "worker/torch_runtime.hpp"
#include "worker/trainer_log.hpp"
#include "worker/unit_failure.hpp"
#include "worker/unit_trainer.hpp"

namespace calsweep::worker {
namespace {

UnitFailure ending_process(UnitFailure failure) {
  failure.ends_process = true;
  return failure;
}

/// LibTorch's own failures. On a GPU all but a lack of memory may have poisoned the context.
UnitFailure classify(const c10::Error& error, at::Device device) {
  const std::string text =
      "LibTorch: " + std::string(error.what_without_backtrace()).substr(0, 600);
  if (is_out_of_memory(error)) return {FailureKind::OutOfMemory, text};
  if (is_device_error(error)) return ending_process({FailureKind::Device, text});
  const UnitFailure failure(FailureKind::Internal, text);
  return device.is_cpu() ? failure : ending_process(failure);
}

/// Throws UnitFailure for a GPU that has stopped working since the last unit.
void probe(at::Device device) {
  if (device.is_cpu() || device_computes(device)) return;
  throw ending_process({FailureKind::Device, describe_device(device) +
                                                 " computes wrongly: a 64 x 64 product differs "
                                                 "from its known value; have it looked at"});
}

}  // namespace

struct TrainerSession::Impl {
  explicit Impl(const SessionOptions& chosen)
      : options(chosen), device(set_up_torch(options.device, options.threads)), data(device) {}

  TrainerReply train(const TrainCommand& command, WorkProgress& progress) {
    const WorkUnit& unit = command.unit;
    log_info("unit " + unit.id.str() + ", attempt " + std::to_string(number(command.attempt)) +
             ": " + std::to_string(unit.n_networks()) + " networks in " +
             std::to_string(unit.stacks.size()) + " stacks on " + describe_device(device));
    probe(device);
    UnitCheckpoints checkpoints(
        RunDirectory(command.run_directory), unit,
        {command.checkpoint_seconds, describe_numerics(device), options.stop_requested}, progress);
    try {
      UnitTrainer trainer(command, data, device, options.threads, progress, checkpoints);
      TrainerDone done = trainer.train();
      log_info("unit " + unit.id.str() + " done, " + std::to_string(done.diverged.size()) +
               " diverged");
      return done;
    } catch (const UnitStopped&) {
      const double kept = checkpoints.held_fraction();
      log_info("unit " + unit.id.str() + " stopped as asked; checkpoints hold " +
               std::to_string(static_cast<int>(kept * 100.0)) + " % of its work");
      return TrainerStopped{unit.id, command.attempt, kept};
    }
  }

  TrainerReply failed(const TrainCommand& command, const UnitFailure& failure) {
    must_end = must_end || failure.ends_process;
    log_error("unit " + command.unit.id.str() + " failed: " + failure.what());
    return TrainerFailed{command.unit.id, command.attempt, failure.kind, failure.what()};
  }

  /// Leaves as much memory as there was at the beginning to whoever comes next.
  TrainerReply out_of_memory(const TrainCommand& command, const UnitFailure& failure) {
    data = DataCache(device);
    try {
      release_memory(device);
    } catch (const c10::Error& error) {
      return failed(command, classify(error, device));
    }
    return failed(command, failure);
  }

  SessionOptions options;
  at::Device device;
  DataCache data;
  bool must_end = false;
};

std::string libtorch_version() { return TORCH_VERSION; }

TrainerSession::TrainerSession(const SessionOptions& options)
    : impl_(std::make_unique<Impl>(options)) {}
TrainerSession::~TrainerSession() = default;

TrainerHello TrainerSession::hello() const {
  return {describe_device(impl_->device), libtorch_version()};
}

bool TrainerSession::must_end() const { return impl_->must_end; }

TrainerReply TrainerSession::run(const TrainCommand& command,
                                 const std::function<void(const TrainerProgress&)>& sink) {
  const c10::InferenceMode no_autograd;
  try {
    redirect_output(RunDirectory(command.run_directory).log(command.unit.id));
    WorkProgress progress(sink, command.unit.id,
                          static_cast<std::int64_t>(command.unit.n_networks()));
    return impl_->train(command, progress);
  } catch (const UnitFailure& failure) {
    return impl_->failed(command, failure);
  } catch (const c10::Error& error) {
    const UnitFailure failure = classify(error, impl_->device);
    return failure.kind == FailureKind::OutOfMemory ? impl_->out_of_memory(command, failure)
                                                    : impl_->failed(command, failure);
  } catch (const std::bad_alloc&) {
    return impl_->out_of_memory(command, {FailureKind::OutOfMemory, "out of host memory"});
  } catch (const IoError& error) {  // the log; whatever else is read or written has a kind by now
    return impl_->failed(command, {FailureKind::Disk, error.what()});
  } catch (const std::exception& error) {
    return impl_->failed(command, {FailureKind::Internal, error.what()});
  }
}

}  // namespace calsweep::worker
