#include "orchestrator/run_sweep.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>

#include "orchestrator/agent.hpp"
#include "orchestrator/back_off.hpp"
#include "orchestrator/coordinator.hpp"
#include "orchestrator/dispatch_loop.hpp"
#include "orchestrator/ledger_recovery.hpp"
#include "orchestrator/local_channel.hpp"
#include "orchestrator/mpi_channel.hpp"
#include "orchestrator/run_lock.hpp"
#include "orchestrator/run_report.hpp"
#include "orchestrator/stop_signal.hpp"
#include "orchestrator/utc_time.hpp"
#include "orchestrator/walltime.hpp"
#include "orchestrator/work_store.hpp"
#include "sweeps/log.hpp"

namespace calsweep::orchestrator {
namespace {

constexpr double kShowSeconds = 0.5;
constexpr double kStatusSeconds = 1.0;
constexpr double kGoodbyeSeconds = 10.0;
constexpr double kHastyGoodbyeSeconds =
    0.5;  // after a signal, mpirun kills everyone within a second
constexpr double kWarningGraceSeconds = 60.0;      // for checkpoints after the warning signal
constexpr double kOrphanedGraceSeconds = 1.0;      // without a launcher, ranks are killed in two
constexpr double kLargestShareForMargin = 0.25;    // of a short job's time

void make_folders(const RunDirectory& run) {
  for (const fs::path& folder : {run.root(), run.units(), run.stages(), run.checkpoints(), run.logs()}) {
    std::error_code error;
    fs::create_directories(folder, error);
    if (error) {
      throw IoError(
          fmt::format("cannot create {}: {}; choose another directory or make it writable",
                      folder.string(), error.message()));
    }
  }
}

// Sets when to stop, if the time of this job or run is limited.
void limit_time(CoordinatorLimits& limits, const RunOptions& options) {
  std::optional<double> left = options.time_seconds;
  if (!left) {
    const auto end = job_end_unix(this_environment());
    if (end) left = *end - unix_seconds();
  }
  if (!left) return;
  // A short job would otherwise stop before it began.
  const double margin =
      std::min(options.time_margin_seconds, kLargestShareForMargin * std::max(*left, 0.0));
  limits.stop_at = steady_seconds() + *left - margin;
  limits.stop_grace_seconds = std::max(0.8 * margin, 0.5);
  log::info(fmt::format("{} left for this run; it stores checkpoints and stops {} before the end",
                        format_duration(*left), format_duration(margin)));
}

CoordinatorLimits limits_for(const UnitRun& work, std::size_t n_agents, const RunOptions& options) {
  CoordinatorLimits limits;
  limits.max_attempts = work.execution.max_attempts;
  limits.checkpoint_seconds = work.execution.checkpoint_seconds;
  limits.agent_silence_seconds = options.agent_silence_seconds;
  limit_time(limits, options);
  // The agent watches its trainers; this is for an agent that fails to.
  limits.unit_silence_seconds = work.execution.heartbeat_seconds + options.hello_seconds + 30.0;
  limits.expected_agents = static_cast<std::int32_t>(n_agents);
  return limits;
}

// The coordinator's side of one run: channel, perhaps an agent in this process, loop, reports.
class SweepRun {
 public:
  SweepRun(const UnitRun& work, Ledger& ledger, RunLock& lock, const RunDirectory& run,
           const RunOptions& options, Launch& launch);
  int to_the_end();

 private:
  Channel& channel() { return mpi_ ? static_cast<Channel&>(*mpi_) : local_.coordinator_end(); }
  Welcome welcome() const;
  void rounds();
  void look_for_stop(double now);
  void write_status_if_possible(const RunStatus& status);
  void report(double now);
  void part_with_agents();

  const UnitRun& work_;
  Ledger& ledger_;
  RunLock& lock_;
  const RunDirectory& run_;
  const RunOptions& options_;
  Launch& launch_;
  LocalChannelPair local_;
  std::optional<MpiChannel> mpi_;
  std::optional<Agent> agent_;  ///< only if this is the only process
  std::vector<AgentId> agents_;
  WorkStore store_;
  Coordinator coordinator_;
  RunReport reporter_;
  ProgressDisplay display_;
  double last_shown_ = 0.0, last_status_ = 0.0;
  int signals_told_ = 0;
  bool orphaned_ = false;
  bool warned_ = false;
};

std::vector<AgentId> agents_of(const Launch& launch) {
  std::vector<AgentId> agents;
  for (int rank = 1; rank < launch.size(); ++rank) agents.push_back(AgentId{rank});
  if (agents.empty()) agents.push_back(AgentId{0});
  return agents;
}

SweepRun::SweepRun(const UnitRun& work, Ledger& ledger, RunLock& lock, const RunDirectory& run,
                   const RunOptions& options, Launch& launch)
    : work_(work),
      ledger_(ledger),
      lock_(lock),
      run_(run),
      options_(options),
      launch_(launch),
      agents_(agents_of(launch)),
      store_(work.units),
      coordinator_(store_.plans(), limits_for(work, agents_.size(), options),
                   ledger.last_attempt(), steady_seconds(), &store_),
      reporter_(work, coordinator_, steady_seconds()),
      display_(options.display.value_or(choose_display())) {
  coordinator_.set_fusion_limits(ledger.fusion_limits());
  if (launch.size() > 1) {
    mpi_.emplace(*launch.session());
    return;
  }
  AgentOptions agent;
  agent.host = look_at_host(1, 0);
  agent.request = {options.slots, options.slots_per_gpu, options.device, 1,
                   bind_mode_from(options.bind)};
  agent.hello_seconds = options.hello_seconds;
  agent_.emplace(agent, local_.agent_end(), steady_seconds());
}

Welcome SweepRun::welcome() const {
  return {fs::absolute(run_.root()).string(),
          fs::absolute(options_.trainer).string(),
          work_.data_root,
          work_.inventory,
          work_.execution.heartbeat_seconds,
          work_.execution.checkpoint_seconds,
          work_.execution.threads,
          options_.no_op};
}

void SweepRun::look_for_stop(double now) {
  const int seen = stop_signals_seen();
  if (seen != signals_told_) {
    signals_told_ = seen;
    const double grace = stop_at_once_asked()  ? 0.0
                         : a_kill_may_follow() ? launch_.seconds_before_kill()
                                               : kWarningGraceSeconds;
    coordinator_.handle(StopRequested{last_stop_signal(), grace}, now);
  }
  if (!orphaned_ && launch_.launcher_is_gone()) {
    orphaned_ = true;
    coordinator_.handle(StopRequested{"the end of the launcher", kOrphanedGraceSeconds}, now);
  }
}

void SweepRun::report(double now) {
  lock_.beat();
  if (now - last_shown_ < kShowSeconds) return;
  last_shown_ = now;
  const RunStatus status = reporter_.status(now);
  display_.update(status, now);
  if (now - last_status_ < kStatusSeconds) return;
  last_status_ = now;
  if (!fs::exists(run_.ledger())) {
    throw IoError(fmt::format(
        "{} is gone: the run directory was removed or moved while the run was at work. Put it back "
        "and run the same command again",
        run_.ledger().string()));
  }
  write_status_if_possible(status);
}

// A status that cannot be written stops nothing: what matters, ledger and units, will speak up.
void SweepRun::write_status_if_possible(const RunStatus& status) {
  try {
    write_status(run_, status);
  } catch (const IoError& error) {
    if (!warned_) log::warning(error.what());
    warned_ = true;
  }
}

void SweepRun::rounds() {
  DispatchLoop loop(coordinator_, ledger_, channel(), store_, agents_, welcome(),
                    steady_seconds());
  BackOff back_off;
  while (true) {
    const double now = steady_seconds();
    look_for_stop(now);
    bool active = agent_ && agent_->step(now);
    active = loop.round(now) || active;
    if (coordinator_.finished()) return;
    report(now);
    back_off.after_round(active);
  }
}

int SweepRun::to_the_end() {
  try {
    rounds();
  } catch (const CalsweepError& error) {
    write_status_if_possible(reporter_.broken_status(steady_seconds(), error.what()));
    throw;
  }
  const double now = steady_seconds();
  const RunStatus last = reporter_.final_status(now);
  ledger_.begin();
  ledger_.end_run(last.message.empty() ? "complete" : last.message);
  ledger_.commit();
  write_status_if_possible(last);
  if (last.state == RunState::Complete) remove_checkpoints(run_);
  display_.update(last, now);
  part_with_agents();
  reporter_.say_result(now);
  return reporter_.exit_code();
}

void SweepRun::part_with_agents() {
  const bool hasty = a_kill_may_follow() || launch_.launcher_is_gone();
  const auto step = [&] {
    if (agent_) agent_->step(steady_seconds());
  };
  const bool all =
      say_goodbye(channel(), agents_, hasty ? kHastyGoodbyeSeconds : kGoodbyeSeconds, step);
  if (!all) launch_.peer_was_lost();
  launch_.agents_were_dismissed();
}

}  // namespace

int run_units(const UnitRun& work, Ledger& ledger, RunLock& lock, const RunDirectory& run,
              const RunOptions& options, Launch& launch) {
  watch_stop_signals(options.stop_signal);
  ledger.begin();
  ledger.start_run(host_name(), ::getpid());
  ledger.commit();
  return SweepRun(work, ledger, lock, run, options, launch).to_the_end();
}

int run_sweep(const Sweep& sweep, const RunDirectory& run, const RunOptions& options,
              Launch& launch) {
  watch_stop_signals(options.stop_signal);
  make_folders(run);
  RunLock lock(run.lock(), {options.take_over, options.lock_wait_seconds});
  if (options.with_lock_held) options.with_lock_held();
  const auto ledger = open_ledger(run);
  const DoneSet done = reconcile(*ledger, run);

  UnitRun work;
  work.name = sweep.spec.name;
  work.execution = sweep.spec.execution;
  work.data_root = sweep.spec.data_root;
  work.inventory = sweep.data.to_json();
  PackingOptions packing;
  // What was given up before may be poisonous: it must not take others with it again.
  const auto suspects = ledger->set_aside_trials();
  packing.suspect = [&](const TrialId& trial) { return suspects.contains(trial); };
  packing.flops_per_unit = sweep.spec.execution.unit_seconds * kAssumedFlopsPerSecond;
  work.units = pack_units(
      sweep, packing, [&](const TrialId& trial) { return done.trials.contains(trial); },
      [&](const StageId& stage) { return done.stages.contains(stage); });
  work.trials_total = static_cast<std::int64_t>(sweep.trials.size());
  work.trials_reused =
      std::count_if(sweep.trials.begin(), sweep.trials.end(),
                    [&](const Trial& trial) { return done.trials.contains(trial.id); });
  work.diverged_before = ledger->n_diverged();
  log::info(fmt::format("{}: {} trials, {} done already; {} units to do", work.name,
                        work.trials_total, work.trials_reused, work.units.size()));
  return run_units(work, *ledger, lock, run, options, launch);
}

}  // namespace calsweep::orchestrator
