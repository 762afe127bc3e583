#include "orchestrator/ledger.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <gtest/gtest.h>

#include <map>

#include <fstream>

#include "sweeps/errors.hpp"
#include "tests/support/temporary_directory.hpp"

namespace calsweep::orchestrator {
namespace {

class LedgerTest : public ::testing::Test {
 protected:
  LedgerTest() {
    unit.id = UnitId::of("u");
    unit.trials = {TrialId::of("a"), TrialId::of("b")};
    stage.id = UnitId::of("s");
    stage.kind = UnitKind::Stage;
    stage.makes = {StageId::of("x"), StageId::of("y")};
  }
  UnitDone done(const PlannedUnit& plan, std::int64_t attempt) const {
    return {{}, plan.id, Attempt{attempt}, "sum", 123, 1.5, 0.0, {}};
  }
  std::string ask(const std::string& sql) {
    SQLite::Database db(file.string());
    return db.execAndGet(sql).getString();
  }

  calsweep::testing::TemporaryDirectory folder;
  std::filesystem::path file = folder / "ledger.db";
  PlannedUnit unit, stage;
};

TEST_F(LedgerTest, new_ledger_is_empty_and_of_this_version) {
  { const Ledger ledger(file); }
  EXPECT_EQ(ask("PRAGMA user_version"), std::to_string(kLedgerVersion));
  EXPECT_EQ(ask("PRAGMA journal_mode"), "delete");
  const Ledger ledger(file);
  EXPECT_EQ(number(ledger.last_attempt()), 0);
  EXPECT_TRUE(ledger.done_trials().empty());
}

TEST_F(LedgerTest, completion_survives_reopening) {
  {
    Ledger ledger(file);
    ledger.begin();
    ledger.start_run("h", 7);
    ledger.attempt_started(Attempt{5}, unit, "h", {AgentId{2}, 1});
    ledger.commit();
    ledger.begin();
    UnitDone answer = done(unit, 5);
    answer.diverged = {TrialId::of("b")};
    ledger.unit_sealed(unit, answer);
    ledger.commit();
  }
  const Ledger ledger(file);
  EXPECT_EQ(number(ledger.last_attempt()), 5);
  EXPECT_EQ(ledger.done_trials(),
            (std::unordered_set<TrialId>{TrialId::of("a"), TrialId::of("b")}));
  EXPECT_EQ(ledger.n_diverged(), 1);
  EXPECT_TRUE(ledger.knows_unit(unit.id));
  ASSERT_EQ(ledger.sealed_units().size(), 1U);
  EXPECT_EQ(ledger.sealed_units()[0].bytes, 123);
  EXPECT_EQ(ledger.sealed_units()[0].checksum, "sum");
}

TEST_F(LedgerTest, what_was_not_committed_is_not_there) {
  {
    Ledger ledger(file);
    ledger.begin();
    ledger.unit_sealed(unit, done(unit, 1));
  }
  const Ledger ledger(file);
  EXPECT_TRUE(ledger.done_trials().empty());
}

TEST_F(LedgerTest, attempts_without_an_end_are_closed_as_lost_by_the_next_run) {
  {
    Ledger ledger(file);
    ledger.begin();
    ledger.start_run("h", 7);
    ledger.attempt_started(Attempt{1}, unit, "h", {});
    ledger.attempt_started(Attempt{2}, unit, "h", {});
    ledger.attempt_ended(Attempt{1}, AttemptEnd::Failed, "exit code 3", "words");
    ledger.commit();
    ledger.begin();
    ledger.start_run("h", 8);
    ledger.commit();
  }
  EXPECT_EQ(ask("SELECT outcome FROM attempts WHERE attempt = 1"), "failed");
  EXPECT_EQ(ask("SELECT outcome FROM attempts WHERE attempt = 2"), "lost");
  EXPECT_EQ(ask("SELECT outcome FROM runs WHERE pid = 7"), "died");
}

TEST_F(LedgerTest, stages_are_known_by_their_ids) {
  Ledger ledger(file);
  ledger.begin();
  ledger.unit_sealed(stage, done(stage, 1));
  ledger.stage_lost(StageId::of("y"), "gone");
  ledger.commit();
  EXPECT_EQ(ledger.made_stages(), (std::unordered_set<StageId>{StageId::of("x")}));
}

TEST_F(LedgerTest, lost_unit_gives_its_trials_back) {
  Ledger ledger(file);
  ledger.begin();
  ledger.unit_sealed(unit, done(unit, 1));
  ledger.unit_lost(unit.id, "gone");
  ledger.commit();
  EXPECT_TRUE(ledger.done_trials().empty());
  EXPECT_FALSE(ledger.knows_unit(unit.id));
}

TEST_F(LedgerTest, set_aside_trials_are_cleared_by_success) {
  {
    Ledger ledger(file);
    ledger.begin();
    ledger.set_aside(unit, "killed", "words");
    ledger.commit();
  }
  EXPECT_EQ(ask("SELECT count(*) FROM set_aside"), "2");
  {
    Ledger ledger(file);
    ledger.begin();
    ledger.unit_sealed(unit, done(unit, 9));
    ledger.commit();
  }
  EXPECT_EQ(ask("SELECT count(*) FROM set_aside"), "0");
}

TEST_F(LedgerTest, newer_version_is_refused) {
  { const Ledger ledger(file); }
  {
    SQLite::Database db(file.string(), SQLite::OPEN_READWRITE);
    db.exec("PRAGMA user_version = 99");
  }
  EXPECT_THROW(Ledger{file}, UsageError);
}

TEST_F(LedgerTest, damage_and_foreign_files_are_format_errors) {
  std::ofstream(file) << std::string(10000, 'x');
  EXPECT_THROW(Ledger{file}, FormatError);
  std::filesystem::remove(file);
  {
    SQLite::Database db(file.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    db.exec("CREATE TABLE something_else(x)");
  }
  EXPECT_THROW(Ledger{file}, FormatError);
}

TEST_F(LedgerTest, damage_that_sqlite_does_not_see_is_found_on_opening) {
  const auto damage = [&](const char* sql) {
    std::filesystem::remove(file);
    {
      Ledger ledger(file);
      ledger.begin();
      ledger.unit_sealed(unit, done(unit, 1));
      ledger.commit();
    }
    SQLite::Database(file.string(), SQLite::OPEN_READWRITE).exec(sql);
  };
  damage("ANALYZE");  // changes nothing of ours
  EXPECT_NO_THROW(Ledger{file});
  for (const char* sql :
       {"DROP TABLE unit_members", "ALTER TABLE attempts RENAME COLUMN cause TO because",
        "UPDATE units SET unit = substr(unit, 2)", "UPDATE unit_members SET trial = 'Q' || "
        "substr(trial, 2)", "UPDATE unit_members SET trial = x'0102'"}) {
    damage(sql);
    EXPECT_THROW(Ledger{file}, FormatError) << sql;
  }
}

TEST_F(LedgerTest, fusion_limits_and_set_aside_trials_are_remembered) {
  {
    Ledger ledger(file);
    ledger.begin();
    ledger.start_run("h", 7);
    ledger.remember({"mlp d6", "cuda NVIDIA H100", 8});
    ledger.remember({"mlp d6", "cuda NVIDIA H100", 4});
    ledger.remember({"mlp d2", "cpu", 2});
    ledger.set_aside(unit, "killed", "");
    ledger.commit();
  }
  const Ledger ledger(file);
  std::map<std::string, std::int64_t> widths;
  for (const auto& limit : ledger.fusion_limits()) widths[limit.shape + limit.device] = limit.width;
  EXPECT_EQ(widths, (std::map<std::string, std::int64_t>{{"mlp d6cuda NVIDIA H100", 4},
                                                         {"mlp d2cpu", 2}}));
  EXPECT_EQ(ledger.set_aside_trials(),
            (std::unordered_set<TrialId>{TrialId::of("a"), TrialId::of("b")}));
}

TEST_F(LedgerTest, a_ledger_of_version_1_is_brought_up_to_date) {
  {
    Ledger ledger(file);
    ledger.begin();
    ledger.start_run("h", 7);
    ledger.attempt_started(Attempt{3}, unit, "h", {AgentId{1}, 0});
    ledger.unit_sealed(unit, done(unit, 3));
    ledger.commit();
  }
  SQLite::Database(file.string(), SQLite::OPEN_READWRITE)
      .exec("DROP TABLE fusion_limits; ALTER TABLE attempts DROP COLUMN resumed_at; "
            "PRAGMA user_version = 1");
  {
    Ledger ledger(file);
    EXPECT_EQ(ledger.done_trials().size(), 2U);
    ledger.begin();
    ledger.remember({"s", "cpu", 2});
    ledger.attempt_started(Attempt{4}, stage, "h", {AgentId{1}, 0});
    ledger.unit_sealed(stage, done(stage, 4));
    ledger.commit();
  }
  EXPECT_EQ(ask("PRAGMA user_version"), "2");
  EXPECT_EQ(ask("SELECT group_concat(attempt) FROM attempts"), "3,4");
}

TEST_F(LedgerTest, second_opening_is_refused_while_the_first_lives) {
  Ledger ledger(file);
  ledger.begin();
  ledger.event(NoteLevel::Info, "mine");
  ledger.commit();
  EXPECT_THROW(Ledger{file}, IoError);
}

TEST_F(LedgerTest, folder_that_is_not_there_is_an_io_error) {
  EXPECT_THROW(Ledger{folder / "nowhere/ledger.db"}, IoError);
}

}  // namespace
}  // namespace calsweep::orchestrator
