// What a stack will do, from its settings alone: work, learning rate, steps, and its name for
// people.
#pragma once

#include <cstdint>
#include <string>

#include "sweeps/unit.hpp"

namespace calsweep::worker {

inline constexpr double kTrainWork = 3.0;  ///< forward and backward, in forwards

/// The work of a stack in WorkProgress's unit: images forward, times 3 where also backward.
double stack_work(const Stack& stack, UnitKind kind);

/// Learning rate in an epoch counted from 0: constant, or torch's CosineAnnealingLR with
/// T_max = epochs, stepped per epoch.
double scheduled_rate(const Settings& settings, std::int64_t epoch);

/// True if an epoch, counted from 1 (0: before training), is to be evaluated.
bool epoch_is_recorded(const Settings& settings, std::int64_t epoch);

std::int64_t warmup_steps(const Settings& settings);

/// "d6 n2000 mixup seeds 0-9".
std::string describe(const Stack& stack);

}  // namespace calsweep::worker
