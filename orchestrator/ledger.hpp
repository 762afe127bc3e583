// ledger.db: what was tried, when, where and how it ended. The format is docs/ledger.md.
//
// One writer, the coordinator; rollback journal, exclusive lock, full synchronisation (no WAL: run
// directories lie on shared file systems). The truth about a result is its sealed unit file; the
// ledger says which files are known to be whole, and is rebuilt from them when lost or damaged
// (ledger_recovery.hpp). Changes are made inside begin() … commit(): one transaction per poll
// round.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "orchestrator/coordinator_types.hpp"
#include "sweeps/ids.hpp"

namespace calsweep::orchestrator {

/// Bumped with every change of the tables; written as PRAGMA user_version.
inline constexpr int kLedgerVersion = 2;

/// A unit file the ledger knows to be whole.
struct SealedUnit {
  UnitId unit;
  UnitKind kind = UnitKind::Trials;
  std::string checksum;
  std::int64_t bytes = 0;
};

class Ledger {
 public:
  /// Opens or creates. Throws FormatError if the file is damaged or no ledger (it is then left as
  /// it is), UsageError if a newer calsweep wrote it, IoError if it cannot be read or written.
  explicit Ledger(const std::filesystem::path& file);
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  // ---- reading ----------------------------------------------------------------------------------
  Attempt last_attempt() const;
  std::vector<SealedUnit> sealed_units() const;
  std::unordered_set<TrialId> done_trials() const;
  std::unordered_set<StageId> made_stages() const;
  std::int64_t n_diverged() const;
  /// Trials that earlier runs gave up.
  std::unordered_set<TrialId> set_aside_trials() const;
  std::vector<FusionLimit> fusion_limits() const;
  bool knows_unit(const UnitId& unit) const;

  // ---- writing, inside begin() … commit() -------------------------------------------------------
  void begin();
  void commit();

  /// One invocation of `calsweep run`; attempts refer to it. Earlier attempts without an end are
  /// closed as lost (their coordinator ended before an answer came).
  void start_run(std::string_view host, std::int64_t pid);
  void end_run(std::string_view outcome);
  void attempt_started(Attempt attempt, const PlannedUnit& unit, std::string_view host,
                       SlotId slot);
  void attempt_ended(Attempt attempt, AttemptEnd end, std::string_view cause,
                     std::string_view message);
  /// The completion of a unit: its attempt, the unit, its trials or stages.
  void unit_sealed(const PlannedUnit& unit, const UnitDone& done);
  /// Takes up a file that was sealed while nobody was listening.
  void unit_adopted(const PlannedUnit& unit, const UnitDone& done);
  /// The unit's file is gone or damaged: its trials are to be done again.
  void unit_lost(const UnitId& unit, std::string_view why);
  void stage_lost(const StageId& stage, std::string_view why);
  void set_aside(const PlannedUnit& unit, std::string_view cause, std::string_view message);
  /// Its parts take its place.
  void unit_divided(const UnitId& unit);
  void remember(const FusionLimit& limit);
  void event(NoteLevel level, std::string_view text);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace calsweep::orchestrator
