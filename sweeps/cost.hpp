// How much work and disk a recipe takes, from its shape alone (PAPER.md's FLOP rule: forward
// 2 x MACs; backward 4 x MACs except 2 x for the first layer, which needs no input gradient).
#pragma once

#include <string>

#include "sweeps/settings.hpp"

namespace calsweep {

/// What a CPU core is taken to do until a run has measured it, FLOP/s. `plan` and `run` cut units
/// by it.
inline constexpr double kAssumedFlopsPerSecond = 2e10;

double mlp_macs_per_sample(const Settings& settings);  ///< multiply-accumulates, one forward pass
double train_flops_per_sample(const Settings& settings);  ///< forward + backward
double stage_flops(const Settings& settings);             ///< the warm-up of one network; 0 if none
/// Task training and evaluation of one network, without its warm-up.
double trial_flops(const Settings& settings);
/// Bytes that one trial adds to its unit file.
double trial_bytes(const Settings& settings);
/// Cost-model family: networks of one family run at one rate on one device.
std::string shape_family(const Settings& settings);
/// Training images after resolving "0 = all".
std::int64_t resolved_train_size(const Settings& settings);
std::int64_t resolved_test_size(const Settings& settings);

}  // namespace calsweep
