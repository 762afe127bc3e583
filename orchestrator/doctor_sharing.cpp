// `calsweep doctor` under several ranks: how long until the others see what one of them wrote.
//
// Rank 0 replaces a file and tells the others, who look until they see it and answer with the time
// it took. What a node has looked at before, it remembers for a while (the attribute cache of
// network file systems), so every rank looks once before the file is replaced.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "orchestrator/doctor.hpp"
#include "orchestrator/mpi_channel.hpp"
#include "orchestrator/utc_time.hpp"
#include "sweeps/run_directory.hpp"

namespace calsweep::orchestrator {
namespace {

constexpr double kPatience = 70.0;  // NFS remembers attributes for up to 60 s

void wait_a_little() { std::this_thread::sleep_for(std::chrono::milliseconds(2)); }

std::optional<Channel::Incoming> await(Channel& channel, double seconds) {
  const double deadline = steady_seconds() + seconds;
  while (steady_seconds() < deadline) {
    if (auto text = channel.receive()) return text;
    wait_a_little();
  }
  return std::nullopt;
}

void flush(Channel& channel) {
  const double deadline = steady_seconds() + 5.0;
  while (channel.n_undelivered() > 0 && steady_seconds() < deadline) wait_a_little();
}

bool holds(const std::filesystem::path& file, const std::string& content) {
  try {
    return read_file(file) == content;
  } catch (const std::exception&) {
    return false;
  }
}

// The other ranks: looks, says so, and when told that the file was replaced, looks until it sees
// it.
void look(const std::filesystem::path& file, Channel& channel) {
  if (!await(channel, kPatience)) return;
  const bool there = holds(file, "old");
  channel.send(0, there ? "seen" : "not seen");
  flush(channel);
  if (!await(channel, kPatience)) return;
  const double before = steady_seconds();
  while (!holds(file, "new") && steady_seconds() - before < kPatience) wait_a_little();
  channel.send(0, fmt::format("{:.6f}", steady_seconds() - before));
  flush(channel);
}

void tell_all(Launch& launch, Channel& channel) {
  for (int rank = 1; rank < launch.size(); ++rank) channel.send(rank, "look");
  flush(channel);
}

Finding judge(int ranks, int blind, double slowest) {
  if (blind > 0) {
    return {Verdict::Failure, "shared files",
            fmt::format("{} of {} ranks do not see what rank 0 writes", blind, ranks),
            "choose a directory that all nodes share"};
  }
  if (slowest < 2.0) {
    return {
        Verdict::Ok, "shared files",
        fmt::format("{} ranks see a replaced file within {:.0f} ms", ranks, 1e3 * slowest + 1.0),
        ""};
  }
  return {Verdict::Warning, "shared files",
          fmt::format("a rank saw a replaced file only after {:.1f} s", slowest),
          "attribute cache: nothing is lost, but `calsweep status` on other nodes lags"};
}

}  // namespace

std::vector<Finding> examine_file_sharing(const std::filesystem::path& directory, Launch& launch) {
  if (launch.size() < 2) return {};
  MpiChannel channel(*launch.session());
  const auto file = directory / ".calsweep-doctor-shared";
  if (launch.rank() != 0) {
    look(file, channel);
    return {};
  }
  write_file_atomically(file, "old");
  tell_all(launch, channel);
  int blind = 0, answers = 0;
  for (int rank = 1; rank < launch.size(); ++rank) {
    const auto answer = await(channel, kPatience);
    if (!answer || answer->text != "seen") ++blind;
  }
  write_file_atomically(file, "new");
  tell_all(launch, channel);
  double slowest = 0.0;
  for (int rank = 1; rank < launch.size(); ++rank) {
    if (const auto answer = await(channel, kPatience + 5.0)) {
      slowest = std::max(slowest, std::atof(answer->text.c_str()));
      ++answers;
    }
  }
  std::error_code ignored;
  std::filesystem::remove(file, ignored);
  return {judge(launch.size(), std::max(blind, launch.size() - 1 - answers), slowest)};
}

}  // namespace calsweep::orchestrator
