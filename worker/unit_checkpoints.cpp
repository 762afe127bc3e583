#include "worker/unit_checkpoints.hpp"

#include <algorithm>
#include <new>
#include <set>

#include "sweeps/errors.hpp"
#include "worker/stack_records.hpp"
#include "worker/stack_schedule.hpp"
#include "worker/torch_runtime.hpp"
#include "worker/trainer_log.hpp"

namespace calsweep::worker {
namespace {

std::string percent(double share) { return std::to_string(static_cast<int>(share * 100.0)) + " %"; }

}  // namespace

UnitCheckpoints::UnitCheckpoints(const RunDirectory& directory, const WorkUnit& unit,
                                 CheckpointPolicy policy, WorkProgress& progress)
    : directory_(directory), policy_(std::move(policy)), progress_(progress), kind_(unit.kind) {
  for (const auto& stack : unit.stacks) {
    stacks_.push_back(stack_id(stack, unit.kind));
    total_work_ += stack_work(stack, unit.kind);
  }
  remove_partial_files();
}

void UnitCheckpoints::remove_partial_files() const {
  const std::set<StackId> own(stacks_.begin(), stacks_.end());
  std::error_code ignored;  // no folder: nothing to remove
  for (const auto& entry : fs::directory_iterator(directory_.checkpoints(), ignored)) {
    const std::string name = entry.path().filename().string();
    if (!name.ends_with(".partial")) continue;
    const bool ours = std::any_of(own.begin(), own.end(),
                                  [&](const StackId& id) { return name.starts_with(id.hex()); });
    if (ours) fs::remove(entry.path(), ignored);
  }
}

void UnitCheckpoints::begin_stack(const Stack& stack) {
  current_ = stack_id(stack, kind_);
  current_work_ = stack_work(stack, kind_);
  current_held_ = 0.0;
  stored_.reset();
  find(current_);
  while_evaluating({}, 0.0);
}

void UnitCheckpoints::find(const StackId& id) {
  const fs::path file = directory_.checkpoint(id);
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return;
  try {
    stored_.emplace(file, id, policy_.made_on, [&] { progress_.advance(0.0); });
    const bool finished = stored_->kind() == CheckpointKind::Finished;
    current_held_ = finished ? current_work_ : stored_->work();
  } catch (const FormatError& error) {
    reject(error.what());
  } catch (const CalsweepError& error) {  // foreign, or not readable
    log_info("ignored the checkpoint " + file.string() + ": " + error.what());
  }
}

void UnitCheckpoints::reject(const std::string& why) {
  stored_.reset();
  current_held_ = 0.0;
  const std::string lost = "; the stack is trained from its beginning";
  try {
    const fs::path moved = directory_.quarantine_file(directory_.checkpoint(current_));
    log_info("checkpoint " + moved.string() + ", moved there because it " + why + lost);
  } catch (const CalsweepError& error) {
    log_info("checkpoint of stack " + current_.str() + ": " + why + "; " + error.what() + lost);
  }
}

const StoredCheckpoint* UnitCheckpoints::in_training() const {
  return stored_ && stored_->kind() == CheckpointKind::Training ? &*stored_ : nullptr;
}

std::optional<std::vector<TrialRecord>> UnitCheckpoints::finished_records(const Stack& stack) {
  if (!stored_ || stored_->kind() != CheckpointKind::Finished) return std::nullopt;
  std::vector<TrialRecord> records = blank_records(stack);
  try {
    stored_->restore([&](StateVisitor& visitor) { visit_finished(visitor, records); });
  } catch (const UnfitCheckpoint& error) {
    reject(error.what());
    return std::nullopt;
  }
  skip_stack("its checkpoint holds its results");
  return records;
}

void UnitCheckpoints::resumed(const std::string& where) {
  const double work = current_held_;
  resumed_ += work;
  progress_.reach(reached_ + work);
  log_info("stack " + current_.str() + " continues from its checkpoint: " + where + ", " +
           percent(current_work_ > 0.0 ? std::min(1.0, work / current_work_) : 1.0) +
           " of its work done");
}

void UnitCheckpoints::skip_stack(const std::string& why) {
  resumed_ += current_work_;
  log_info("stack " + current_.str() + " needs no training: " + why);
}

void UnitCheckpoints::at_boundary(const VisitState& state, double work) {
  const bool stop = policy_.stop_requested();
  const std::chrono::duration<double> since = Clock::now() - last_;
  if (!stop && since.count() < policy_.seconds) return;
  save(state, work);
  if (stop) throw UnitStopped{};
}

void UnitCheckpoints::while_evaluating(const VisitState& state, double work) {
  if (!policy_.stop_requested()) return;
  save(work > current_held_ ? state : VisitState{}, work);
  throw UnitStopped{};
}

void UnitCheckpoints::save(const VisitState& state, double work) {
  if (state && write(current_, CheckpointKind::Training, work, state)) current_held_ = work;
  while (!unsaved_.empty()) {
    FinishedStack& finished = unsaved_.back();
    const auto visit = [&](StateVisitor& v) { visit_finished(v, finished.records); };
    if (!write(finished.id, CheckpointKind::Finished, finished.work, visit)) break;
    held_ += finished.work - finished.held;
    unsaved_.pop_back();
  }
  last_ = Clock::now();
}

bool UnitCheckpoints::write(const StackId& id, CheckpointKind kind, double work,
                            const VisitState& state) {
  const auto begun = Clock::now();
  const auto complain = [&](const std::string& why) {
    if (!complained_) log_error("no checkpoint for now, training goes on: " + why);
    complained_ = true;
    return false;
  };
  try {
    std::error_code ignored;  // writing says what is wrong
    fs::create_directories(directory_.checkpoints(), ignored);
    const auto bytes = write_checkpoint(
        directory_.checkpoint(id), {id, kind, policy_.made_on, static_cast<std::int64_t>(work)},
        state, [&] { progress_.advance(0.0); });
    const std::chrono::duration<double, std::milli> taken = Clock::now() - begun;
    log_info("checkpoint of stack " + id.str() + ": " + std::to_string(bytes >> 10) + " KiB in " +
             std::to_string(static_cast<int>(taken.count())) + " ms");
    return true;
  } catch (const IoError& error) {
    return complain(error.what());
  } catch (const std::bad_alloc&) {
    return complain("out of memory");
  } catch (const c10::Error& error) {
    if (!is_out_of_memory(error)) throw;
    return complain("out of memory");
  }
}

void UnitCheckpoints::finish_stack(std::vector<TrialRecord> records) {
  const bool from_file =
      current_held_ >= current_work_ && stored_ && stored_->kind() == CheckpointKind::Finished;
  if (!from_file) unsaved_.push_back({current_, current_work_, current_held_, std::move(records)});
  end_stack(current_held_);
}

void UnitCheckpoints::finish_stages() {
  remove(current_);
  end_stack(current_work_);
}

void UnitCheckpoints::end_stack(double held) {
  held_ += held;
  current_held_ = 0.0;
  stored_.reset();
  reached_ += current_work_;
  progress_.reach(reached_);
}

void UnitCheckpoints::remove(const StackId& id) const {
  std::error_code ignored;  // it is of no use to anybody, but does no harm either
  fs::remove(directory_.checkpoint(id), ignored);
}

void UnitCheckpoints::remove_all() {
  for (const auto& id : stacks_) remove(id);
  unsaved_.clear();
}

double UnitCheckpoints::held_fraction() const { return share(held_ + current_held_); }

double UnitCheckpoints::resumed_fraction() const { return share(resumed_); }

}  // namespace calsweep::worker
