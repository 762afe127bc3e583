// The other ranks: serve until dismissed; and rank 0's duty to dismiss them whatever happens.
#include <fmt/core.h>

#include "orchestrator/agent.hpp"
#include "orchestrator/back_off.hpp"
#include "orchestrator/dispatch_loop.hpp"
#include "orchestrator/gpu_sharing.hpp"
#include "orchestrator/mpi_channel.hpp"
#include "orchestrator/run_sweep.hpp"
#include "orchestrator/stop_signal.hpp"
#include "orchestrator/utc_time.hpp"
#include "sweeps/log.hpp"

namespace calsweep::orchestrator {
namespace {

// For trainers to store checkpoints and for rank 0 to close its ledger and say goodbye.
constexpr double kPatienceAfterSignal = 90.0;
constexpr double kDismissSeconds = 5.0;
constexpr double kDeliverySeconds = 2.0;

AgentOptions agent_options(Launch& launch, const RunOptions& options) {
  // Rank 0 has no slots, so it does not share the host with the agents there.
  const MpiSession& mpi = *launch.session();
  const int without_zero = mpi.rank_zero_here() ? 1 : 0;
  AgentOptions agent;
  agent.id = AgentId{launch.rank()};
  agent.host = look_at_host(mpi.ranks_on_host() - without_zero, mpi.rank_on_host() - without_zero);
  if (const auto crowded = crowded_gpus(agent.host, options.device);
      crowded && agent.host.agent_index == 0) {
    log::warning(*crowded);
  }
  agent.request = {options.slots, options.slots_per_gpu, options.device, 1,
                   bind_mode_from(options.bind)};
  agent.hello_seconds = options.hello_seconds;
  return agent;
}

void deliver(Channel& channel) {
  const double deadline = steady_seconds() + kDeliverySeconds;
  BackOff back_off;
  while (channel.n_undelivered() > 0 && steady_seconds() < deadline) back_off.after_round(false);
}

void dismiss_agents(Launch& launch) {
  if (launch.size() == 1 || launch.agents_are_dismissed()) return;
  launch.agents_were_dismissed();
  std::vector<AgentId> agents;
  for (int rank = 1; rank < launch.size(); ++rank) agents.push_back(AgentId{rank});
  MpiChannel channel(*launch.session());
  if (!say_goodbye(channel, agents, kDismissSeconds, [] {})) launch.peer_was_lost();
}

}  // namespace

int serve_as_agent(Launch& launch, const RunOptions& options) {
  watch_stop_signals(options.stop_signal);
  log::set_who(fmt::format("agent {}", launch.rank()));
  MpiChannel channel(*launch.session());
  Agent agent(agent_options(launch, options), channel, steady_seconds());
  BackOff back_off;
  double signal_at = -1.0;
  while (!agent.is_dismissed()) {
    const double now = steady_seconds();
    back_off.after_round(agent.step(now));
    if (stop_signals_seen() > 0) agent.leave(last_stop_signal());
    if (stop_signals_seen() > 0 && signal_at < 0.0) signal_at = now;
    const bool given_up = signal_at >= 0.0 && now - signal_at > kPatienceAfterSignal;
    if (!given_up && !launch.launcher_is_gone() && !agent.coordinator_is_silent(now)) continue;
    agent.drop_everything();
    launch.peer_was_lost();
    if (agent.coordinator_is_silent(now)) {
      log::error("the coordinator is silent; its trainers are stopped and this agent leaves");
    }
    return kExitInternal;
  }
  deliver(channel);
  return kExitDone;
}

int with_agents(Launch& launch, const RunOptions& options,
                const std::function<int()>& coordinator) {
  if (launch.rank() != 0) return serve_as_agent(launch, options);
  try {
    const int code = coordinator();
    dismiss_agents(launch);
    return code;
  } catch (...) {
    dismiss_agents(launch);
    throw;
  }
}

}  // namespace calsweep::orchestrator
