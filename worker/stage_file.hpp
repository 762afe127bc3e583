// Stage files: the state of one network after its warm-up, shared by all trials that need it.
//
// A stage file is what torch.load(file, weights_only=False) reads as a dictionary: "format" (1),
// "stage" (the id), "checksum" (SHA-256 over names and values) and the tensors of
// StackedNetwork::state(). No optimiser state: the task starts with a fresh one. Whoever changes
// the tensors' names or order bumps kStageFormat.
#pragma once

#include <filesystem>
#include <vector>

#include "sweeps/ids.hpp"
#include "worker/stacked_network.hpp"

namespace calsweep::worker {

inline constexpr std::int64_t kStageFormat = 1;

/// Appears complete or not at all. Throws IoError.
void write_stage(const std::filesystem::path& file, const StageId& stage,
                 const std::vector<NamedTensor>& state);

/// Copies the file's tensors into `state`. Throws IoError if it cannot be read, FormatError if it
/// is damaged, another stage's or another network's.
void read_stage(const std::filesystem::path& file, const StageId& stage,
                const std::vector<NamedTensor>& state);

}  // namespace calsweep::worker
