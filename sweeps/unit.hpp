// Units: what is dispatched, retried and sealed as one.
//
// A unit is one or more stacks, trained one after another; a stack is up to `fuse` networks of one
// recipe trained as one stacked network. Which trials share a stack depends only on the sweep
// (seeds in aligned blocks), never on workers or on what is left to do, so fusion rounding is
// reproducible; which stacks share a unit affects nothing but the number of files.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "sweeps/ids.hpp"
#include "sweeps/sweep.hpp"

namespace calsweep {

enum class UnitKind { Stage, Trials };

struct StackMember {
  TrialId trial;  ///< zero for a stage
  std::int64_t seed = 0;
  std::int64_t member = 0;
  StageId stage;  ///< zero: none. In a stage unit: the stage to make; else: the one to start from
};

struct Stack {
  Settings settings;
  std::vector<StackMember> members;  ///< K networks, in seed order
};

/// Depends on the members alone, so a stack keeps its id in whatever unit it is packed.
StackId stack_id(const Stack& stack, UnitKind kind);

struct WorkUnit {
  UnitId id;
  UnitKind kind = UnitKind::Trials;
  std::vector<Stack> stacks;
  double flops = 0.0;          ///< estimated work
  std::string shape;           ///< cost-model family: architecture, depth, width, input, fusion
  std::vector<StageId> needs;  ///< stages that must exist before it can run (sorted, unique)

  std::size_t n_networks() const;
  /// Networks in its widest stack.
  std::size_t width() const;
  /// One line of JSON, the form in which agents and trainers get it.
  std::string to_json() const;
  static WorkUnit from_json(std::string_view json);  ///< throws FormatError
};

/// A unit's work as two units: its first stacks and its last ones or, of a single stack, its first
/// members and its last ones (which trains those in narrower stacks than planned: rounding). Needs
/// two networks or more.
std::vector<WorkUnit> halves(const WorkUnit& unit);
/// The same work in stacks of at most `width` networks (1 or more).
WorkUnit narrowed(const WorkUnit& unit, std::size_t width);

struct PackingOptions {
  double flops_per_unit = 4e11;    ///< aim; a single stack may be larger
  std::size_t max_networks = 256;  ///< per unit
  /// A stack with a trial for which this is true is a unit of its own, so that it can harm no other
  /// (stacks stay as they are: their rounding must not change); absent: none.
  std::function<bool(const TrialId&)> suspect;
};

/// Packs every trial for which `is_done` is false, and every stage that those need and for which
/// `stage_exists` is false, into units. Deterministic.
std::vector<WorkUnit> pack_units(const Sweep& sweep, const PackingOptions& options,
                                 const std::function<bool(const TrialId&)>& is_done,
                                 const std::function<bool(const StageId&)>& stage_exists);

}  // namespace calsweep
