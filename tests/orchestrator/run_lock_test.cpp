#include "orchestrator/run_lock.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <sstream>
#include <thread>

#include "orchestrator/utc_time.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/log.hpp"
#include "tests/support/played_programs.hpp"
#include "tests/support/temporary_directory.hpp"

namespace calsweep::orchestrator {
namespace {

class RunLockTest : public ::testing::Test {
 protected:
  RunLockTest() {
    log::set_up("test", log::Level::Off);
    impatient.wait_seconds = 0.1;
    impatient.wait_for_own_job_seconds = 0.1;
    impatient.watch_seconds = 0.3;
    ::unsetenv("SLURM_JOB_ID");
  }

  // Another process that takes the lock and keeps it until it is killed.
  pid_t start_holder() {
    int ready[2];
    EXPECT_EQ(::pipe(ready), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      const RunLock lock(file, impatient);
      const char byte = 'x';
      if (::write(ready[1], &byte, 1) != 1) ::_exit(1);
      while (true) ::pause();
    }
    char byte = 0;
    EXPECT_EQ(::read(ready[0], &byte, 1), 1);
    ::close(ready[0]);
    ::close(ready[1]);
    return child;
  }
  void end(pid_t child) {
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
  }
  std::string refusal(const LockOptions& options) {
    try {
      const RunLock lock(file, options);
      return "";
    } catch (const UsageError& error) {
      return error.what();
    }
  }
  void pretend_held(const std::string& host, const std::string& job, double heartbeat) {
    std::ofstream(file) << R"({"version":1,"state":"held","host":")" << host
                        << R"(","pid":1234567,"process_started":"1","job":")" << job
                        << R"(","since":"2026-01-01T00:00:00.000Z","heartbeat":)" << std::fixed
                        << heartbeat << "}";
  }

  calsweep::testing::TemporaryDirectory folder;
  std::filesystem::path file = folder / "lock.json";
  LockOptions impatient;
};

TEST_F(RunLockTest, can_be_taken_again_after_release) {
  { const RunLock lock(file, impatient); }
  EXPECT_EQ(refusal(impatient), "");
}

TEST_F(RunLockTest, living_holder_is_named) {
  const pid_t holder = start_holder();
  const std::string text = refusal(impatient);
  end(holder);
  EXPECT_NE(text.find("process " + std::to_string(holder)), std::string::npos) << text;
  EXPECT_NE(text.find(host_name()), std::string::npos) << text;
}

TEST_F(RunLockTest, killed_holder_is_taken_over) {
  end(start_holder());
  EXPECT_EQ(refusal(impatient), "");
}

TEST_F(RunLockTest, waits_for_a_holder_that_is_about_to_go) {
  const pid_t holder = start_holder();
  std::thread killer([holder] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    ::kill(holder, SIGKILL);
    ::waitpid(holder, nullptr, 0);
  });
  LockOptions patient;
  patient.wait_seconds = 5.0;
  EXPECT_EQ(refusal(patient), "");
  killer.join();
}

TEST_F(RunLockTest, silent_holder_on_another_host_needs_a_decision) {
  pretend_held("elsewhere", "", unix_seconds() - 1000.0);
  EXPECT_NE(refusal(impatient).find("--take-over"), std::string::npos);
  LockOptions decided = impatient;
  decided.take_over = true;
  EXPECT_EQ(refusal(decided), "");
}

TEST_F(RunLockTest, fresh_heartbeat_from_another_host_is_refused_in_any_case) {
  pretend_held("elsewhere", "", unix_seconds() - 3.0);
  LockOptions decided = impatient;
  decided.take_over = true;
  EXPECT_NE(refusal(decided).find("elsewhere"), std::string::npos);
}

TEST_F(RunLockTest, restarted_job_takes_over_from_its_earlier_node) {
  pretend_held("elsewhere", "42", unix_seconds() - 3.0);
  ::setenv("SLURM_JOB_ID", "42", 1);
  EXPECT_EQ(refusal(impatient), "");
  ::unsetenv("SLURM_JOB_ID");
}

TEST_F(RunLockTest, ended_job_on_another_host_is_taken_over_without_being_told) {
  const calsweep::testing::PlayedPrograms programs;
  programs.add("squeue", "echo NODE_FAIL");
  pretend_held("elsewhere", "41", unix_seconds() - 3.0);
  EXPECT_EQ(refusal(impatient), "");
  pretend_held("elsewhere", "41", unix_seconds() - 1000.0);
  EXPECT_EQ(refusal(impatient), "");
}

TEST_F(RunLockTest, job_that_still_runs_or_is_not_known_is_not_taken_over) {
  const calsweep::testing::PlayedPrograms programs;
  for (const char* answer : {"echo RUNNING", "echo COMPLETING", "exit 1"}) {
    programs.add("squeue", answer);
    pretend_held("elsewhere", "41", unix_seconds() - 1000.0);
    EXPECT_NE(refusal(impatient).find("--take-over"), std::string::npos) << answer;
  }
}

TEST_F(RunLockTest, ended_job_whose_heartbeat_moves_is_not_taken_over) {
  const calsweep::testing::PlayedPrograms programs;
  programs.add("squeue", "echo NODE_FAIL");
  pretend_held("elsewhere", "41", unix_seconds() - 3.0);
  std::thread cut_off_node([this] {
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
    pretend_held("elsewhere", "41", unix_seconds());
  });
  LockOptions watchful = impatient;
  watchful.watch_seconds = 10.0;
  EXPECT_NE(refusal(watchful).find("in use"), std::string::npos);
  cut_off_node.join();
}

TEST_F(RunLockTest, reused_pid_does_not_count_as_alive) {
  // Pid 1 lives, but it did not start when the holder did.
  std::ofstream(file) << R"({"version":1,"state":"held","host":")" << host_name()
                      << R"(","pid":1,"process_started":"999999999999","job":"","since":"s",)"
                      << R"("heartbeat":1})";
  EXPECT_EQ(refusal(impatient), "");
}

TEST_F(RunLockTest, torn_content_does_not_matter) {
  std::ofstream(file) << R"({"version":1,"state":"he)";
  EXPECT_EQ(refusal(impatient), "");
}

TEST_F(RunLockTest, folder_that_is_not_there_is_an_io_error) {
  EXPECT_THROW(RunLock(folder / "nowhere/lock.json", impatient), IoError);
}

}  // namespace
}  // namespace calsweep::orchestrator
