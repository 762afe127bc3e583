// Whole runs in one process: real agent, real child processes, real ledger; only the training is
// fake.
#include "orchestrator/run_sweep.hpp"

#include <signal.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "orchestrator/run_lock.hpp"
#include "tests/orchestrator/run_fixture.hpp"

namespace calsweep::orchestrator {
namespace {

using testing::RunTest;

TEST_F(RunTest, every_trial_is_done_once) {
  EXPECT_EQ(run(), kExitDone);
  expect_all_done_once();
  EXPECT_EQ(ask("SELECT count(*) FROM attempts WHERE outcome IS NOT 'done'"), 0);
  EXPECT_GT(ask("SELECT count(*) FROM stages"), 0);
  EXPECT_EQ(ask_text("SELECT outcome FROM runs"), "complete");
}

TEST_F(RunTest, stages_end_before_the_units_that_need_them_start) {
  EXPECT_EQ(run(), kExitDone);
  // The fake trainer exits with code 5 if a stage is missing.
  EXPECT_EQ(ask("SELECT count(*) FROM attempts WHERE outcome = 'failed'"), 0);
}

TEST_F(RunTest, second_run_does_nothing) {
  EXPECT_EQ(run(), kExitDone);
  const auto attempts = ask("SELECT count(*) FROM attempts");
  EXPECT_EQ(run(), kExitDone);
  EXPECT_EQ(ask("SELECT count(*) FROM attempts"), attempts);
  EXPECT_EQ(status().trials_reused, n_trials());
}

TEST_F(RunTest, extension_trains_only_what_is_new) {
  EXPECT_EQ(run(), kExitDone);
  const auto attempts = ask("SELECT max(attempt) FROM attempts");
  auto spec = sweep.spec;
  spec.seeds = {0, 1, 2, 3};
  const auto before = n_trials();
  sweep = expand(spec, calsweep::testing::made_up_data());
  EXPECT_EQ(run(), kExitDone);
  expect_all_done_once();
  EXPECT_EQ(status().trials_reused, before);
  EXPECT_EQ(
      ask("SELECT count(*) FROM unit_members m JOIN attempts a USING(unit) WHERE a.attempt > " +
          std::to_string(attempts)),
      n_trials() - before);
}

TEST_F(RunTest, killed_trainer_is_replaced_and_the_run_says_so) {
  behave("killed-once");
  EXPECT_EQ(run(), kExitDone);
  expect_all_done_once();
  EXPECT_EQ(ask("SELECT count(*) FROM attempts WHERE outcome = 'failed' AND "
                "cause = 'killed by signal 9 (SIGKILL)'"),
            1);
  ASSERT_EQ(status().recovered.size(), 1U);
  EXPECT_NE(status().recovered[0].find("killed by signal 9 (SIGKILL)"), std::string::npos);
}

TEST_F(RunTest, exit_code_and_last_log_lines_are_recorded) {
  behave("exit-once");
  EXPECT_EQ(run(), kExitDone);
  EXPECT_EQ(ask_text("SELECT cause FROM attempts WHERE outcome = 'failed'"), "exit code 3");
  EXPECT_EQ(ask_text("SELECT message FROM attempts WHERE outcome = 'failed'"),
            "step 12 | the end is near");
}

TEST_F(RunTest, silent_trainer_is_killed_after_the_heartbeat_limit) {
  behave("hang-once");
  sweep.spec.execution.heartbeat_seconds = 0.5;
  EXPECT_EQ(run(), kExitDone);
  expect_all_done_once();
  EXPECT_EQ(ask_text("SELECT cause FROM attempts WHERE outcome = 'failed'"),
            "silent for more than 0.5 s, killed");
}

TEST_F(RunTest, garbage_failure_and_wrong_size_are_retried) {
  behave("garbage-once,failed-once,short-once");
  options.slots = 1;
  EXPECT_EQ(run(), kExitDone);
  expect_all_done_once();
  EXPECT_EQ(ask("SELECT count(*) FROM attempts WHERE outcome = 'failed'"), 3);
  EXPECT_EQ(ask("SELECT count(*) FROM attempts WHERE cause = 'internal error' AND "
                "message = 'no such layer'"),
            1);
}

TEST_F(RunTest, repeated_answers_change_nothing) {
  behave("twice");
  EXPECT_EQ(run(), kExitDone);
  expect_all_done_once();
}

TEST_F(RunTest, hopeless_units_are_set_aside_after_the_limit) {
  behave("killed-always");
  sweep.spec.execution.max_attempts = 2;
  EXPECT_EQ(run(), kExitFailures);
  EXPECT_EQ(status().state, RunState::Incomplete);
  EXPECT_EQ(status().trials_set_aside, n_trials());
  EXPECT_EQ(ask("SELECT count(*) FROM set_aside"), n_trials());
  // The same command tries them again, and success clears them.
  behave("");
  EXPECT_EQ(run(), kExitDone);
  expect_all_done_once();
  EXPECT_EQ(ask("SELECT count(*) FROM set_aside"), 0);
}

TEST_F(RunTest, missing_trainer_is_one_clear_failure) {
  options.trainer = folder / "no-such-trainer";
  EXPECT_EQ(run(), kExitInternal);
  EXPECT_EQ(status().state, RunState::Failed);
  EXPECT_NE(status().message.find("no-such-trainer"), std::string::npos);
  EXPECT_NE(status().message.find("No such file"), std::string::npos);
}

TEST_F(RunTest, program_that_is_no_executable_is_one_clear_failure) {
  const auto text = folder / "text";
  std::ofstream(text) << "no program";
  fs::permissions(text, fs::perms::owner_all);
  options.trainer = text;
  EXPECT_EQ(run(), kExitInternal);
  EXPECT_NE(status().message.find("Exec format error"), std::string::npos) << status().message;
}

TEST_F(RunTest, trainer_that_dies_at_start_is_not_retried_endlessly) {
  behave("exit-at-start");
  EXPECT_EQ(run(), kExitInternal);
  EXPECT_NE(status().message.find("exit code 127"), std::string::npos);
  EXPECT_NE(status().message.find("libsomething.so"), std::string::npos);
}

TEST_F(RunTest, trainer_without_a_hello_is_given_up) {
  behave("no-hello");
  options.hello_seconds = 0.5;
  EXPECT_EQ(run(), kExitInternal);
  EXPECT_NE(status().message.find("no hello within"), std::string::npos);
}

TEST_F(RunTest, full_disk_stops_with_a_message_and_nothing_is_set_aside) {
  behave("disk-full");
  EXPECT_EQ(run(), kExitInternal);
  EXPECT_EQ(status().state, RunState::Failed);
  EXPECT_NE(status().message.find("No space left on device"), std::string::npos);
  EXPECT_NE(status().message.find("make room"), std::string::npos);
  EXPECT_EQ(status().trials_set_aside, 0);
  behave("");
  EXPECT_EQ(run(), kExitDone);
  expect_all_done_once();
}

TEST_F(RunTest, stop_signal_leaves_a_run_that_continues) {
  behave("slow");
  std::thread killer([this] {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (directory.sealed_units().size() < 2 && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    ::kill(::getpid(), SIGTERM);
  });
  EXPECT_EQ(run(), kExitIncomplete);
  killer.join();
  EXPECT_EQ(status().state, RunState::Incomplete);
  EXPECT_EQ(status().message, "stopped by SIGTERM");
  // What was in flight has ended well or is interrupted: nothing stays open or counts as a failure.
  EXPECT_EQ(ask("SELECT count(*) FROM attempts WHERE coalesce(outcome, 'open') NOT IN ('done', "
                "'interrupted')"),
            0);
  const auto sealed_units = ask("SELECT count(*) FROM units WHERE state = 'sealed'");
  EXPECT_GT(sealed_units, 0);
  forget_stop_signals();
  EXPECT_EQ(run(), kExitDone);
  expect_all_done_once();
}

TEST_F(RunTest, lost_ledger_is_made_anew_from_the_unit_files) {
  EXPECT_EQ(run(), kExitDone);
  const auto last = ask("SELECT max(attempt) FROM units WHERE kind = 'trials'");
  fs::remove(directory.ledger());
  EXPECT_EQ(run(), kExitDone);
  EXPECT_EQ(ask("SELECT count(*) FROM attempts"), 0);
  EXPECT_EQ(ask("SELECT count(DISTINCT trial) FROM unit_members"), n_trials());
  EXPECT_EQ(ask("SELECT max(attempt) FROM units"), last);
}

TEST_F(RunTest, damaged_ledger_is_quarantined_and_made_anew) {
  EXPECT_EQ(run(), kExitDone);
  {
    std::fstream file(directory.ledger(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4096);
    for (int i = 0; i < 8192; ++i) file.put('x');
  }
  EXPECT_EQ(run(), kExitDone);
  EXPECT_TRUE(fs::exists(directory.quarantine() / "ledger.db.1"));
  EXPECT_EQ(ask("SELECT count(DISTINCT trial) FROM unit_members"), n_trials());
}

TEST_F(RunTest, truncated_unit_file_is_quarantined_and_its_trials_are_done_again) {
  EXPECT_EQ(run(), kExitDone);
  const UnitId victim = directory.sealed_units().front();
  const auto last = ask("SELECT max(attempt) FROM attempts");
  fs::resize_file(directory.unit(victim), fs::file_size(directory.unit(victim)) - 100);
  EXPECT_EQ(run(), kExitDone);
  EXPECT_EQ(ask("SELECT count(*) FROM attempts WHERE attempt > " + std::to_string(last)), 1);
  EXPECT_TRUE(fs::exists(directory.quarantine() / (victim.str() + ".h5.1")));
  EXPECT_EQ(ask("SELECT count(*) FROM unit_members"), n_trials());
  EXPECT_EQ(status().trials_done, n_trials());
}

TEST_F(RunTest, missing_unit_file_is_done_again) {
  EXPECT_EQ(run(), kExitDone);
  const auto last = ask("SELECT max(attempt) FROM attempts");
  fs::remove(directory.unit(directory.sealed_units().front()));
  EXPECT_EQ(run(), kExitDone);
  EXPECT_EQ(ask("SELECT count(*) FROM attempts WHERE attempt > " + std::to_string(last)), 1);
  EXPECT_EQ(status().trials_done, n_trials());
}

TEST_F(RunTest, file_sealed_while_nobody_listened_is_taken_up) {
  EXPECT_EQ(run(), kExitDone);
  const UnitId unit = directory.sealed_units().front();
  {
    // As if the coordinator had died between the seal and the ledger's commit.
    SQLite::Database ledger(directory.ledger().string(), SQLite::OPEN_READWRITE);
    ledger.exec("DELETE FROM unit_members WHERE unit = '" + unit.str() + "'");
    ledger.exec("UPDATE units SET state = 'open' WHERE unit = '" + unit.str() + "'");
    ledger.exec("UPDATE attempts SET outcome = NULL WHERE unit = '" + unit.str() + "'");
  }
  const auto last = ask("SELECT max(attempt) FROM attempts");
  EXPECT_EQ(run(), kExitDone);
  EXPECT_EQ(ask("SELECT max(attempt) FROM attempts"), last);
  EXPECT_EQ(ask("SELECT count(*) FROM attempts WHERE outcome IS NOT 'done'"), 0);
  expect_all_done_once();
}

TEST_F(RunTest, half_written_files_are_removed) {
  fs::create_directories(directory.units());
  std::ofstream(directory.units() / "0123.h5.partial") << "half";
  EXPECT_EQ(run(), kExitDone);
  EXPECT_FALSE(fs::exists(directory.units() / "0123.h5.partial"));
}

TEST_F(RunTest, directory_in_use_is_refused) {
  const RunLock other(directory.lock(), {});
  try {
    run();
    FAIL() << "a second run was let in";
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("in use by process"), std::string::npos);
  }
}

TEST_F(RunTest, trainers_see_no_launcher_and_no_descriptor_of_ours) {
  behave("environment");
  options.slots = 1;
  ::setenv("OMPI_COMM_WORLD_RANK", "3", 1);
  ::setenv("SLURM_PROCID", "3", 1);
  ::setenv("PMIX_RANK", "3", 1);
  EXPECT_EQ(run(), kExitDone);
  ::unsetenv("OMPI_COMM_WORLD_RANK");
  ::unsetenv("SLURM_PROCID");
  ::unsetenv("PMIX_RANK");
  std::ifstream seen(directory.root() / "seen.txt");
  int n_descriptors = 0;
  bool threads = false;
  std::string descriptors;
  for (std::string line; std::getline(seen, line);) {
    EXPECT_FALSE(line.starts_with("OMPI_") || line.starts_with("SLURM_") ||
                 line.starts_with("PMIX_"))
        << line;
    if (line.starts_with("fd ")) ++n_descriptors, descriptors += line + "\n";
    threads = threads || line == "OMP_NUM_THREADS=1";
  }
  EXPECT_TRUE(threads);
  // 0-3 and the stream the list is written to.
  EXPECT_EQ(n_descriptors, 5) << descriptors;
}

TEST_F(RunTest, trainers_are_bound_as_asked) {
  behave("environment");
  options.slots = 1;
  options.bind = "cores";
  EXPECT_EQ(run(), kExitDone);
  std::ifstream seen(directory.root() / "seen.txt");
  std::string cpus;
  for (std::string line; std::getline(seen, line);) {
    if (line.starts_with("Cpus_allowed_list:")) cpus = line.substr(line.find('\t') + 1);
  }
  EXPECT_FALSE(cpus.empty());
  EXPECT_EQ(cpus.find_first_not_of("0123456789"), std::string::npos) << cpus;
}

TEST_F(RunTest, more_bound_slots_than_cores_end_the_run_with_the_reason) {
  options.slots = 5000;
  options.bind = "cores";
  EXPECT_EQ(run(), kExitInternal);
  EXPECT_NE(status().message.find("5000 slots of 1 threads need 5000"), std::string::npos)
      << status().message;
}

}  // namespace
}  // namespace calsweep::orchestrator
