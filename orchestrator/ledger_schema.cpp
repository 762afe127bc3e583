#include "orchestrator/ledger_schema.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/core.h>

#include <string>
#include <string_view>

#include "orchestrator/ledger.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/ids.hpp"

namespace calsweep::orchestrator {
namespace {

// What version 2 added; also the step from 1 to 2.
constexpr const char* kTablesOfVersion2 = R"sql(
CREATE TABLE fusion_limits(
  shape TEXT NOT NULL, device TEXT NOT NULL, width INTEGER NOT NULL, learnt_at TEXT NOT NULL,
  PRIMARY KEY(shape, device));
ALTER TABLE attempts ADD COLUMN resumed_at REAL;
)sql";

constexpr const char* kTables = R"sql(
CREATE TABLE runs(
  run INTEGER PRIMARY KEY, started_at TEXT NOT NULL, ended_at TEXT, host TEXT NOT NULL,
  pid INTEGER NOT NULL, calsweep_version TEXT NOT NULL, outcome TEXT);
CREATE TABLE units(
  unit TEXT PRIMARY KEY, kind TEXT NOT NULL, shape TEXT NOT NULL, flops REAL NOT NULL,
  state TEXT NOT NULL, checksum TEXT, bytes INTEGER, attempt INTEGER, sealed_at TEXT);
CREATE TABLE unit_members(unit TEXT NOT NULL, trial TEXT NOT NULL, diverged INTEGER NOT NULL);
CREATE TABLE attempts(
  attempt INTEGER PRIMARY KEY, unit TEXT NOT NULL, run INTEGER NOT NULL, host TEXT NOT NULL,
  agent INTEGER NOT NULL, slot INTEGER NOT NULL, started_at TEXT NOT NULL, ended_at TEXT,
  outcome TEXT, cause TEXT, message TEXT, seconds REAL);
CREATE TABLE stages(
  stage TEXT PRIMARY KEY, unit TEXT NOT NULL, attempt INTEGER NOT NULL, made_at TEXT NOT NULL);
CREATE TABLE set_aside(
  trial TEXT PRIMARY KEY, unit TEXT NOT NULL, run INTEGER NOT NULL, cause TEXT NOT NULL,
  message TEXT NOT NULL);
CREATE TABLE events(
  event INTEGER PRIMARY KEY, at TEXT NOT NULL, level TEXT NOT NULL, text TEXT NOT NULL);
)sql";

void apply(SQLite::Database& db, std::initializer_list<const char*> steps) {
  SQLite::Transaction change(db);
  for (const char* sql : steps) db.exec(sql);
  db.exec(fmt::format("PRAGMA user_version = {}", kLedgerVersion));
  change.commit();
}

void bring_up_to_date(SQLite::Database& db, const std::filesystem::path& file) {
  const int found = db.execAndGet("PRAGMA user_version").getInt();
  if (found > kLedgerVersion) {
    throw UsageError(fmt::format(
        "{} was written by a newer calsweep (ledger version {}, this one reads up to {}): use "
        "that version",
        file.string(), found, kLedgerVersion));
  }
  if (found == 0) {
    const int n_tables = db.execAndGet("SELECT count(*) FROM sqlite_master").getInt();
    if (n_tables > 0) throw FormatError(fmt::format("{} is not a ledger", file.string()));
    apply(db, {kTables, kTablesOfVersion2});
  }
  if (found == 1) apply(db, {kTablesOfVersion2});
}

// What SQLite's own check cannot know: our tables and columns, and that an id is an id.
void check_columns(SQLite::Database& db) {
  for (const char* columns :
       {"run, started_at, ended_at, host, pid, calsweep_version, outcome FROM runs",
        "unit, run, host, agent, slot, started_at, ended_at, outcome, cause, message, seconds, "
        "resumed_at FROM attempts",
        "shape, flops FROM units", "diverged FROM unit_members", "attempt, made_at FROM stages",
        "trial, unit, run, cause, message FROM set_aside", "event, at, level, text FROM events",
        "shape, device, width, learnt_at FROM fusion_limits"}) {
    const SQLite::Statement compiles(db, fmt::format("SELECT {}", columns));
  }
}

void check_ids(SQLite::Database& db, const std::filesystem::path& file) {
  for (const char* id : {"unit FROM units", "trial FROM unit_members", "stage FROM stages",
                         "trial FROM set_aside"}) {
    const std::string name(id, std::string_view(id).find(' '));
    const auto n_wrong = db.execAndGet(fmt::format(
        "SELECT count(*) FROM (SELECT {0}) WHERE typeof({1}) <> 'text' OR length({1}) <> {2} OR "
        "{1} GLOB '*[^0-9a-f]*'",
        id, name, UnitId::kHexDigits));
    if (n_wrong.getInt64() == 0) continue;
    throw FormatError(fmt::format("{} is damaged: {} ids of the column {} are none", file.string(),
                                  n_wrong.getInt64(), name));
  }
}

}  // namespace

void prepare_ledger(SQLite::Database& db, const std::filesystem::path& file) {
  db.exec("PRAGMA locking_mode = EXCLUSIVE");
  db.exec("PRAGMA journal_mode = DELETE");
  db.exec("PRAGMA synchronous = FULL");
  bring_up_to_date(db, file);
  const std::string verdict = db.execAndGet("PRAGMA quick_check(1)").getString();
  if (verdict != "ok") {
    throw FormatError(fmt::format("{} is damaged: {}", file.string(), verdict));
  }
  check_columns(db);
  check_ids(db, file);
}

}  // namespace calsweep::orchestrator
