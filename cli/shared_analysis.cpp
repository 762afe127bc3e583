#include "cli/shared_analysis.hpp"

#include <chrono>
#include <optional>
#include <thread>

#include "orchestrator/mpi_channel.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::cli {
namespace {

using namespace std::chrono_literals;

// Texts between ranks: "end", or a job as JSON; back: the lines of one job, each ended by a
// newline.
constexpr std::string_view kEnd = "end";
constexpr std::size_t kJobsAhead = 2;  // per rank: the next one waits there when one is done
constexpr auto kPause = 1ms;

std::string encoded(const std::vector<analysis::ResultsLine>& lines) {
  std::string text;
  for (const auto& line : lines) text += analysis::encode(line) + "\n";
  return text;
}

std::vector<analysis::ResultsLine> decoded(std::string_view text) {
  std::vector<analysis::ResultsLine> lines;
  std::size_t at = 0;
  for (std::size_t end = 0; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
    lines.push_back(analysis::decode_results_line(text.substr(at, end - at)));
  }
  return lines;
}

void deliver(orchestrator::Channel& channel, orchestrator::Launch& launch) {
  while (channel.n_undelivered() > 0 && !launch.launcher_is_gone()) {
    std::this_thread::sleep_for(kPause);
  }
}

}  // namespace

void share_jobs(orchestrator::Launch& launch, const RunDirectory& run,
                const std::vector<analysis::AnalysisJob>& jobs,
                const std::function<void(const std::vector<analysis::ResultsLine>&)>& store) {
  if (launch.size() == 1) return analysis::run_jobs(jobs, run, store);
  orchestrator::MpiChannel channel(*launch.session());
  std::size_t next = 0, open = 0;
  const auto hand_out = [&](int rank) {
    if (next == jobs.size()) return;
    channel.send(rank, jobs[next++].to_json());
    ++open;
  };
  for (std::size_t round = 0; round < kJobsAhead; ++round) {
    for (int rank = 1; rank < launch.size(); ++rank) hand_out(rank);
  }
  while (next < jobs.size() || open > 0) {
    if (const auto incoming = channel.receive()) {
      --open;
      hand_out(incoming->peer);
      store(decoded(incoming->text));
    } else if (next < jobs.size()) {
      store(analysis::run_job(jobs[next++], run));
    } else {
      std::this_thread::sleep_for(kPause);
    }
  }
}

void end_sharing(orchestrator::Launch& launch) {
  if (launch.size() == 1) return;
  orchestrator::MpiChannel channel(*launch.session());
  for (int rank = 1; rank < launch.size(); ++rank) channel.send(rank, std::string(kEnd));
  deliver(channel, launch);
}

void help_with_jobs(orchestrator::Launch& launch, const RunDirectory& run) {
  orchestrator::MpiChannel channel(*launch.session());
  while (!launch.launcher_is_gone()) {
    const auto incoming = channel.receive();
    if (!incoming) {
      std::this_thread::sleep_for(kPause);
      continue;
    }
    if (incoming->text == kEnd) return;
    channel.send(0,
                 encoded(analysis::run_job(analysis::AnalysisJob::from_json(incoming->text), run)));
  }
}

}  // namespace calsweep::cli
