// LibTorch's process-wide switches: device, threads, determinism, denormals, memory.
#pragma once

#include <ATen/ATen.h>

#include <string>

namespace calsweep::worker {

/// Chooses the device and sets every global switch that results depend on: deterministic
/// algorithms, no TF32, denormals flushed to zero on the CPU (Adam's averages of dead units decay
/// into them and would slow training down). Call once, before any other use of LibTorch. Throws
/// UsageError.
at::Device set_up_torch(const std::string& device, int threads);

/// "cpu" or "cuda:0 NVIDIA H100".
std::string describe_device(at::Device device);

}  // namespace calsweep::worker
