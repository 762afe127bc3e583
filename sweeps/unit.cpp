#include "sweeps/unit.hpp"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <unordered_map>
#include <unordered_set>

#include "sweeps/cost.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/json_integer.hpp"

namespace calsweep {
namespace {

using nlohmann::json;

// What a unit or a stack is, as text: its kind and who is in which stack.
std::string content_of(std::span<const Stack> stacks, UnitKind kind) {
  std::string content = kind == UnitKind::Stage ? "stage" : "trials";
  for (const auto& stack : stacks) {
    content += "|";
    for (const auto& member : stack.members) {
      content += (kind == UnitKind::Stage ? member.stage.hex() : member.trial.hex());
    }
  }
  return content;
}

double stack_flops(const Stack& stack, UnitKind kind) {
  const double one =
      kind == UnitKind::Stage ? stage_flops(stack.settings) : trial_flops(stack.settings);
  return one * static_cast<double>(stack.members.size());
}

// What all trials of one unit file must agree on: it has one data set and one list of labels per
// split.
std::string labels_of(const Settings& settings) {
  std::string text;
  for (const char* key :
       {"data.dataset", "data.test_size", "data.validation_size", "data.subset_seed"}) {
    text += canonical_text(settings.value(key)) + "|";
  }
  return text;
}

// Fills in what follows from a unit's kind and stacks.
void complete(WorkUnit& unit) {
  std::set<StageId> needs;
  unit.flops = 0.0;
  for (const auto& stack : unit.stacks) {
    unit.flops += stack_flops(stack, unit.kind);
    for (const auto& member : stack.members) {
      if (unit.kind == UnitKind::Trials && !member.stage.is_zero()) needs.insert(member.stage);
    }
  }
  unit.needs.assign(needs.begin(), needs.end());
  unit.shape = shape_family(unit.stacks.front().settings);
  unit.id = UnitId::of(content_of(unit.stacks, unit.kind));
}

WorkUnit unit_of_stacks(UnitKind kind, std::vector<Stack> stacks) {
  WorkUnit unit;
  unit.kind = kind;
  unit.stacks = std::move(stacks);
  complete(unit);
  return unit;
}

// Collects stacks of one group into units of about the size asked for.
class UnitBuilder {
 public:
  UnitBuilder(const PackingOptions& options, std::vector<WorkUnit>& units)
      : options_(options), units_(units) {}

  /// `group`: stacks of different groups never share a unit.
  void add(UnitKind kind, std::size_t group, Stack stack) {
    const double flops = stack_flops(stack, kind);
    const bool fits = !unit_.stacks.empty() && unit_.kind == kind && group_ == group &&
                      unit_.flops + flops <= options_.flops_per_unit &&
                      unit_.n_networks() + stack.members.size() <= options_.max_networks;
    if (!fits) close();
    unit_.kind = kind;
    group_ = group;
    unit_.flops += flops;
    unit_.stacks.push_back(std::move(stack));
  }

  void close() {
    if (unit_.stacks.empty()) return;
    complete(unit_);
    units_.push_back(std::move(unit_));
    unit_ = WorkUnit{};
  }

 private:
  const PackingOptions& options_;
  std::vector<WorkUnit>& units_;
  WorkUnit unit_;
  std::size_t group_ = 0;
};

// A stack holds seeds of one aligned block of `fuse` places in the spec's seed list, so that it
// does not depend on what is left to do.
struct StackKey {
  std::size_t group;  // one shape, one list of labels, with or without a stage
  RecipeIndex recipe;
  std::int64_t member;
  std::size_t block;
  auto operator<=>(const StackKey&) const = default;
};

class Packer {
 public:
  explicit Packer(const Sweep& sweep) : sweep_(sweep) {
    const auto& seeds = sweep.spec.seeds;
    for (std::size_t i = 0; i < seeds.size(); ++i) place_of_seed_[seeds[i]] = i;
    std::map<std::string, std::size_t> trial_groups, stage_groups;
    std::map<std::string, RecipeIndex> stage_recipes;
    for (const auto& recipe : sweep.recipes) {
      const auto index = static_cast<RecipeIndex>(trial_groups_.size());
      const std::string shape = shape_family(recipe.settings);
      const bool has_stage = !recipe.stage_canonical.empty();
      trial_groups_.push_back(number_of(
          trial_groups, shape + (has_stage ? "|staged|" : "|") + labels_of(recipe.settings)));
      stage_groups_.push_back(number_of(stage_groups, shape));
      // Stages are shared by recipes that differ in what comes after the warm-up: any will do.
      stage_recipes_.push_back(stage_recipes.emplace(recipe.stage_canonical, index).first->second);
    }
  }

  void add_trial(const Trial& trial) {
    const auto recipe = static_cast<std::size_t>(trial.recipe);
    trials_[key_of(trial, trial_groups_[recipe], trial.recipe)].push_back(
        {trial.id, trial.seed, trial.member, trial.stage.value_or(StageId())});
  }

  // A stage that is made again is made in the stack in which it was made: rounding must not change.
  // So every stage is put in its place, and stacks in which one is wanted are trained whole.
  void add_stage(const Trial& trial, bool is_wanted) {
    const auto recipe = static_cast<std::size_t>(trial.recipe);
    const auto key = key_of(trial, stage_groups_[recipe], stage_recipes_[recipe]);
    if (is_wanted) wanted_stages_.insert(key);
    if (!stages_seen_.insert(*trial.stage).second) return;
    stages_[key].push_back({TrialId(), trial.seed, trial.member, *trial.stage});
  }

  std::vector<WorkUnit> pack(const PackingOptions& options) {
    std::vector<WorkUnit> units;
    UnitBuilder builder(options, units);
    for (auto& [key, members] : stages_) {
      if (!wanted_stages_.contains(key)) continue;
      builder.add(UnitKind::Stage, key.group, make_stack(key, members));
    }
    builder.close();
    for (auto& [key, members] : trials_) {
      Stack stack = make_stack(key, members);
      if (holds_suspect(stack, options)) {
        units.push_back(unit_of_stacks(UnitKind::Trials, {std::move(stack)}));
      } else {
        builder.add(UnitKind::Trials, key.group, std::move(stack));
      }
    }
    builder.close();
    return units;
  }

 private:
  static bool holds_suspect(const Stack& stack, const PackingOptions& options) {
    return options.suspect && std::any_of(stack.members.begin(), stack.members.end(),
                                          [&](const StackMember& member) {
                                            return options.suspect(member.trial);
                                          });
  }

  static std::size_t number_of(std::map<std::string, std::size_t>& numbers,
                               const std::string& name) {
    return numbers.emplace(name, numbers.size()).first->second;
  }

  StackKey key_of(const Trial& trial, std::size_t group, RecipeIndex recipe) const {
    const auto fuse = static_cast<std::size_t>(sweep_.spec.execution.fuse);
    return {group, recipe, trial.member, place_of_seed_.at(trial.seed) / fuse};
  }

  Stack make_stack(const StackKey& key, std::vector<StackMember>& members) const {
    std::sort(members.begin(), members.end(), [this](const auto& a, const auto& b) {
      return place_of_seed_.at(a.seed) < place_of_seed_.at(b.seed);
    });
    return {sweep_.recipes[static_cast<std::size_t>(key.recipe)].settings, std::move(members)};
  }

  const Sweep& sweep_;
  std::vector<std::size_t> trial_groups_, stage_groups_;  // by recipe
  std::vector<RecipeIndex> stage_recipes_;                // by recipe: who trains the warm-up
  std::unordered_map<std::int64_t, std::size_t> place_of_seed_;
  std::map<StackKey, std::vector<StackMember>> stages_, trials_;
  std::set<StackKey> wanted_stages_;
  std::unordered_set<StageId> stages_seen_;
};

json member_to_json(const StackMember& member, UnitKind kind) {
  json object = {{"seed", member.seed}, {"member", member.member}};
  if (kind == UnitKind::Trials) object["trial"] = member.trial.str();
  if (!member.stage.is_zero()) object["stage"] = member.stage.str();
  return object;
}

StackMember member_from_json(const json& object) {
  StackMember member;
  member.seed = integer_at<std::int64_t>(object, "seed");
  member.member = integer_at<std::int64_t>(object, "member");
  if (object.contains("trial")) {
    member.trial = TrialId::from_hex(object["trial"].get<std::string>());
  }
  if (object.contains("stage")) {
    member.stage = StageId::from_hex(object["stage"].get<std::string>());
  }
  return member;
}

Stack stack_from_json(const json& object) {
  Stack stack;
  stack.settings = Settings::from_canonical(object.at("settings").dump());
  for (const auto& member : object.at("members")) {
    stack.members.push_back(member_from_json(member));
  }
  return stack;
}

}  // namespace

StackId stack_id(const Stack& stack, UnitKind kind) {
  return StackId::of(content_of({&stack, 1}, kind));
}

std::size_t WorkUnit::n_networks() const {
  std::size_t n = 0;
  for (const auto& stack : stacks) n += stack.members.size();
  return n;
}

std::size_t WorkUnit::width() const {
  std::size_t widest = 0;
  for (const auto& stack : stacks) widest = std::max(widest, stack.members.size());
  return widest;
}

std::vector<WorkUnit> halves(const WorkUnit& unit) {
  CALSWEEP_CHECK(unit.n_networks() > 1, "one network has no halves");
  std::vector<Stack> first = unit.stacks, second;
  if (first.size() > 1) {
    const auto middle = first.begin() + static_cast<std::ptrdiff_t>((first.size() + 1) / 2);
    second.assign(middle, first.end());
    first.erase(middle, first.end());
  } else {
    second = first;
    auto& members = first.front().members;
    const auto middle = static_cast<std::ptrdiff_t>((members.size() + 1) / 2);
    members.erase(members.begin() + middle, members.end());
    second.front().members.erase(second.front().members.begin(),
                                 second.front().members.begin() + middle);
  }
  return {unit_of_stacks(unit.kind, std::move(first)), unit_of_stacks(unit.kind, std::move(second))};
}

WorkUnit narrowed(const WorkUnit& unit, std::size_t width) {
  CALSWEEP_CHECK(width > 0, "a stack holds at least one network");
  std::vector<Stack> stacks;
  for (const auto& stack : unit.stacks) {
    for (std::size_t begin = 0; begin < stack.members.size(); begin += width) {
      const auto end = std::min(begin + width, stack.members.size());
      const auto at = [&](std::size_t i) {
        return stack.members.begin() + static_cast<std::ptrdiff_t>(i);
      };
      stacks.push_back({stack.settings, {at(begin), at(end)}});
    }
  }
  return unit_of_stacks(unit.kind, std::move(stacks));
}

std::string WorkUnit::to_json() const {
  json object = {{"id", id.str()},         {"kind", kind == UnitKind::Stage ? "stage" : "trials"},
                 {"flops", flops},         {"shape", shape},
                 {"needs", json::array()}, {"stacks", json::array()}};
  for (const auto& stage : needs) object["needs"].push_back(stage.str());
  for (const auto& stack : stacks) {
    json members = json::array();
    for (const auto& member : stack.members) members.push_back(member_to_json(member, kind));
    object["stacks"].push_back(
        {{"settings", json::parse(stack.settings.canonical())}, {"members", std::move(members)}});
  }
  return object.dump();
}

WorkUnit WorkUnit::from_json(std::string_view text) {
  try {
    const json object = json::parse(text);
    WorkUnit unit;
    unit.id = UnitId::from_hex(object.at("id").get<std::string>());
    const auto kind = object.at("kind").get<std::string>();
    if (kind != "stage" && kind != "trials") {
      throw FormatError("a unit of unknown kind '" + kind + "'");
    }
    unit.kind = kind == "stage" ? UnitKind::Stage : UnitKind::Trials;
    unit.flops = object.at("flops").get<double>();
    unit.shape = object.at("shape").get<std::string>();
    for (const auto& stage : object.at("needs")) {
      unit.needs.push_back(StageId::from_hex(stage.get<std::string>()));
    }
    for (const auto& stack : object.at("stacks")) unit.stacks.push_back(stack_from_json(stack));
    return unit;
  } catch (const json::exception& error) {
    throw FormatError(std::string("not a unit: ") + error.what());
  }
}

std::vector<WorkUnit> pack_units(const Sweep& sweep, const PackingOptions& options,
                                 const std::function<bool(const TrialId&)>& is_done,
                                 const std::function<bool(const StageId&)>& stage_exists) {
  Packer packer(sweep);
  bool any_stage_is_wanted = false;
  const auto is_wanted = [&](const Trial& trial) {
    return trial.stage && !is_done(trial.id) && !stage_exists(*trial.stage);
  };
  for (const auto& trial : sweep.trials) {
    if (is_done(trial.id)) continue;
    packer.add_trial(trial);
    any_stage_is_wanted = any_stage_is_wanted || is_wanted(trial);
  }
  for (const auto& trial : sweep.trials) {
    if (any_stage_is_wanted && trial.stage) packer.add_stage(trial, is_wanted(trial));
  }
  return packer.pack(options);
}

}  // namespace calsweep
