#include "orchestrator/ledger.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/core.h>
#include <sqlite3.h>

#include <optional>

#include "orchestrator/ledger_schema.hpp"
#include "orchestrator/utc_time.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/version.hpp"

namespace calsweep::orchestrator {
namespace {

std::string_view to_text(AttemptEnd end) {
  switch (end) {
    case AttemptEnd::Failed:
      return "failed";
    case AttemptEnd::Lost:
      return "lost";
    case AttemptEnd::Interrupted:
      return "interrupted";
  }
  return "failed";
}

std::string_view to_text(NoteLevel level) {
  switch (level) {
    case NoteLevel::Info:
      return "info";
    case NoteLevel::Warning:
      return "warning";
    case NoteLevel::Error:
      return "error";
  }
  return "info";
}

std::string_view to_text(UnitKind kind) { return kind == UnitKind::Stage ? "stage" : "trials"; }

// SQLite's error -> what a person can do.
[[noreturn]] void rethrow(const SQLite::Exception& error, const std::filesystem::path& file) {
  const int code = error.getErrorCode();
  const std::string what = fmt::format("the ledger {}: {}", file.string(), error.what());
  // SQLITE_ERROR: our statements are right, so a table or column of the file is not.
  if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB || code == SQLITE_ERROR) {
    throw FormatError(what);
  }
  if (code == SQLITE_FULL) {
    throw IoError(what + "; make room on that disk and run the same command again");
  }
  if (code == SQLITE_READONLY || code == SQLITE_CANTOPEN || code == SQLITE_PERM) {
    throw IoError(what + "; the run directory must be writable");
  }
  if (code == SQLITE_BUSY) throw IoError(what + "; another program has it open: close that first");
  throw IoError(what + "; check the disk and run the same command again");
}

// Binds arguments in order, runs the statement, makes it ready for the next time.
template <class... Arguments>
void run(SQLite::Statement& statement, const Arguments&... arguments) {
  statement.reset();
  int column = 0;
  (statement.bind(++column, arguments), ...);
  statement.exec();
  statement.reset();
}

}  // namespace

struct Ledger::Impl {
  explicit Impl(const std::filesystem::path& path)
      : file(path), db(path.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE) {}

  SQLite::Statement& statement(std::optional<SQLite::Statement>& cached, const char* sql) {
    if (!cached) cached.emplace(db, sql);
    return *cached;
  }

  template <class Function>
  auto guarded(Function function) const {
    try {
      return function();
    } catch (const SQLite::Exception& error) {
      rethrow(error, file);
    }
  }

  void close_attempt(Attempt attempt, std::string_view outcome, std::string_view cause,
                     std::string_view message, double seconds, double resumed_at = 0.0);
  void insert_contents(const PlannedUnit& unit, const UnitDone& done);

  std::filesystem::path file;
  SQLite::Database db;
  std::optional<SQLite::Transaction> transaction;
  std::int64_t run_number = 0;
  std::string round_time;  ///< one time stamp per transaction
  std::optional<SQLite::Statement> insert_attempt, insert_unit, end_attempt, seal_unit,
      insert_member, insert_stage, clear_set_aside, insert_set_aside, insert_event;
};

Ledger::Ledger(const std::filesystem::path& file) {
  try {
    impl_ = std::make_unique<Impl>(file);
    prepare_ledger(impl_->db, file);
  } catch (const SQLite::Exception& error) {
    impl_.reset();
    rethrow(error, file);
  }
}

Ledger::~Ledger() = default;

Attempt Ledger::last_attempt() const {
  return impl_->guarded([&] {
    // Files rebuilt from know attempts that the attempts table may not.
    return Attempt{impl_->db
                       .execAndGet("SELECT max(coalesce((SELECT max(attempt) FROM attempts), 0),"
                                   "           coalesce((SELECT max(attempt) FROM units), 0))")
                       .getInt64()};
  });
}

std::vector<SealedUnit> Ledger::sealed_units() const {
  return impl_->guarded([&] {
    std::vector<SealedUnit> units;
    SQLite::Statement query(impl_->db,
                            "SELECT unit, kind, checksum, bytes FROM units WHERE state = 'sealed'");
    while (query.executeStep()) {
      units.push_back(
          {UnitId::from_hex(query.getColumn(0).getText()),
           query.getColumn(1).getString() == "stage" ? UnitKind::Stage : UnitKind::Trials,
           query.getColumn(2).getString(), query.getColumn(3).getInt64()});
    }
    return units;
  });
}

std::unordered_set<TrialId> Ledger::done_trials() const {
  return impl_->guarded([&] {
    std::unordered_set<TrialId> trials;
    SQLite::Statement query(impl_->db, "SELECT trial FROM unit_members");
    while (query.executeStep()) trials.insert(TrialId::from_hex(query.getColumn(0).getText()));
    return trials;
  });
}

std::unordered_set<StageId> Ledger::made_stages() const {
  return impl_->guarded([&] {
    std::unordered_set<StageId> stages;
    SQLite::Statement query(impl_->db, "SELECT stage FROM stages");
    while (query.executeStep()) stages.insert(StageId::from_hex(query.getColumn(0).getText()));
    return stages;
  });
}

std::int64_t Ledger::n_diverged() const {
  return impl_->guarded([&] {
    return impl_->db.execAndGet("SELECT count(*) FROM unit_members WHERE diverged").getInt64();
  });
}

std::unordered_set<TrialId> Ledger::set_aside_trials() const {
  return impl_->guarded([&] {
    std::unordered_set<TrialId> trials;
    SQLite::Statement query(impl_->db, "SELECT trial FROM set_aside");
    while (query.executeStep()) trials.insert(TrialId::from_hex(query.getColumn(0).getText()));
    return trials;
  });
}

std::vector<FusionLimit> Ledger::fusion_limits() const {
  return impl_->guarded([&] {
    std::vector<FusionLimit> limits;
    SQLite::Statement query(impl_->db, "SELECT shape, device, width FROM fusion_limits");
    while (query.executeStep()) {
      limits.push_back({query.getColumn(0).getString(), query.getColumn(1).getString(),
                        query.getColumn(2).getInt64()});
    }
    return limits;
  });
}

bool Ledger::knows_unit(const UnitId& unit) const {
  return impl_->guarded([&] {
    SQLite::Statement query(impl_->db, "SELECT 1 FROM units WHERE unit = ? AND state = 'sealed'");
    query.bind(1, unit.str());
    return query.executeStep();
  });
}

void Ledger::begin() {
  impl_->guarded([&] {
    impl_->transaction.emplace(impl_->db, SQLite::TransactionBehavior::IMMEDIATE);
    impl_->round_time = utc_now();
  });
}

void Ledger::commit() {
  impl_->guarded([&] {
    impl_->transaction->commit();
    impl_->transaction.reset();
  });
}

void Ledger::start_run(std::string_view host, std::int64_t pid) {
  impl_->guarded([&] {
    const std::string now = utc_now();
    SQLite::Statement close(impl_->db,
                            "UPDATE attempts SET outcome = 'lost', ended_at = ?, cause = 'the "
                            "coordinator ended before an answer came' WHERE outcome IS NULL");
    run(close, now);
    SQLite::Statement end(impl_->db,
                          "UPDATE runs SET outcome = 'died', ended_at = ? WHERE outcome IS NULL");
    run(end, now);
    SQLite::Statement insert(impl_->db,
                             "INSERT INTO runs(started_at, host, pid, calsweep_version) "
                             "VALUES (?, ?, ?, ?)");
    run(insert, now, std::string(host), pid, std::string(version()));
    impl_->run_number = impl_->db.getLastInsertRowid();
  });
}

void Ledger::end_run(std::string_view outcome) {
  impl_->guarded([&] {
    SQLite::Statement end(impl_->db, "UPDATE runs SET outcome = ?, ended_at = ? WHERE run = ?");
    run(end, std::string(outcome), utc_now(), impl_->run_number);
  });
}

void Ledger::attempt_started(Attempt attempt, const PlannedUnit& unit, std::string_view host,
                             SlotId slot) {
  impl_->guarded([&] {
    run(impl_->statement(impl_->insert_unit,
                         "INSERT INTO units(unit, kind, shape, flops, state) "
                         "VALUES (?, ?, ?, ?, 'open') ON CONFLICT(unit) DO NOTHING"),
        unit.id.str(), std::string(to_text(unit.kind)), unit.shape, unit.flops);
    run(impl_->statement(impl_->insert_attempt,
                         "INSERT INTO attempts(attempt, unit, run, host, agent, slot, started_at) "
                         "VALUES (?, ?, ?, ?, ?, ?, ?)"),
        number(attempt), unit.id.str(), impl_->run_number, std::string(host), number(slot.agent),
        slot.slot, impl_->round_time);
  });
}

void Ledger::attempt_ended(Attempt attempt, AttemptEnd end, std::string_view cause,
                           std::string_view message) {
  impl_->guarded([&] { impl_->close_attempt(attempt, to_text(end), cause, message, 0.0); });
}

void Ledger::Impl::close_attempt(Attempt attempt, std::string_view outcome, std::string_view cause,
                                 std::string_view message, double seconds,
                                 double resumed_at) {
  run(statement(end_attempt,
                "UPDATE attempts SET outcome = ?, ended_at = ?, cause = ?, message = ?, "
                "seconds = ?, resumed_at = ? WHERE attempt = ?"),
      std::string(outcome), round_time, std::string(cause), std::string(message), seconds,
      resumed_at, number(attempt));
}

void Ledger::Impl::insert_contents(const PlannedUnit& unit, const UnitDone& done) {
  run(statement(seal_unit,
                "INSERT INTO units(unit, kind, shape, flops, state, checksum, bytes, attempt, "
                "sealed_at) VALUES (?, ?, ?, ?, 'sealed', ?, ?, ?, ?) ON CONFLICT(unit) DO UPDATE "
                "SET state = 'sealed', checksum = excluded.checksum, bytes = excluded.bytes, "
                "attempt = excluded.attempt, sealed_at = excluded.sealed_at"),
      unit.id.str(), std::string(to_text(unit.kind)), unit.shape, unit.flops, done.checksum,
      done.bytes, number(done.attempt), round_time);
  const std::unordered_set<TrialId> diverged(done.diverged.begin(), done.diverged.end());
  for (const TrialId& trial : unit.trials) {
    run(statement(insert_member,
                  "INSERT INTO unit_members(unit, trial, diverged) VALUES (?, ?, ?)"),
        unit.id.str(), trial.str(), static_cast<int>(diverged.contains(trial)));
    run(statement(clear_set_aside, "DELETE FROM set_aside WHERE trial = ?"), trial.str());
  }
  for (const StageId& stage : unit.makes) {
    run(statement(
            insert_stage,
            "INSERT OR REPLACE INTO stages(stage, unit, attempt, made_at) VALUES (?, ?, ?, ?)"),
        stage.str(), unit.id.str(), number(done.attempt), round_time);
  }
}

void Ledger::unit_sealed(const PlannedUnit& unit, const UnitDone& done) {
  impl_->guarded([&] {
    impl_->close_attempt(done.attempt, "done", "", "", done.seconds, done.resumed_at);
    impl_->insert_contents(unit, done);
  });
}

void Ledger::unit_adopted(const PlannedUnit& unit, const UnitDone& done) {
  impl_->guarded([&] {
    SQLite::Statement end(impl_->db,
                          "UPDATE attempts SET outcome = 'done', ended_at = ?, cause = 'taken up "
                          "from its sealed file' WHERE attempt = ? AND unit = ? AND "
                          "outcome IS NOT 'done'");
    run(end, impl_->round_time, number(done.attempt), unit.id.str());
    impl_->insert_contents(unit, done);
  });
}

void Ledger::unit_lost(const UnitId& unit, std::string_view why) {
  impl_->guarded([&] {
    for (const char* sql :
         {"UPDATE units SET state = 'lost' WHERE unit = ?",
          "DELETE FROM unit_members WHERE unit = ?", "DELETE FROM stages WHERE unit = ?"}) {
      SQLite::Statement statement(impl_->db, sql);
      run(statement, unit.str());
    }
  });
  event(NoteLevel::Warning, why);
}

void Ledger::stage_lost(const StageId& stage, std::string_view why) {
  impl_->guarded([&] {
    SQLite::Statement statement(impl_->db, "DELETE FROM stages WHERE stage = ?");
    run(statement, stage.str());
  });
  event(NoteLevel::Warning, why);
}

void Ledger::set_aside(const PlannedUnit& unit, std::string_view cause, std::string_view message) {
  impl_->guarded([&] {
    for (const TrialId& trial : unit.trials) {
      run(impl_->statement(impl_->insert_set_aside,
                           "INSERT OR REPLACE INTO set_aside(trial, unit, run, cause, message) "
                           "VALUES (?, ?, ?, ?, ?)"),
          trial.str(), unit.id.str(), impl_->run_number, std::string(cause), std::string(message));
    }
  });
}

void Ledger::unit_divided(const UnitId& unit) {
  impl_->guarded([&] {
    SQLite::Statement statement(impl_->db, "UPDATE units SET state = 'divided' WHERE unit = ?");
    run(statement, unit.str());
  });
}

void Ledger::remember(const FusionLimit& limit) {
  impl_->guarded([&] {
    SQLite::Statement statement(impl_->db,
                                "INSERT OR REPLACE INTO fusion_limits(shape, device, width, "
                                "learnt_at) VALUES (?, ?, ?, ?)");
    run(statement, limit.shape, limit.device, limit.width, utc_now());
  });
}

void Ledger::event(NoteLevel level, std::string_view text) {
  impl_->guarded([&] {
    run(impl_->statement(impl_->insert_event,
                         "INSERT INTO events(at, level, text) VALUES (?, ?, ?)"),
        utc_now(), std::string(to_text(level)), std::string(text));
  });
}

}  // namespace calsweep::orchestrator
