#include "orchestrator/launch.hpp"

#include <gtest/gtest.h>

#include "orchestrator/gpu_sharing.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::orchestrator {
namespace {

std::string refusal(const Environment& environment) {
  try {
    detect_launch(environment);
    return "";
  } catch (const UsageError& error) {
    return error.what();
  }
}

TEST(LaunchTest, no_variables_means_alone) {
  EXPECT_EQ(detect_launch({{"HOME", "/"}}).launcher, Launcher::Alone);
}

TEST(LaunchTest, mpirun_is_recognised_with_its_size) {
  const auto plan = detect_launch({{"OMPI_COMM_WORLD_SIZE", "4"}, {"PMIX_RANK", "0"}});
  EXPECT_EQ(plan.launcher, Launcher::OpenMpi);
  EXPECT_EQ(plan.expected_size, 4);
}

TEST(LaunchTest, mpirun_inside_a_slurm_step_counts_mpiruns_tasks) {
  // mpirun starts one daemon per node through srun: the step's task count is the number of nodes.
  const auto plan = detect_launch(
      {{"OMPI_COMM_WORLD_SIZE", "8"}, {"SLURM_STEP_NUM_TASKS", "2"}, {"PMIX_RANK", "0"}});
  EXPECT_EQ(plan.expected_size, 8);
}

TEST(LaunchTest, srun_with_pmix_is_recognised) {
  const auto plan = detect_launch({{"SLURM_STEP_NUM_TASKS", "3"}, {"PMIX_NAMESPACE", "slurm.1"}});
  EXPECT_EQ(plan.launcher, Launcher::OpenMpi);
  EXPECT_EQ(plan.expected_size, 3);
}

TEST(LaunchTest, srun_without_pmix_is_refused) {
  const Environment step{{"SLURM_STEP_NUM_TASKS", "3"}, {"SLURM_PROCID", "0"}};
  EXPECT_NE(refusal(step).find("srun --mpi=pmix"), std::string::npos);
  EXPECT_EQ(refusal({{"SLURM_STEP_NUM_TASKS", "1"}, {"SLURM_PROCID", "0"}}), "");
}

TEST(LaunchTest, batch_script_without_a_step_is_alone) {
  EXPECT_EQ(detect_launch({{"SLURM_JOB_ID", "5"}, {"SLURM_NTASKS", "8"}}).launcher,
            Launcher::Alone);
}

TEST(LaunchTest, another_mpis_launcher_is_refused_and_only_its_first_task_explains) {
  EXPECT_NE(refusal({{"PMI_SIZE", "2"}, {"PMI_RANK", "0"}}).find("Open MPI"), std::string::npos);
  EXPECT_EQ(refusal({{"PMI_SIZE", "2"}, {"PMI_RANK", "1"}}),
            "this launch is refused, see the message of the first task");
  EXPECT_EQ(refusal({{"PMI_SIZE", "1"}}), "");
}

TEST(LaunchTest, communicator_must_have_the_launchers_size) {
  EXPECT_NO_THROW(check_launch({Launcher::OpenMpi, 4}, 4));
  EXPECT_NO_THROW(check_launch({Launcher::OpenMpi, 0}, 1));
  EXPECT_THROW(check_launch({Launcher::OpenMpi, 4}, 1), UsageError);
}

HostResources host_with(int gpus, int agents) {
  HostResources host;
  host.gpus.resize(static_cast<std::size_t>(gpus), "0");
  host.agents_on_host = agents;
  return host;
}

TEST(GpuSharingTest, more_agents_than_gpus_are_told_of) {
  const auto said = crowded_gpus(host_with(2, 4), "auto");
  ASSERT_TRUE(said.has_value());
  EXPECT_NE(said->find("4 agents share 2 GPUs"), std::string::npos) << *said;
}

TEST(GpuSharingTest, enough_gpus_none_or_none_wanted_are_not) {
  EXPECT_EQ(crowded_gpus(host_with(4, 4), "auto"), std::nullopt);
  EXPECT_EQ(crowded_gpus(host_with(0, 4), "auto"), std::nullopt);
  EXPECT_EQ(crowded_gpus(host_with(2, 4), "cpu"), std::nullopt);
}

}  // namespace
}  // namespace calsweep::orchestrator
