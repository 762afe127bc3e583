// Thousands of random histories against an imagined world of agents that lose, delay, repeat and
// garble their answers. What must hold in each: no unit is lost, none is done twice, none starts
// before its stage exists, attempt numbers only grow, and the run always ends.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "tests/orchestrator/coordinator_fixture.hpp"

namespace calsweep::orchestrator {
namespace {

using testing::stage_unit;
using testing::trials_unit;

class World {
 public:
  explicit World(unsigned seed)
      : random_(seed),
        plan_(plan()),
        divider_(plan_),
        coordinator_(plan_, limits(), Attempt{0}, 0.0, &divider_) {}

  void live() {
    for (int agent = 1; agent <= n_agents_; ++agent) join(agent);
    for (int step = 0; step < 20000 && !coordinator_.finished(); ++step) {
      now_ += 0.1 + static_cast<double>(below(20)) * 0.1;
      something_happens(step);
      coordinator_.tick(now_);
      obey(coordinator_.take_actions(now_));
      ASSERT_EQ(coordinator_.contradiction(), "");
      if (::testing::Test::HasFatalFailure()) return;
    }
    check_the_end();
  }

 private:
  struct Held {
    AssignUnit assigned;
    double since;
  };

  int below(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }

  CoordinatorLimits limits() {
    CoordinatorLimits limits;
    limits.max_attempts = 3;
    limits.unit_silence_seconds = 120.0;
    limits.agent_silence_seconds = 30.0;
    if (below(6) == 0) limits.stop_at = 10.0 + below(400);
    n_agents_ = 1 + below(4);
    limits.expected_agents = n_agents_;
    return limits;
  }

  std::vector<PlannedUnit> plan() {
    std::vector<PlannedUnit> units;
    const int n_stages = below(4), n_units = 1 + below(25);
    for (int s = 0; s < n_stages; ++s) {
      std::vector<StageId> makes{StageId::of(std::to_string(s))};
      if (below(2) == 0) makes.push_back(StageId::of("second of " + std::to_string(s)));
      for (const auto& stage : makes) stages_.push_back(stage);
      units.push_back(stage_unit("stage" + std::to_string(s), 1e9 * (1 + below(5)), makes));
    }
    for (int u = 0; u < n_units; ++u) {
      std::vector<StageId> needs;
      for (const auto& stage : stages_) {
        if (below(3) == 0) needs.push_back(stage);
      }
      units.push_back(trials_unit("unit" + std::to_string(u), 1e7 * (1 + below(1000)), needs));
      PlannedUnit& unit = units.back();
      for (int t = below(6); t > 0; --t) {
        unit.trials.push_back(TrialId::of(std::to_string(u) + "/" + std::to_string(t)));
      }
      unit.width = 1 + below(static_cast<int>(unit.trials.size()));
      for (const TrialId& trial : unit.trials) {
        trials_.insert(trial);
        if (below(40) == 0) poisonous_.insert(trial);
      }
    }
    bad_host_ = below(3) == 0 ? 1 : 0;
    return units;
  }

  void join(int agent) {
    const AgentId id{agent};
    held_.erase(id);
    silent_.erase(id);
    coordinator_.handle(AgentJoined{id, "h" + std::to_string(agent), 1 + below(3), "cpu", ""},
                        now_);
  }

  void something_happens(int step) {
    for (int agent = 1; agent <= n_agents_; ++agent) {
      if (!silent_.contains(AgentId{agent})) {
        coordinator_.handle(AgentAlive{AgentId{agent}}, now_);
      }
    }
    // Trouble ends at some time, so that "the run always ends" is a fair demand.
    const bool calm = step > 400;
    const int what = calm ? 0 : below(23);
    if (what < 12) return answer(what >= 9);
    if (what == 12) return join(1 + below(n_agents_));
    if (what == 13) {
      silent_.insert(AgentId{1 + below(n_agents_)});
      return;
    }
    if (what == 14) {
      const AgentId id{1 + below(n_agents_)};
      held_.erase(id);
      coordinator_.handle(AgentLost{id, "lost"}, now_);
      silent_.insert(id);
      return;
    }
    if (what == 15 && !old_answers_.empty()) {  // a late or repeated answer
      coordinator_.handle(
          old_answers_[static_cast<std::size_t>(below(static_cast<int>(old_answers_.size())))],
          now_);
      return;
    }
    if (what == 16) revive();
    if (what == 17) hang_one();
    if (what == 18 && below(20) == 0) leave(1 + below(n_agents_));
    if (what == 19 && below(40) == 0) {
      coordinator_.handle(StopRequested{"SIGUSR1", 0.5 * below(20)}, now_);
    }
    if (what == 20) stop_one();  // somebody else kills a trainer softly
  }

  void leave(int agent) {
    const AgentId id{agent};
    coordinator_.handle(AgentLeaving{id, "SIGTERM"}, now_);
    for (const Held& held : held_[id]) stopped(held.assigned);
    held_.erase(id);
  }

  void stopped(const AssignUnit& assigned) {
    const UnitId unit = coordinator_.units()[position(assigned.unit)].id;
    coordinator_.handle(
        UnitStopped{assigned.slot, unit, assigned.attempt, 0.1 * below(10)}, now_);
  }

  void stop_one() {
    for (auto& [agent, units] : held_) {
      if (units.empty()) continue;
      const AssignUnit assigned = units.back().assigned;
      units.pop_back();
      return stopped(assigned);
    }
  }

  void revive() {
    if (silent_.empty()) return;
    join(number(*silent_.begin()));
  }

  // Its trainer will never answer; only the deadline helps.
  void hang_one() {
    for (auto& [agent, units] : held_) {
      if (!units.empty()) {
        units.pop_back();
        return;
      }
    }
  }

  void answer(bool badly) {
    if (coordinator_.finished()) return;
    for (auto& [agent, units] : held_) {
      if (units.empty() || silent_.contains(agent) || below(2) == 0) continue;
      const auto at = static_cast<std::size_t>(below(static_cast<int>(units.size())));
      const AssignUnit assigned = units[at].assigned;
      units.erase(units.begin() + static_cast<std::ptrdiff_t>(at));
      const UnitId id = coordinator_.units()[position(assigned.unit)].id;
      const bool bad_slot = bad_host_ == number(agent) && n_agents_ > 1;
      Event event =
          UnitDone{assigned.slot, id, assigned.attempt, "sum", 1, 0.001 * below(3000), 0.0, {}};
      const bool doomed = is_poisonous(assigned.unit);
      if (badly || bad_slot || doomed) {
        const bool memory = !doomed && below(3) == 0;
        event = UnitFailed{assigned.slot, id, assigned.attempt,
                           memory ? FailureKind::OutOfMemory : FailureKind::Trainer, "died", ""};
      }
      old_answers_.push_back(event);
      coordinator_.handle(event, now_);
    }
    if (silent_.size() == static_cast<std::size_t>(n_agents_)) revive();
  }

  void obey(const std::vector<Action>& actions) {
    for (const Action& action : actions) {
      if (const auto* assign = std::get_if<AssignUnit>(&action)) start(*assign);
      if (const auto* done = std::get_if<RecordDone>(&action)) finish(*done);
      if (const auto* reset = std::get_if<ResetAgent>(&action)) held_.erase(reset->agent);
      if (const auto* cancel = std::get_if<CancelUnit>(&action)) drop(*cancel);
      if (const auto* stop = std::get_if<StopUnit>(&action)) obey_stop(*stop);
      if (const auto* divided = std::get_if<RecordDivided>(&action)) {
        ASSERT_TRUE(divided_.insert(divided->unit).second);
        ASSERT_FALSE(sealed_.contains(divided->unit));
      }
      if (const auto* aside = std::get_if<RecordSetAside>(&action)) {
        ASSERT_TRUE(set_aside_.insert(aside->unit).second);
        ASSERT_FALSE(sealed_.contains(aside->unit));
      }
    }
  }

  bool is_poisonous(UnitIndex unit) const {
    const auto& trials = coordinator_.units()[position(unit)].trials;
    return std::any_of(trials.begin(), trials.end(),
                       [&](const TrialId& trial) { return poisonous_.contains(trial); });
  }

  void drop(const CancelUnit& cancel) {
    std::erase_if(held_[cancel.slot.agent],
                  [&](const Held& held) { return held.assigned.attempt == cancel.attempt; });
  }

  void obey_stop(const StopUnit& stop) {
    if (below(4) == 0) return;  // it hangs: the deadline helps
    auto& units = held_[stop.slot.agent];
    const auto found = std::find_if(units.begin(), units.end(), [&](const Held& held) {
      return held.assigned.attempt == stop.attempt;
    });
    if (found == units.end()) return;
    const AssignUnit assigned = found->assigned;
    units.erase(found);
    stopped(assigned);
  }

  void start(const AssignUnit& assign) {
    ASSERT_GT(number(assign.attempt), last_attempt_);
    last_attempt_ = number(assign.attempt);
    ASSERT_FALSE(sealed_.contains(assign.unit)) << "a sealed unit was handed out again";
    ASSERT_FALSE(set_aside_.contains(assign.unit));
    ASSERT_FALSE(divided_.contains(assign.unit)) << "a divided unit was handed out";
    for (const StageId& stage : coordinator_.units()[position(assign.unit)].needs) {
      ASSERT_TRUE(made_.contains(stage)) << "handed out before its stage";
    }
    attempt_of_[assign.unit] = assign.attempt;
    held_[assign.slot.agent].push_back({assign, now_});
  }

  void finish(const RecordDone& done) {
    ASSERT_TRUE(sealed_.insert(done.unit).second) << "done twice";
    ASSERT_EQ(attempt_of_.at(done.unit), done.done.attempt) << "a superseded attempt counted";
    for (const StageId& stage : coordinator_.units()[position(done.unit)].makes)
      made_.insert(stage);
  }

  void check_the_end() {
    ASSERT_TRUE(coordinator_.finished()) << "no progress";
    if (coordinator_.finish()->reason != FinishReason::Complete) {
      n_stopped += coordinator_.finish()->reason == FinishReason::Stopped ? 1 : 0;
      return;
    }
    ASSERT_EQ(sealed_.size() + set_aside_.size() + divided_.size(), coordinator_.units().size())
        << "a unit was lost";
    check_the_trials();
    ++n_complete;
    if (set_aside_.empty()) ++n_flawless;
  }

  // Every trial is in exactly one unit that is sealed or set aside.
  void check_the_trials() {
    std::set<TrialId> seen;
    for (std::size_t i = 0; i < coordinator_.units().size(); ++i) {
      const UnitIndex unit{static_cast<std::int32_t>(i)};
      if (divided_.contains(unit)) continue;
      for (const TrialId& trial : coordinator_.units()[i].trials) {
        ASSERT_TRUE(seen.insert(trial).second) << "a trial is in two units";
        if (poisonous_.contains(trial)) {
          ASSERT_TRUE(set_aside_.contains(unit));
          ++n_poisonous;
        }
      }
    }
    for (const TrialId& trial : trials_) ASSERT_TRUE(seen.contains(trial)) << "a trial was lost";
  }

  std::mt19937 random_;
  std::vector<StageId> stages_;
  std::set<TrialId> trials_, poisonous_;
  int bad_host_ = 0;
  std::vector<PlannedUnit> plan_;
  testing::MadeUpDivider divider_;
  int n_agents_ = 1;
  double now_ = 0.0;
  Coordinator coordinator_;
  std::map<AgentId, std::vector<Held>> held_;
  std::set<AgentId> silent_;
  std::vector<Event> old_answers_;
  std::set<UnitIndex> sealed_, set_aside_, divided_;
  std::set<StageId> made_;
  std::map<UnitIndex, Attempt> attempt_of_;
  std::int64_t last_attempt_ = 0;

 public:
  static inline int n_complete = 0, n_flawless = 0, n_stopped = 0, n_poisonous = 0;
};

TEST(CoordinatorHistoriesTest, random_histories_keep_every_invariant) {
  for (unsigned seed = 0; seed < 4000; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    World world(seed);
    world.live();
    if (HasFatalFailure()) return;
  }
  // The histories must be worth something: most end complete (the others ran out of agents), many
  // with and many without units set aside.
  EXPECT_GT(World::n_complete, 1500);
  EXPECT_GT(World::n_flawless, 300);
  EXPECT_GT(World::n_complete - World::n_flawless, 200);
  EXPECT_GT(World::n_stopped, 200);
  EXPECT_GT(World::n_poisonous, 200);
}

}  // namespace
}  // namespace calsweep::orchestrator
