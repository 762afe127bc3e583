#include "worker/trainer_session.hpp"

#include <c10/core/InferenceMode.h>
#include <torch/version.h>

#include <chrono>
#include <filesystem>
#include <new>
#include <set>

#include "sweeps/errors.hpp"
#include "sweeps/run_directory.hpp"
#include "sweeps/unit_file.hpp"
#include "sweeps/version.hpp"
#include "worker/stack_data.hpp"
#include "worker/stack_training.hpp"
#include "worker/torch_runtime.hpp"
#include "worker/trainer_log.hpp"
#include "worker/unit_failure.hpp"

namespace calsweep::worker {
namespace {

using Clock = std::chrono::steady_clock;

bool mentions(const std::string& text, std::initializer_list<const char*> words) {
  for (const char* word : words) {
    if (text.find(word) != std::string::npos) return true;
  }
  return false;
}

/// LibTorch's own failures. On a GPU all but "out of memory" may have poisoned the context.
UnitFailure classify(const c10::Error& error, at::Device device) {
  const std::string text = error.what_without_backtrace();
  const bool memory =
      dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr ||
      mentions(text, {"out of memory", "can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED"});
  UnitFailure failure(memory ? FailureKind::OutOfMemory : FailureKind::Internal,
                      "LibTorch: " + text.substr(0, 600));
  failure.ends_process = device.is_cuda() && !memory;
  return failure;
}

/// Runs `work`; damage and absence of what it reads become failures of kind Data.
template <class Work>
auto reading(Work work) {
  try {
    return work();
  } catch (const IoError& error) {
    throw UnitFailure(FailureKind::Data, error.what());
  } catch (const FormatError& error) {
    throw UnitFailure(FailureKind::Data, error.what());
  }
}

/// Runs `work`; what cannot be written becomes a failure of kind Disk.
template <class Work>
auto writing(Work work) {
  try {
    return work();
  } catch (const IoError& error) {
    throw UnitFailure(FailureKind::Disk, error.what());
  }
}

void make_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw IoError("cannot make folder " + folder.string() + ": " + error.message());
}

/// A unit file has one set of labels, so what they depend on must agree.
void check_same_labels(const WorkUnit& unit) {
  const Settings& first = unit.stacks.front().settings;
  for (const auto& stack : unit.stacks) {
    for (const char* key :
         {"data.dataset", "data.test_size", "data.validation_size", "data.subset_seed"}) {
      if (stack.settings.value(key) == first.value(key)) continue;
      throw FormatError("unit " + unit.id.str() + " mixes trials that differ in " + key +
                        ", whose labels cannot share a file");
    }
  }
}

std::map<std::string, std::string> fingerprints_used(const WorkUnit& unit,
                                                     const DataInventory& inventory) {
  std::set<std::string> names;
  for (const auto& stack : unit.stacks) {
    names.insert(stack.settings.text("data.dataset"));
    for (const auto& entry : stack.settings.texts("data.ood")) {
      names.insert(parse_ood_name(entry).set);
    }
  }
  std::map<std::string, std::string> fingerprints;
  for (const auto& [name, set] : inventory.sets) {
    if (names.contains(name)) fingerprints[name] = set.fingerprint;
  }
  return fingerprints;
}

}  // namespace

struct TrainerSession::Impl {
  explicit Impl(const SessionOptions& options)
      : device(set_up_torch(options.device, options.threads)),
        threads(options.threads),
        data(device) {}

  UnitFileHeader header(const TrainCommand& command, const DataInventory& inventory) const {
    const Settings& settings = command.unit.stacks.front().settings;
    UnitFileHeader header;
    header.unit = command.unit.id;
    header.attempt = number(command.attempt);
    header.dataset = settings.text("data.dataset");
    header.n_classes = find_dataset(header.dataset)->n_classes;
    header.fingerprints = fingerprints_used(command.unit, inventory);
    header.provenance = {std::string(version()),  TORCH_VERSION, "",     host_name(),
                         describe_device(device), utc_now(),     threads};
    return header;
  }

  void train_stages(const TrainCommand& command, WorkProgress& progress) {
    const RunDirectory directory(command.run_directory);
    writing([&] { make_folder(directory.stages()); });
    for (const auto& stack : command.unit.stacks) {
      StackTraining training(stack, data, device, progress);
      training.warm_up();
      writing([&] { training.store_stages(directory); });
      progress.networks_done(static_cast<std::int64_t>(stack.members.size()));
    }
  }

  /// For stack `i`. If a stage is damaged, those of the unit's later stacks are looked at too, so
  /// that one more run mends them all.
  void load_stages(StackTraining& training, const RunDirectory& directory, const WorkUnit& unit,
                   std::size_t i, WorkProgress& progress) {
    try {
      training.load_stages(directory);
    } catch (const FormatError&) {
      for (std::size_t later = i + 1; later < unit.stacks.size(); ++later) {
        try {
          StackTraining(unit.stacks[later], data, device, progress).load_stages(directory);
        } catch (const CalsweepError&) {  // the first failure is the one that is reported
        }
      }
      throw;
    }
  }

  void train_trials(const TrainCommand& command, WorkProgress& progress, TrainerDone& done) {
    const RunDirectory directory(command.run_directory);
    const auto inventory = reading([&] { return DataInventory::from_json(command.inventory); });
    data.set_sources(inventory, command.data_root);
    check_same_labels(command.unit);
    const Settings& settings = command.unit.stacks.front().settings;
    progress.set_doing("reading data");
    progress.report();
    const auto test = reading([&] { return test_labels(settings, data); });
    const auto held_out = reading([&] { return validation_labels(settings, data); });
    writing([&] { make_folder(directory.units()); });
    UnitFileWriter writer = writing([&] {
      return UnitFileWriter(directory.unit(command.unit.id), header(command, inventory));
    });
    writing([&] {
      writer.add_labels("test", test);
      if (!held_out.empty()) writer.add_labels("validation", held_out);
    });
    for (std::size_t i = 0; i < command.unit.stacks.size(); ++i) {
      StackTraining training(command.unit.stacks[i], data, device, progress);
      reading([&] { load_stages(training, directory, command.unit, i, progress); });
      const auto records = reading([&] { return training.train(); });
      for (const auto& record : records) {
        if (record.outcome == TrialOutcome::Diverged) done.diverged.push_back(record.id);
        writing([&] { writer.add_trial(record); });
      }
      progress.networks_done(static_cast<std::int64_t>(records.size()));
    }
    progress.set_doing("sealing");
    progress.report();
    done.checksum = writing([&] { return writer.seal(); });
    done.bytes =
        static_cast<std::int64_t>(std::filesystem::file_size(directory.unit(command.unit.id)));
    progress.report();
  }

  TrainerDone train(const TrainCommand& command, WorkProgress& progress) {
    const auto started = Clock::now();
    const WorkUnit& unit = command.unit;
    if (unit.stacks.empty()) throw FormatError("unit " + unit.id.str() + " has no stacks");
    log_info("unit " + unit.id.str() + ", attempt " + std::to_string(number(command.attempt)) +
             ": " + std::to_string(unit.n_networks()) + " networks in " +
             std::to_string(unit.stacks.size()) + " stacks on " + describe_device(device));
    double work = 0.0;
    for (const auto& stack : unit.stacks) work += stack_work(stack, unit.kind);
    progress.set_total(work);
    TrainerDone done;
    done.unit = unit.id;
    done.attempt = command.attempt;
    if (unit.kind == UnitKind::Stage) {
      train_stages(command, progress);
    } else {
      train_trials(command, progress, done);
    }
    done.seconds = std::chrono::duration<double>(Clock::now() - started).count();
    log_info("unit " + unit.id.str() + " done, " + std::to_string(done.diverged.size()) +
             " diverged");
    return done;
  }

  TrainerReply failed(const TrainCommand& command, const UnitFailure& failure) {
    must_end = must_end || failure.ends_process;
    log_error("unit " + command.unit.id.str() + " failed: " + failure.what());
    return TrainerFailed{command.unit.id, command.attempt, failure.kind, failure.what()};
  }

  at::Device device;
  int threads;
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
    writing([&] { redirect_output(RunDirectory(command.run_directory).log(command.unit.id)); });
    WorkProgress progress(sink, command.unit.id,
                          static_cast<std::int64_t>(command.unit.n_networks()));
    return impl_->train(command, progress);
  } catch (const UnitFailure& failure) {
    return impl_->failed(command, failure);
  } catch (const c10::Error& error) {
    return impl_->failed(command, classify(error, impl_->device));
  } catch (const std::bad_alloc&) {
    return impl_->failed(command, {FailureKind::OutOfMemory, "out of host memory"});
  } catch (const std::exception& error) {
    return impl_->failed(command, {FailureKind::Internal, error.what()});
  }
}

}  // namespace calsweep::worker
