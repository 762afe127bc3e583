#include "orchestrator/ledger_recovery.hpp"

#include <fmt/core.h>

#include <unordered_map>

#include "sweeps/errors.hpp"
#include "sweeps/log.hpp"
#include "sweeps/unit_file.hpp"

namespace calsweep::orchestrator {
namespace {

constexpr int kMostListed = 5;  // files in messages

// One pass over ledger and files, inside one transaction.
class Reconciliation {
 public:
  Reconciliation(Ledger& ledger, const RunDirectory& run) : ledger_(ledger), run_(run) {}

  void units();
  void stages(std::unordered_set<StageId>& present);

 private:
  void check_known(const SealedUnit& known, std::unordered_map<UnitId, std::int64_t>& sizes);
  bool adopt(const UnitId& unit, std::int64_t bytes);
  void quarantine(const UnitId& unit, const std::string& why);

  Ledger& ledger_;
  const RunDirectory& run_;
  int n_adopted_ = 0, n_lost_ = 0;
};

std::unordered_map<UnitId, std::int64_t> sizes_on_disk(const RunDirectory& run) {
  std::unordered_map<UnitId, std::int64_t> sizes;
  for (const UnitId& unit : run.sealed_units()) {
    std::error_code error;
    const auto bytes = fs::file_size(run.unit(unit), error);
    sizes[unit] = error ? -1 : static_cast<std::int64_t>(bytes);
  }
  return sizes;
}

void remove_partial_files(const fs::path& folder) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().filename().string().find(".partial") == std::string::npos) continue;
    std::error_code ignored;
    fs::remove(entry.path(), ignored);
  }
}

void Reconciliation::units() {
  auto sizes = sizes_on_disk(run_);
  for (const SealedUnit& known : ledger_.sealed_units()) {
    if (known.kind == UnitKind::Trials) check_known(known, sizes);
  }
  for (const auto& [unit, bytes] : sizes) {
    if (adopt(unit, bytes)) ++n_adopted_;
  }
  if (n_adopted_ == 0) return;
  const auto text = fmt::format(
      "{} sealed unit files that the ledger did not know were verified and taken up", n_adopted_);
  log::info(text);
  ledger_.event(NoteLevel::Info, text);
}

void Reconciliation::check_known(const SealedUnit& known,
                                 std::unordered_map<UnitId, std::int64_t>& sizes) {
  const auto found = sizes.find(known.unit);
  if (found != sizes.end() && found->second == known.bytes) {
    sizes.erase(found);
    return;
  }
  const auto what = found == sizes.end()
                        ? fmt::format("unit file {} is missing", run_.unit(known.unit).string())
                        : fmt::format("unit file {} has {} bytes instead of {}",
                                      run_.unit(known.unit).string(), found->second, known.bytes);
  const auto text = found == sizes.end() ? what + "; its trials are trained again"
                                         : what + "; it is verified anew";
  if (++n_lost_ <= kMostListed) log::warning(text);
  if (n_lost_ == kMostListed + 1) log::warning("… and others; the ledger's events list them all");
  // A file of another size stays in `sizes` and is then taken up or quarantined like an unknown
  // one.
  ledger_.unit_lost(known.unit, text);
}

bool Reconciliation::adopt(const UnitId& unit, std::int64_t bytes) {
  try {
    const UnitFileReader file(run_.unit(unit), true);
    if (file.header().unit != unit) {
      quarantine(unit, fmt::format("it is unit {} under another name", file.header().unit.hex()));
      return false;
    }
    PlannedUnit plan;
    plan.id = unit;
    plan.trials = file.trials();
    UnitDone done{{}, unit, Attempt{file.header().attempt}, file.checksum(), bytes, 0.0, 0.0, {}};
    for (const TrialId& trial : plan.trials) {
      if (file.trial(trial).outcome == TrialOutcome::Diverged) done.diverged.push_back(trial);
    }
    ledger_.unit_adopted(plan, done);
    return true;
  } catch (const FormatError& error) {
    quarantine(unit, error.what());
    return false;
  }
}

void Reconciliation::quarantine(const UnitId& unit, const std::string& why) {
  const fs::path moved = run_.quarantine_file(run_.unit(unit));
  const auto text = fmt::format("damaged unit file moved to {}, its trials are trained again: {}",
                                moved.string(), why);
  log::warning(text);
  ledger_.event(NoteLevel::Warning, text);
}

void Reconciliation::stages(std::unordered_set<StageId>& present) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(run_.stages(), error)) {
    const std::string stem = entry.path().stem().string();
    if (entry.path().extension() != ".pt" || stem.size() != StageId::kHexDigits) continue;
    if (stem.find_first_not_of("0123456789abcdef") != std::string::npos) continue;
    std::error_code unreadable;
    if (entry.file_size(unreadable) > 0 && !unreadable) present.insert(StageId::from_hex(stem));
  }
  for (const StageId& stage : ledger_.made_stages()) {
    if (present.contains(stage)) continue;
    const auto text =
        fmt::format("stage file {} is missing; it is made again if something needs it",
                    run_.stage(stage).string());
    log::warning(text);
    ledger_.stage_lost(stage, text);
  }
}

}  // namespace

std::unique_ptr<Ledger> open_ledger(const RunDirectory& run) {
  const bool existed = fs::exists(run.ledger());
  try {
    auto ledger = std::make_unique<Ledger>(run.ledger());
    if (!existed && !run.sealed_units().empty()) {
      log::warning(fmt::format("{} is missing: it is made anew from the sealed unit files",
                               run.ledger().string()));
    }
    return ledger;
  } catch (const FormatError& error) {
    const fs::path moved = run.quarantine_file(run.ledger());
    fs::path journal = run.ledger();
    journal += "-journal";
    if (fs::exists(journal)) run.quarantine_file(journal);
    log::warning(fmt::format("{}; moved to {}, a new one is made from the sealed unit files",
                             error.what(), moved.string()));
    return std::make_unique<Ledger>(run.ledger());
  }
}

void remove_checkpoints(const RunDirectory& run) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(run.checkpoints(), error)) {
    std::error_code ignored;
    fs::remove(entry.path(), ignored);
  }
}

DoneSet reconcile(Ledger& ledger, const RunDirectory& run) {
  remove_partial_files(run.units());
  remove_partial_files(run.stages());
  remove_partial_files(run.checkpoints());
  DoneSet done;
  Reconciliation work(ledger, run);
  ledger.begin();
  work.units();
  work.stages(done.stages);
  ledger.commit();
  done.trials = ledger.done_trials();
  return done;
}

}  // namespace calsweep::orchestrator
