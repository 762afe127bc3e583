// Slurm's durations, and what is asked of squeue: played by scripts put first in PATH.
#include "orchestrator/walltime.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>

#include "orchestrator/helper_program.hpp"
#include "orchestrator/utc_time.hpp"
#include "sweeps/errors.hpp"
#include "tests/support/played_programs.hpp"

namespace calsweep::orchestrator {
namespace {

using calsweep::testing::PlayedPrograms;

TEST(ParseDurationTest, reads_every_notation_of_slurm) {
  EXPECT_EQ(parse_duration("90"), 5400.0);
  EXPECT_EQ(parse_duration("90:30"), 5430.0);
  EXPECT_EQ(parse_duration("1:30:00"), 5400.0);
  EXPECT_EQ(parse_duration("2-12"), 216000.0);
  EXPECT_EQ(parse_duration("2-12:30"), 217800.0);
  EXPECT_EQ(parse_duration("2-12:00:01"), 216001.0);
  EXPECT_EQ(parse_duration("0:01"), 1.0);
}

TEST(ParseDurationTest, refuses_everything_else) {
  for (const char* text : {"", "0", "0:00", "-5", "1h", "1.5", "1:2:3:4", "1-", "-", "1-2-3", ":",
                           "5:", ":5", " 5", "5 ", "99999999999999999999", "UNLIMITED"}) {
    EXPECT_THROW(parse_duration(text), UsageError) << "'" << text << "'";
  }
}

TEST(ParseDurationTest, is_the_inverse_of_slurm_duration) {
  EXPECT_EQ(slurm_duration(5430.0), "01:30:30");
  EXPECT_EQ(slurm_duration(216001.0), "2-12:00:01");
  for (const double seconds : {1.0, 59.0, 3600.0, 86399.0, 86400.0, 1e6}) {
    EXPECT_EQ(parse_duration(slurm_duration(seconds)), seconds);
  }
}

TEST(JobEndTest, is_what_slurms_variable_says) {
  EXPECT_EQ(job_end_unix({{"SLURM_JOB_END_TIME", "1795000000"}}), 1795000000.0);
}

TEST(JobEndTest, is_unknown_outside_a_job) {
  PlayedPrograms programs;
  programs.add("squeue", "echo 1795000000");
  EXPECT_EQ(job_end_unix({}), std::nullopt);
}

TEST(JobEndTest, is_asked_of_squeue_in_local_time) {
  PlayedPrograms programs;
  programs.add("squeue", R"([ "$*" = "-h -j 7 -o %e" ] && echo 2026-11-26T12:00:00)");
  std::tm noon{};
  noon.tm_year = 126;
  noon.tm_mon = 10;
  noon.tm_mday = 26;
  noon.tm_hour = 12;
  noon.tm_isdst = -1;
  EXPECT_EQ(job_end_unix({{"SLURM_JOB_ID", "7"}}), static_cast<double>(std::mktime(&noon)));
}

TEST(JobEndTest, falls_back_to_scontrol) {
  PlayedPrograms programs;
  programs.add("squeue", "exit 1");
  programs.add("scontrol",
               "echo '   StartTime=2026-11-26T11:00:00 EndTime=1795000000 Deadline=N/A'");
  EXPECT_EQ(job_end_unix({{"SLURM_JOB_ID", "7"}}), 1795000000.0);
}

TEST(JobEndTest, is_unknown_without_a_limit_or_an_answer) {
  PlayedPrograms programs;
  programs.add("scontrol", "exit 1");
  for (const char* answer : {"echo NONE", "echo UNLIMITED", "echo N/A", "exit 1", "kill -9 $$"}) {
    programs.add("squeue", answer);
    EXPECT_EQ(job_end_unix({{"SLURM_JOB_ID", "7"}}), std::nullopt) << answer;
  }
}

TEST(JobEndTest, is_none_where_slurm_names_the_year_of_a_job_without_limit) {
  const auto in_a_year = std::to_string(static_cast<long>(unix_seconds() + 365.0 * 86400.0));
  EXPECT_EQ(job_end_unix({{"SLURM_JOB_END_TIME", in_a_year}}), std::nullopt);
}

TEST(JobStateTest, is_what_squeue_says) {
  PlayedPrograms programs;
  programs.add("squeue", "echo RUNNING");
  EXPECT_EQ(job_state("7"), "RUNNING");
  programs.add("squeue", "true");
  EXPECT_EQ(job_state("7"), "");
  programs.add("squeue", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1");
  EXPECT_EQ(job_state("7"), "");
}

TEST(JobStateTest, is_unknown_if_slurm_cannot_be_asked) {
  PlayedPrograms programs;
  programs.add("squeue",
               "echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1");
  EXPECT_EQ(job_state("7"), std::nullopt);
  EXPECT_EQ(job_state(""), std::nullopt);
}

TEST(JobStateTest, tells_jobs_with_processes_from_those_without) {
  for (const char* state : {"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "CONFIGURING"}) {
    EXPECT_TRUE(may_have_processes(state)) << state;
  }
  for (const char* state : {"", "PENDING", "COMPLETED", "NODE_FAIL", "TIMEOUT", "PREEMPTED"}) {
    EXPECT_FALSE(may_have_processes(state)) << state;
  }
}

TEST(HelperProgramTest, keeps_output_errors_and_exit_code) {
  const auto done = run_helper({"sh", "-c", "echo out; echo err >&2; exit 3"});
  EXPECT_EQ(done.end, HelperResult::End::Exited);
  EXPECT_EQ(done.exit_code, 3);
  EXPECT_EQ(done.output, "out\n");
  EXPECT_EQ(done.errors, "err\n");
}

TEST(HelperProgramTest, kills_what_takes_too_long_with_its_children) {
  const double before = steady_seconds();
  const auto done = run_helper({"sh", "-c", "sleep 77 & sleep 77"}, {.timeout_seconds = 0.2});
  EXPECT_EQ(done.end, HelperResult::End::TimedOut);
  EXPECT_LT(steady_seconds() - before, 20.0);
}

TEST(HelperProgramTest, says_that_a_program_is_missing) {
  EXPECT_EQ(run_helper({"no-such-program-of-anyone"}).end, HelperResult::End::NotFound);
  EXPECT_FALSE(program_exists("no-such-program-of-anyone"));
  EXPECT_TRUE(program_exists("sh"));
}

TEST(HelperProgramTest, sets_and_hides_variables) {
  ::setenv("CALSWEEP_TEST_HIDDEN", "1", 1);
  const auto done = run_helper({"sh", "-c", "echo $CALSWEEP_TEST_HIDDEN$SHOWN"},
                               {.set = {{"SHOWN", "yes"}}, .unset_prefixes = {"CALSWEEP_TEST_"}});
  EXPECT_EQ(done.output, "yes\n");
}

}  // namespace
}  // namespace calsweep::orchestrator
