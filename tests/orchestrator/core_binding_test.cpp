// Which CPUs a trainer gets: made-up hosts, kernel folders written by hand, and one real child.
#include "orchestrator/core_binding.hpp"

#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <thread>

#include "orchestrator/slot_count.hpp"
#include "orchestrator/trainer_process.hpp"
#include "sweeps/errors.hpp"
#include "tests/support/temporary_directory.hpp"

namespace calsweep::orchestrator {
namespace {

CpuList range(int first, int n) {
  CpuList cpus(static_cast<std::size_t>(n));
  std::iota(cpus.begin(), cpus.end(), first);
  return cpus;
}

// Two nodes of 32 CPUs with four GPUs each: 0-3 on node 0, 4-7 on node 1.
HostTopology two_by_eight() {
  HostTopology host{range(0, 64), {range(0, 32), range(32, 32)}, {}};
  for (std::size_t gpu = 0; gpu < 8; ++gpu) host.gpus[std::to_string(gpu)] = gpu / 4;
  return host;
}

HostResources resources(HostTopology topology, int n_gpus, int agents, int index) {
  HostResources host{{}, 0, agents, index, std::move(topology)};
  host.cores = static_cast<std::int64_t>(host.topology.cpus.size());
  for (int gpu = 0; gpu < n_gpus; ++gpu) host.gpus.push_back(std::to_string(gpu));
  return host;
}

TEST(CpuListTest, is_read_and_written_as_the_kernel_does) {
  EXPECT_EQ(parse_cpu_list("0-3,8,10-11"), (CpuList{0, 1, 2, 3, 8, 10, 11}));
  EXPECT_EQ(to_string({0, 1, 2, 3, 8, 10, 11}), "0-3,8,10-11");
  EXPECT_EQ(parse_cpu_list("5"), CpuList{5});
  for (const char* bad : {"", "x", "3-1", "-4", "0-99999999", "1,,2", "1-"}) {
    EXPECT_TRUE(parse_cpu_list(bad).empty()) << bad;
  }
  EXPECT_EQ(to_string({}), "");
}

TEST(CoreBindingTest, automatic_binding_only_where_there_are_several_nodes) {
  const HostTopology one{range(0, 8), {range(0, 8)}, {}};
  for (const CpuList& cpus : bind_seats(one, BindMode::Auto, 1, {{}, {}})) {
    EXPECT_TRUE(cpus.empty());
  }
  const auto bound = bind_seats(two_by_eight(), BindMode::Auto, 1, {{}, {}});
  EXPECT_EQ(bound[0], range(0, 32));
  EXPECT_EQ(bound[1], range(32, 32));
  // A host that says nothing about its nodes.
  EXPECT_TRUE(bind_seats({range(0, 8), {}, {}}, BindMode::Numa, 1, {{}})[0].empty());
}

TEST(CoreBindingTest, gpu_seat_goes_to_the_node_of_its_gpu) {
  const auto plan = plan_agent(resources(two_by_eight(), 8, 1, 0), {0, 2, "auto", 4});
  ASSERT_EQ(plan.seats.size(), 16U);
  for (const SeatPlan& seat : plan.seats) {
    EXPECT_EQ(seat.cpus, std::stoi(seat.cuda_device) < 4 ? range(0, 32) : range(32, 32));
  }
}

TEST(CoreBindingTest, seats_without_a_known_gpu_even_the_nodes_out) {
  // Three GPU seats on node 0 already; the CPU seats fill node 1 first.
  const auto bound = bind_seats(two_by_eight(), BindMode::Numa, 1,
                                {{"0"}, {"1"}, {"2"}, {}, {}, {"GPU-unheard-of"}, {}, {}});
  const auto on_first = std::count(bound.begin(), bound.end(), range(0, 32));
  EXPECT_EQ(on_first, 4);
  EXPECT_EQ(bound[3], range(32, 32));
  // A node of a fourth of the CPUs gets a fourth as many seats.
  const HostTopology uneven{range(0, 20), {range(0, 16), range(16, 4)}, {}};
  const auto ten = bind_seats(uneven, BindMode::Numa, 1, std::vector<SeatToBind>(10));
  EXPECT_EQ(std::count(ten.begin(), ten.end(), range(16, 4)), 2);
}

TEST(CoreBindingTest, cores_are_given_to_one_seat_each_near_their_gpu) {
  std::vector<SeatToBind> seats{{}, {"7"}, {"0"}, {"4"}};
  const auto bound = bind_seats(two_by_eight(), BindMode::Cores, 8, seats);
  EXPECT_EQ(bound[1], range(32, 8));
  EXPECT_EQ(bound[2], range(0, 8));
  EXPECT_EQ(bound[3], range(40, 8));
  EXPECT_EQ(bound[0], range(8, 8));
}

TEST(CoreBindingTest, seat_is_not_torn_over_two_nodes_while_one_has_room) {
  const HostTopology host{range(0, 12), {range(0, 6), range(6, 6)}, {}};
  const auto bound = bind_seats(host, BindMode::Cores, 4, {{}, {}, {}});
  EXPECT_EQ(bound[0], range(0, 4));
  EXPECT_EQ(bound[1], range(6, 4));
  EXPECT_EQ(bound[2], (CpuList{4, 5, 10, 11}));
}

TEST(CoreBindingTest, agents_of_one_host_share_no_core_and_leave_none_of_theirs) {
  for (const int n_gpus : {0, 3, 8}) {
    CpuList all;
    for (int agent = 0; agent < 4; ++agent) {
      const auto host = resources(two_by_eight(), n_gpus, 4, agent);
      const auto plan = plan_agent(host, {4, 1, "auto", 2, BindMode::Cores});
      ASSERT_EQ(plan.seats.size(), 4U);
      for (const SeatPlan& seat : plan.seats) {
        EXPECT_EQ(seat.cpus.size(), 2U);
        all.insert(all.end(), seat.cpus.begin(), seat.cpus.end());
      }
    }
    std::sort(all.begin(), all.end());
    EXPECT_EQ(std::adjacent_find(all.begin(), all.end()), all.end());
    EXPECT_EQ(all.size(), 32U);
  }
}

TEST(CoreBindingTest, too_few_cores_are_refused_with_the_numbers) {
  const HostTopology host{range(0, 4), {range(0, 4)}, {}};
  try {
    bind_seats(host, BindMode::Cores, 2, {{}, {}, {}});
    FAIL() << "not refused";
  } catch (const UsageError& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("3 slots of 2 threads need 6"), std::string::npos) << text;
    EXPECT_NE(text.find("allows 4"), std::string::npos) << text;
  }
  // Numa binding shares; it never lacks.
  EXPECT_EQ(bind_seats(host, BindMode::Numa, 2, {{}, {}, {}})[2], range(0, 4));
}

TEST(CoreBindingTest, unknown_mode_is_refused) {
  EXPECT_EQ(bind_mode_from("cores"), BindMode::Cores);
  EXPECT_THROW(bind_mode_from("socket"), UsageError);
}

class KernelFoldersTest : public ::testing::Test {
 protected:
  void write(const std::string& file, const std::string& text) {
    const auto path = folder.path() / file;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  void add_gpu(const std::string& address, int minor, int node) {
    write("proc/driver/nvidia/gpus/" + address + "/information",
          "Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 0\nGPU UUID: \t GPU-of-minor-" +
              std::to_string(minor) + "\nBus Location: \t " + address +
              "\nDevice Minor: \t " + std::to_string(minor) + "\nGPU Excluded:\t No\n");
    write("sys/bus/pci/devices/" + address + "/numa_node", std::to_string(node) + "\n");
  }
  KernelFolders folders() const {
    return {folder.path() / "sys", folder.path() / "proc", folder.path() / "dev"};
  }
  calsweep::testing::TemporaryDirectory folder;
};

TEST_F(KernelFoldersTest, nodes_hold_allowed_cpus_only_and_gpus_are_counted_along_the_bus) {
  write("sys/devices/system/node/node0/cpulist", "0-3\n");
  write("sys/devices/system/node/node1/cpulist", "4-7\n");
  write("sys/devices/system/node/node2/cpulist", "\n");  // memory only
  write("sys/devices/system/node/node10/cpulist", "8-11\n");
  write("sys/devices/system/node/possible", "0-10\n");
  add_gpu("0000:81:00.0", 0, 10);
  add_gpu("0000:18:00.0", 1, 1);
  add_gpu("0000:90:00.0", 2, 1);   // not in this container
  add_gpu("0000:a0:00.0", 3, -1);  // the firmware does not say
  for (const char* minor : {"0", "1", "3"}) write(std::string("dev/nvidia") + minor, "");
  const auto host = read_topology(folders(), {2, 3, 4, 5, 6, 7, 9});
  ASSERT_EQ(host.nodes.size(), 3U);
  EXPECT_EQ(host.nodes[0], (CpuList{2, 3}));
  EXPECT_EQ(host.nodes[2], CpuList{9});
  const std::map<std::string, std::size_t> expected{
      {"0", 1}, {"GPU-of-minor-1", 1}, {"1", 2}, {"GPU-of-minor-0", 2}};
  EXPECT_EQ(host.gpus, expected);
}

TEST_F(KernelFoldersTest, nothing_readable_is_a_host_without_nodes) {
  write("sys/devices/system/node/node0/cpulist", "rubbish\n");
  write("proc/driver/nvidia/gpus/0000:18:00.0/information", "nothing\n");
  const auto host = read_topology(folders(), {0, 1});
  EXPECT_TRUE(host.nodes.empty());
  EXPECT_TRUE(host.gpus.empty());
  EXPECT_EQ(host.cpus, (CpuList{0, 1}));
}

TEST(TopologyTest, this_host_shows_the_cpus_of_this_process) {
  cpu_set_t set;
  ASSERT_EQ(::sched_getaffinity(0, sizeof set, &set), 0);
  const auto host = read_topology();
  EXPECT_EQ(static_cast<int>(host.cpus.size()), CPU_COUNT(&set));
  for (const int cpu : host.cpus) EXPECT_TRUE(CPU_ISSET(static_cast<std::size_t>(cpu), &set));
}

// What a child bound to `cpus` reads of itself.
std::string allowed_in_child(const CpuList& cpus, const std::filesystem::path& log) {
  TrainerProcess child({"/bin/sh",
                        {"-c", "grep Cpus_allowed_list /proc/self/status >&3"},
                        {},
                        log,
                        cpus});
  std::string text;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (text.empty() && std::chrono::steady_clock::now() < deadline) {
    for (const std::string& line : child.exchange()) text += line;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return text.substr(text.find_last_of(" \t") + 1);
}

TEST(TrainerBindingTest, child_may_use_the_cpus_of_its_seat_and_no_other) {
  const calsweep::testing::TemporaryDirectory folder;
  const CpuList mine = read_topology().cpus;
  EXPECT_EQ(allowed_in_child({mine.back()}, folder / "log"), std::to_string(mine.back()));
  EXPECT_EQ(allowed_in_child({}, folder / "log"), to_string(mine));
}

TEST(TrainerBindingTest, cpu_that_is_not_there_is_an_error_that_names_it) {
  const calsweep::testing::TemporaryDirectory folder;
  try {
    allowed_in_child({40000}, folder / "log");
    FAIL() << "started";
  } catch (const IoError& error) {
    EXPECT_NE(std::string(error.what()).find("bound to CPUs 40000"), std::string::npos);
  }
}

}  // namespace
}  // namespace calsweep::orchestrator
