#include "worker/unit_trainer.hpp"

#include <torch/version.h>

#include <chrono>
#include <filesystem>
#include <set>

#include "sweeps/errors.hpp"
#include "sweeps/unit_file.hpp"
#include "sweeps/version.hpp"
#include "worker/stack_data.hpp"
#include "worker/stage_file.hpp"
#include "worker/torch_runtime.hpp"
#include "worker/trainer_log.hpp"
#include "worker/unit_failure.hpp"

namespace calsweep::worker {
namespace {

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

UnitFileHeader file_header(const TrainCommand& command, const DataInventory& inventory,
                           at::Device device, int threads) {
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

}  // namespace

UnitTrainer::UnitTrainer(const TrainCommand& command, DataCache& data, at::Device device,
                         int threads, WorkProgress& progress, UnitCheckpoints& checkpoints)
    : command_(command),
      unit_(command.unit),
      directory_(command.run_directory),
      data_(data),
      device_(device),
      threads_(threads),
      progress_(progress),
      checkpoints_(checkpoints) {}

/// True if an earlier attempt stored them all; another may need only some of the unit's stacks.
bool UnitTrainer::stages_are_stored(const Stack& stack) {
  for (const auto& member : stack.members) {
    std::error_code ignored;
    if (!fs::exists(directory_.stage(member.stage), ignored)) return false;
  }
  StackTraining training(stack, data_, device_, progress_);
  try {
    for (std::size_t k = 0; k < stack.members.size(); ++k) {
      const StageId& stage = stack.members[k].stage;
      read_stage(directory_.stage(stage), stage,
                 training.network().state(static_cast<std::int64_t>(k)));
    }
    return true;
  } catch (const CalsweepError&) {  // damaged: it is made anew and replaced
    return false;
  }
}

void UnitTrainer::train_stage_stack(const Stack& stack) {
  for (;;) {
    StackTraining training(stack, data_, device_, progress_, &checkpoints_);
    try {
      training.warm_up();
      writing([&] { training.store_stages(directory_); });
      return;
    } catch (const UnfitCheckpoint& error) {
      checkpoints_.reject(error.what());
    }
  }
}

void UnitTrainer::train_stages() {
  writing([&] { make_folder(directory_.stages()); });
  for (const auto& stack : unit_.stacks) {
    checkpoints_.begin_stack(stack);
    const bool stored = checkpoints_.in_training() == nullptr && stages_are_stored(stack);
    if (stored) checkpoints_.skip_stack("its stages are stored");
    if (!stored) train_stage_stack(stack);
    checkpoints_.finish_stages();
    progress_.networks_done(static_cast<std::int64_t>(stack.members.size()));
  }
}

/// For stack `i`. If a stage is damaged, those of the unit's later stacks are looked at too, so
/// that one more run mends them all.
void UnitTrainer::load_stages(StackTraining& training, std::size_t i) {
  try {
    training.load_stages(directory_);
  } catch (const FormatError&) {
    for (std::size_t later = i + 1; later < unit_.stacks.size(); ++later) {
      try {
        StackTraining(unit_.stacks[later], data_, device_, progress_).load_stages(directory_);
      } catch (const CalsweepError&) {  // the first failure is the one that is reported
      }
    }
    throw;
  }
}

std::vector<TrialRecord> UnitTrainer::train_stack(std::size_t i) {
  const Stack& stack = unit_.stacks[i];
  checkpoints_.begin_stack(stack);
  if (auto records = checkpoints_.finished_records(stack)) return std::move(*records);
  for (;;) {
    StackTraining training(stack, data_, device_, progress_, &checkpoints_);
    try {
      return reading([&] {
        if (checkpoints_.in_training() == nullptr) load_stages(training, i);
        return training.train();
      });
    } catch (const UnfitCheckpoint& error) {
      checkpoints_.reject(error.what());
    }
  }
}

void UnitTrainer::train_trials(TrainerDone& done) {
  const auto inventory = reading([&] { return DataInventory::from_json(command_.inventory); });
  data_.set_sources(inventory, command_.data_root);
  check_same_labels(unit_);
  const Settings& settings = unit_.stacks.front().settings;
  progress_.set_doing("reading data");
  progress_.report();
  const auto test = reading([&] { return test_labels(settings, data_); });
  const auto held_out = reading([&] { return validation_labels(settings, data_); });
  writing([&] { make_folder(directory_.units()); });
  const fs::path file = directory_.unit(unit_.id);
  UnitFileWriter writer = writing(
      [&] { return UnitFileWriter(file, file_header(command_, inventory, device_, threads_)); });
  writing([&] {
    writer.add_labels("test", test);
    if (!held_out.empty()) writer.add_labels("validation", held_out);
  });
  for (std::size_t i = 0; i < unit_.stacks.size(); ++i) {
    auto records = train_stack(i);
    for (const auto& record : records) {
      if (record.outcome == TrialOutcome::Diverged) done.diverged.push_back(record.id);
      writing([&] { writer.add_trial(record); });
    }
    progress_.networks_done(static_cast<std::int64_t>(records.size()));
    checkpoints_.finish_stack(std::move(records));
  }
  progress_.set_doing("sealing");
  progress_.report();
  done.checksum = writing([&] { return writer.seal(); });
  done.bytes = static_cast<std::int64_t>(fs::file_size(file));
  checkpoints_.remove_all();
  progress_.report();
}

TrainerDone UnitTrainer::train() {
  const auto started = std::chrono::steady_clock::now();
  if (unit_.stacks.empty()) throw FormatError("unit " + unit_.id.str() + " has no stacks");
  double work = 0.0;
  for (const auto& stack : unit_.stacks) work += stack_work(stack, unit_.kind);
  progress_.set_total(work);
  TrainerDone done;
  done.unit = unit_.id;
  done.attempt = command_.attempt;
  if (unit_.kind == UnitKind::Stage) {
    train_stages();
  } else {
    train_trials(done);
  }
  done.resumed_at = checkpoints_.resumed_fraction();
  done.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  return done;
}

}  // namespace calsweep::worker
