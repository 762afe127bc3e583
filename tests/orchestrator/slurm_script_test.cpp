// What `calsweep slurm` asks for, refuses and fills in. That the scripts work is shown on a real
// Slurm by tests/slurm.
#include "orchestrator/slurm_script.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "orchestrator/helper_program.hpp"
#include "sweeps/errors.hpp"
#include "tests/support/temporary_directory.hpp"

namespace calsweep::orchestrator {
namespace {

SlurmJob small_job() {
  SlurmJob job;
  job.sweep = "small";
  job.program = "/opt/calsweep/bin/calsweep";
  job.spec = "/home/me/sweep.toml";
  job.directory = "/home/me/runs/small";
  job.time = "4:00:00";
  return job;
}

std::string script_of(const SlurmJob& job) {
  check_job(job);
  return slurm_script(complete_job(job, 1));
}

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line) != std::string::npos;
}

std::string refusal(const SlurmJob& job) {
  try {
    check_job(job);
    return "";
  } catch (const UsageError& error) {
    return error.what();
  }
}

/// What a checker says about a script; "" if it is content.
std::string complaint(const std::string& script, std::vector<std::string> checker) {
  const calsweep::testing::TemporaryDirectory folder;
  const auto file = folder / "job.sh";
  std::ofstream(file) << script;
  checker.push_back(file.string());
  const auto said = run_helper(checker, {.timeout_seconds = 60.0});
  return said.succeeded() ? "" : said.output + said.errors + " ";
}

std::vector<SlurmJob> jobs_of_every_kind() {
  std::vector<SlurmJob> jobs(6, small_job());
  jobs[1].nodes = 3;
  jobs[1].gpus_per_node = "a100:4";
  jobs[2].nodes = 2;
  jobs[2].launcher = SlurmLauncher::Mpirun;
  jobs[3].launcher = SlurmLauncher::Mpirun;
  jobs[3].array = 4;
  jobs[4].nodes = 3;
  jobs[4].survive_node_loss = true;
  jobs[5].directory = "/home/me/it's \"here\"; $HOME/100 %/small";
  jobs[5].setup = {"module load openmpi"};
  jobs[5].sbatch_options = {"--constraint=a100"};
  jobs[5].data_root = "/data sets";
  return jobs;
}

TEST(SlurmScriptTest, is_bash_of_every_kind) {
  for (const auto& job : jobs_of_every_kind()) {
    EXPECT_EQ(complaint(script_of(job), {"bash", "-n"}), "") << script_of(job);
  }
}

TEST(SlurmScriptTest, contents_shellcheck_where_there_is_one) {
  if (!program_exists("shellcheck")) GTEST_SKIP() << "shellcheck is not installed";
  for (const auto& job : jobs_of_every_kind()) {
    EXPECT_EQ(complaint(script_of(job), {"shellcheck", "-s", "bash", "-e", "SC2016"}), "")
        << script_of(job);
  }
}

TEST(SlurmScriptTest, asks_for_an_agent_per_node_and_starts_one_task_more) {
  auto job = small_job();
  job.nodes = 3;
  job.gpus_per_node = "4";
  const auto script = script_of(job);
  EXPECT_TRUE(has_line(script, "#SBATCH --nodes=3\n"));
  EXPECT_TRUE(has_line(script, "#SBATCH --ntasks-per-node=1 "));
  EXPECT_TRUE(has_line(script, "#SBATCH --gpus-per-node=4\n"));
  EXPECT_TRUE(has_line(script, "#SBATCH --cpus-per-task=8\n"));
  EXPECT_TRUE(has_line(script, "#SBATCH --time=04:00:00\n"));
  EXPECT_NE(script.find("--nodes=3 --ntasks=4 --distribution=cyclic"), std::string::npos);
}

TEST(SlurmScriptTest, one_node_needs_no_mpi) {
  EXPECT_NE(script_of(small_job()).find("srun --ntasks=1 --mpi=none"), std::string::npos);
}

TEST(SlurmScriptTest, cores_of_part_of_a_node_become_slots) {
  auto job = small_job();
  job.cpus_per_task = 8;
  EXPECT_EQ(complete_job(job, 2).run_options, (std::vector<std::string>{"--slots", "4"}));
  job.run_options = {"--slots", "3"};
  EXPECT_EQ(complete_job(job, 2).run_options, (std::vector<std::string>{"--slots", "3"}));
}

TEST(SlurmScriptTest, whole_nodes_where_nothing_else_is_said) {
  const auto job = complete_job(small_job(), 1);
  EXPECT_TRUE(job.exclusive);
  EXPECT_EQ(job.memory, "0");
}

TEST(SlurmScriptTest, name_depends_on_the_run_directory_only) {
  auto job = small_job();
  const auto name = complete_job(job, 1).job_name;
  job.nodes = 7;
  EXPECT_EQ(complete_job(job, 1).job_name, name);
  job.directory = "/home/me/runs/other";
  EXPECT_NE(complete_job(job, 1).job_name, name);
}

TEST(SlurmScriptTest, percent_in_the_directory_is_no_placeholder) {
  auto job = small_job();
  job.directory = "/home/me/100%j";
  EXPECT_TRUE(has_line(script_of(job), "#SBATCH --output=/home/me/100%%j/slurm/%j.out\n"));
}

TEST(SlurmJobTest, refuses_what_cannot_be_right_and_names_the_option) {
  const auto refused = [](const std::string& option, auto change) {
    auto job = small_job();
    change(job);
    EXPECT_NE(refusal(job).find(option), std::string::npos) << option << ": " << refusal(job);
  };
  refused("--nodes", [](SlurmJob& job) { job.nodes = 0; });
  refused("--gpus-per-node", [](SlurmJob& job) { job.gpus_per_node = "four"; });
  refused("--gpus-per-node", [](SlurmJob& job) { job.gpus_per_node = "0"; });
  refused("--cpus-per-task", [](SlurmJob& job) { job.cpus_per_task = -1; });
  refused("1h", [](SlurmJob& job) { job.time = "1h"; });
  refused("--signal-before", [](SlurmJob& job) { job.time = "2"; });
  refused("--signal-before", [](SlurmJob& job) { job.signal_before = 5; });
  refused("--partition", [](SlurmJob& job) { job.partition = "gpu; rm"; });
  refused("--account", [](SlurmJob& job) { job.account = "a b"; });
  refused("--mem", [](SlurmJob& job) { job.memory = "64 GB"; });
  refused("--array", [](SlurmJob& job) { job.array = -2; });
  refused("--job-name", [](SlurmJob& job) { job.job_name = "a\nb"; });
  refused("--sbatch-option", [](SlurmJob& job) { job.sbatch_options = {"constraint=a100"}; });
  refused("use --time", [](SlurmJob& job) { job.sbatch_options = {"--time=5"}; });
  refused("use --time", [](SlurmJob& job) { job.sbatch_options = {"--exclusive -t5"}; });
  refused("--gpus-per-node", [](SlurmJob& job) { job.run_options = {"--device", "cuda"}; });
  refused("--setup", [](SlurmJob& job) { job.setup = {"a\nb"}; });
  refused("--survive-node-loss", [](SlurmJob& job) { job.survive_node_loss = true; });
  refused("--launcher srun", [](SlurmJob& job) {
    job.nodes = 2;
    job.survive_node_loss = true;
    job.launcher = SlurmLauncher::Mpirun;
  });
}

TEST(SlurmJobTest, takes_what_is_right) {
  for (const auto& job : jobs_of_every_kind()) EXPECT_EQ(refusal(job), "");
  auto job = small_job();
  job.partition = "gpu,gpu-long";
  job.account = "physics_01";
  job.memory = "64G";
  EXPECT_EQ(refusal(job), "");
}

}  // namespace
}  // namespace calsweep::orchestrator
