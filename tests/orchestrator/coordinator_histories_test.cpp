// Thousands of random histories against an imagined world of agents that lose, delay, repeat and
// garble their answers. What must hold in each: no unit is lost, none is done twice, none starts
// before its stage exists, attempt numbers only grow, and the run always ends.
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "tests/orchestrator/coordinator_fixture.hpp"

namespace calsweep::orchestrator {
namespace {

using testing::stage_unit;
using testing::trials_unit;

class World {
 public:
  explicit World(unsigned seed) : random_(seed), coordinator_(plan(), limits(), Attempt{0}, 0.0) {}

  void live() {
    for (int agent = 1; agent <= n_agents_; ++agent) join(agent);
    for (int step = 0; step < 20000 && !coordinator_.finished(); ++step) {
      now_ += 0.1 + static_cast<double>(below(20)) * 0.1;
      something_happens(step);
      coordinator_.tick(now_);
      obey(coordinator_.take_actions(now_));
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
    }
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
    const int what = calm ? 0 : below(20);
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
      Event event =
          UnitDone{assigned.slot, id, assigned.attempt, "sum", 1, 0.001 * below(3000), 0.0, {}};
      if (badly) {
        event = UnitFailed{assigned.slot, id, assigned.attempt, FailureKind::Trainer, "died", ""};
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
      if (const auto* aside = std::get_if<RecordSetAside>(&action)) {
        ASSERT_TRUE(set_aside_.insert(aside->unit).second);
        ASSERT_FALSE(sealed_.contains(aside->unit));
      }
    }
  }

  void start(const AssignUnit& assign) {
    ASSERT_GT(number(assign.attempt), last_attempt_);
    last_attempt_ = number(assign.attempt);
    ASSERT_FALSE(sealed_.contains(assign.unit)) << "a sealed unit was handed out again";
    ASSERT_FALSE(set_aside_.contains(assign.unit));
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
    if (coordinator_.finish()->reason == FinishReason::NoSlots) return;
    ASSERT_EQ(coordinator_.finish()->reason, FinishReason::Complete);
    ASSERT_EQ(sealed_.size() + set_aside_.size(), coordinator_.units().size()) << "a unit was lost";
    ++n_complete;
    if (set_aside_.empty()) ++n_flawless;
  }

  std::mt19937 random_;
  int n_agents_ = 1;
  double now_ = 0.0;
  std::vector<StageId> stages_;
  Coordinator coordinator_;
  std::map<AgentId, std::vector<Held>> held_;
  std::set<AgentId> silent_;
  std::vector<Event> old_answers_;
  std::set<UnitIndex> sealed_, set_aside_;
  std::set<StageId> made_;
  std::map<UnitIndex, Attempt> attempt_of_;
  std::int64_t last_attempt_ = 0;

 public:
  static inline int n_complete = 0, n_flawless = 0;
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
  EXPECT_GT(World::n_complete, 2000);
  EXPECT_GT(World::n_flawless, 300);
  EXPECT_GT(World::n_complete - World::n_flawless, 200);
}

}  // namespace
}  // namespace calsweep::orchestrator
