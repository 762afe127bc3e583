// A run directory with a small sweep, run in this process with the fake trainer; and its ledger
// read from outside, with SQLite's own interface, as a second pair of eyes.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "orchestrator/launch.hpp"
#include "orchestrator/run_sweep.hpp"
#include "orchestrator/status_file.hpp"
#include "orchestrator/stop_signal.hpp"
#include "sweeps/log.hpp"
#include "tests/support/small_sweep.hpp"
#include "tests/support/temporary_directory.hpp"

namespace calsweep::orchestrator::testing {

class RunTest : public ::testing::Test {
 protected:
  RunTest() : sweep(calsweep::testing::expand_or_fail(calsweep::testing::kSmallSpec)) {
    log::set_up("test", log::Level::Off);
    forget_stop_signals();
    // Every stack of three a unit of its own: some twenty small units.
    sweep.spec.execution.fuse = 3;
    sweep.spec.execution.unit_seconds = 1e-6;
    options.trainer = FAKE_TRAINER_PROGRAM;
    options.slots = 2;
    options.display = DisplayMode::Off;
    options.lock_wait_seconds = 0.2;
    behave("");
  }

  void behave(const std::string& how) { ::setenv("FAKE_TRAINER", how.c_str(), 1); }
  int run() {
    Launch launch = Launch::alone();
    return run_sweep(sweep, directory, options, launch);
  }
  RunStatus status() { return read_status(directory); }
  std::int64_t ask(const std::string& sql) {
    SQLite::Database ledger(directory.ledger().string());
    return ledger.execAndGet(sql).getInt64();
  }
  std::string ask_text(const std::string& sql) {
    SQLite::Database ledger(directory.ledger().string());
    return ledger.execAndGet(sql).getString();
  }
  std::int64_t n_trials() const { return static_cast<std::int64_t>(sweep.trials.size()); }
  void expect_all_done_once() {
    EXPECT_EQ(ask("SELECT count(DISTINCT trial) FROM unit_members"), n_trials());
    EXPECT_EQ(ask("SELECT count(*) FROM unit_members"), n_trials());
    EXPECT_EQ(ask("SELECT count(*) FROM (SELECT unit FROM attempts WHERE outcome = 'done' "
                  "GROUP BY unit HAVING count(*) > 1)"),
              0);
    EXPECT_EQ(status().state, RunState::Complete);
    EXPECT_EQ(status().trials_done, n_trials());
  }

  calsweep::testing::TemporaryDirectory folder;
  RunDirectory directory{folder / "run"};
  Sweep sweep;
  RunOptions options;

  void SetUp() override { fs::create_directories(directory.root()); }
};

}  // namespace calsweep::orchestrator::testing
