// Who does what when: a pure state machine. Events go in, actions come out; there is no clock, MPI,
// file or SQL in it (time is a number that is passed in), so the same object is driven over MPI,
// in-process, and by a simulated clock.
//
// Rules it keeps: a unit starts only when its stages exist; longest expected first, stages before
// their trials; an answer counts only if it carries the attempt that the unit is assigned under; a
// failed unit is retried, on another host or slot if there is one; at the limit it is divided in
// two, and so on, until only the network that cannot be trained is set aside, with everything that
// needs it. A unit that runs out of memory is fused less widely. A slot or host whose failures pass
// elsewhere leaves the run. Asked to stop, or near the end of the job's time, it hands out nothing
// more and lets the trainers store checkpoints. Attempt numbers only grow.
//
// coordinator.cpp: events; coordinator_slots.cpp: who has what, handing out;
// coordinator_failures.cpp: retry, divide, set aside, drain; coordinator_stop.cpp: deadlines, the
// end; coordinator_view.cpp: what there is to see.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "orchestrator/coordinator_types.hpp"
#include "orchestrator/cost_model.hpp"
#include "orchestrator/ready_queue.hpp"

namespace calsweep::orchestrator {

struct CoordinatorLimits {
  std::int64_t max_attempts = 3;        ///< failures of a unit before it is divided or set aside
  double unit_silence_seconds = 210.0;  ///< without progress from an agent that is alive
  double agent_silence_seconds = 60.0;  ///< without any message
  double join_seconds = 60.0;           ///< to wait for agents that have not said hello
  std::int32_t expected_agents = 1;
  /// A slot is handed more units while those it has are expected to take less than this in all.
  double prefetch_seconds = 0.25;
  std::size_t max_prefetch = 256;
  /// When to stop in good order (the job's end less a margin), on the coordinator's clock.
  std::optional<double> stop_at;
  double stop_grace_seconds = 20.0;  ///< for the checkpoints of that stop
  double checkpoint_seconds = 60.0;  ///< a unit that cannot end in time is begun if so much is left
  /// Units that failed on a slot (or host), passed on another and were not outweighed by units that
  /// passed here: then it leaves the run.
  std::int64_t drain_after = 3;
  double longest_rest_seconds = 30.0;  ///< of a slot that fails one unit after another
};

// States of a unit; each carries what is valid in it.
namespace unit_state {
struct Waiting {
  std::int32_t missing_stages = 0;
};
struct Ready {};
struct Assigned {
  SlotId slot;
  Attempt attempt{};
  double assigned_at = 0.0, last_sign_at = 0.0, fraction = 0.0;
  std::string doing;
};
struct Sealed {};
struct Divided {
  std::vector<UnitIndex> parts;
};
struct SetAside {
  std::string cause, message;
};
}  // namespace unit_state

class Coordinator {
 public:
  using Waiting = unit_state::Waiting;
  using Ready = unit_state::Ready;
  using Assigned = unit_state::Assigned;
  using Sealed = unit_state::Sealed;
  using Divided = unit_state::Divided;
  using SetAside = unit_state::SetAside;
  using UnitState = std::variant<Waiting, Ready, Assigned, Sealed, Divided, SetAside>;

  /// `last_attempt`: the highest number ever given in this run directory. `divider` outlives this;
  /// without one, units stay whole.
  Coordinator(std::vector<PlannedUnit> units, CoordinatorLimits limits, Attempt last_attempt,
              double now, UnitDivider* divider = nullptr);
  /// What earlier runs learnt.
  void set_fusion_limits(const std::vector<FusionLimit>& limits);

  void handle(const Event& event, double now);
  /// Looks at deadlines. Call at least every few seconds.
  void tick(double now);
  /// Hands out what can be handed out and returns everything to be carried out, in order.
  std::vector<Action> take_actions(double now);

  bool finished() const { return finish_.has_value(); }
  const std::optional<Finish>& finish() const { return finish_; }

  // ---- what there is to see (status, tests) -----------------------------------------------------
  /// Why nothing more is handed out, while the rest may end; empty otherwise.
  std::string winding_up() const { return drain_ ? drain_->why : ""; }
  struct UnitCounts {
    std::int64_t total = 0, waiting = 0, ready = 0, running = 0, sealed = 0, set_aside = 0;
    bool operator==(const UnitCounts&) const = default;
  };
  struct TrialCounts {
    std::int64_t total = 0, sealed = 0, running = 0, set_aside = 0, diverged = 0;
  };
  /// A failure that a later attempt made good.
  struct Recovered {
    UnitIndex unit{};
    std::string host, cause;
  };
  struct SlotView {
    SlotId slot;
    std::string host, device;
    bool usable = true;
    std::optional<UnitIndex> running;  ///< the unit it is at
    double fraction = 0.0, since = 0.0;
    std::string doing;
    std::size_t queued = 0;  ///< units assigned ahead
  };
  const std::vector<PlannedUnit>& units() const { return units_; }
  const UnitState& state(UnitIndex unit) const { return entries_[position(unit)].state; }
  UnitCounts unit_counts() const { return unit_counts_; }
  TrialCounts trial_counts() const { return trial_counts_; }
  std::vector<SlotView> slots() const;
  std::vector<UnitIndex> set_aside() const;
  std::span<const Recovered> recovered() const { return recovered_; }
  std::int64_t n_failures() const { return n_failures_; }
  TimeLeft time_left() const;
  /// Estimated work of this run that is done or given up, 0 to 1; running units count in part.
  double work_fraction() const;
  const std::string& host(AgentId agent) const;
  /// Walks everything and names the first contradiction found, "" if there is none. For tests.
  std::string contradiction() const;

 private:
  struct UnitEntry {
    UnitState state;
    std::size_t shape = 0;
    std::int64_t failures = 0, limit = 1;
    std::vector<SlotId> failed_on;
    std::string last_cause, last_host;
    double stopped_at = 0.0;  ///< fraction that a checkpoint holds
  };
  struct Slot {
    bool usable = true;
    std::size_t device = 0;
    std::deque<UnitIndex> queue;  ///< the front is what it is at
    double queued_seconds = 0.0;
    std::int64_t failures_in_a_row = 0, blame = 0;
    double rest_until = 0.0;
  };
  struct Agent {
    std::string host;
    bool alive = true;
    bool leaving = false;
    double last_heard_at = 0.0;
    std::vector<Slot> slots;
  };

  void on(const AgentJoined& event, double now);
  void on(const AgentLost& event, double now);
  void on(const AgentLeaving& event, double now);
  void on(const AgentAlive& event, double now);
  void on(const SlotReady& event, double now);
  void on(const SlotUnusable& event, double now);
  void on(const UnitProgress& event, double now);
  void on(const UnitDone& event, double now);
  void on(const UnitStopped& event, double now);
  void on(const UnitFailed& event, double now);
  void on(const StopRequested& event, double now);

  Slot* find_slot(SlotId slot);
  bool heard_from(AgentId agent, double now);
  std::optional<UnitIndex> answered(SlotId slot, const UnitId& unit, Attempt attempt);
  void set_state(UnitIndex unit, UnitState state);
  void count(UnitIndex unit, std::int64_t by);
  void make_ready(UnitIndex unit);
  void add_unit(PlannedUnit plan, std::int64_t limit);
  void release_slot(UnitIndex unit, double now);
  void empty_slot(SlotId id, std::string_view why, double now);
  void fail(UnitIndex unit, const UnitFailed& event, double now);
  bool failed_on_host(const UnitEntry& entry, std::string_view host) const;
  bool untried_host_exists(const UnitEntry& entry) const;
  void set_aside(UnitIndex unit, const std::string& cause, const std::string& message);
  void stages_exist(UnitIndex stage_unit);
  bool divide(UnitIndex unit, const std::string& cause);
  bool fuse_less(UnitIndex unit, std::size_t device, const std::string& where);
  UnitIndex narrow(UnitIndex unit, std::int64_t width);
  void replace(UnitIndex unit, std::vector<PlannedUnit> parts, std::int64_t limit);
  std::int64_t fusion_limit(std::size_t shape, std::size_t device) const;
  void credit(const UnitEntry& entry, SlotId by);
  void blame_slot(SlotId id, const UnitEntry& entry);
  void blame_host(const std::string& host, const UnitEntry& entry);
  bool usable_slot_exists(const std::function<bool(SlotId, const Agent&)>& accept) const;
  void rest(SlotId id, double now);

  void dispatch(double now);
  bool give_one(SlotId id, Slot& slot, double now, std::optional<double> at_most_seconds);
  std::optional<ReadyQueue::Entry> pick(SlotId id, const Slot& slot, double now,
                                        std::optional<double> at_most_seconds);
  std::optional<ReadyQueue::Entry> pick_in_time(ReadyQueue::Entry first, ReadyQueue::Request request,
                                                double left);
  bool may_run_on(UnitIndex unit, SlotId slot) const;
  std::optional<double> room_ahead(const Slot& slot) const;
  void check_units(AgentId id, Agent& agent, double now);

  void stop_for_full_disk(const std::string& message, double now);
  void wind_up(FinishReason reason, const std::string& why, double deadline, double now);
  void take_back_what_waits(SlotId id, double now);
  void ask_slot_to_stop(SlotId id, double now);
  void stop_at_once(const std::string& why);
  void finish_if_over(double now);
  std::optional<Finish> reason_to_finish(double now) const;
  void note(NoteLevel level, std::string text) { actions_.push_back(Note{level, std::move(text)}); }

  std::vector<PlannedUnit> units_;
  CoordinatorLimits limits_;
  std::int64_t last_attempt_;
  double started_at_;
  std::vector<UnitEntry> entries_;
  std::unordered_map<UnitId, UnitIndex> index_of_;
  std::unordered_map<StageId, std::vector<UnitIndex>>
      dependents_;  ///< of stages planned units make
  ReadyQueue ready_;
  CostModel cost_;
  std::map<AgentId, Agent> agents_;
  std::set<SlotId> hungry_;         ///< usable slots that may take more
  std::vector<double> flops_left_;  ///< by shape
  std::vector<Action> actions_;
  std::optional<Finish> finish_;
  /// Nothing more is handed out; what runs may end until the deadline.
  struct Drain {
    FinishReason reason = FinishReason::Stopped;
    std::string why;
    double deadline = 0.0;
  };
  std::optional<Drain> drain_;
  bool too_late_ = false;      ///< something was not begun because the time is nearly up
  std::string last_unusable_;  ///< why the last slot left
  std::string last_leaving_;   ///< which signal took the last agent
  UnitDivider* divider_;
  std::map<std::pair<std::size_t, std::size_t>, std::int64_t> fusion_limits_;  ///< shape, device
  std::map<std::string, std::int64_t> host_blame_;
  double flops_total_ = 0.0;
  UnitCounts unit_counts_;
  TrialCounts trial_counts_;
  std::vector<Recovered> recovered_;
  std::int64_t n_failures_ = 0;
};

}  // namespace calsweep::orchestrator
