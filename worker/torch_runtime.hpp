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

/// What the rounding of results depends on: "cpu AVX512, 1 threads, LibTorch 2.13.0" or "NVIDIA
/// H100, LibTorch 2.13.0", whatever the GPU's number.
std::string describe_numerics(at::Device device);

/// True if a small product comes out as it should. A broken device answers wrongly or throws.
bool device_computes(at::Device device);

/// Gives freed memory back to the device and the host.
void release_memory(at::Device device);

/// True for an allocation that failed, on the host or on a GPU.
bool is_out_of_memory(const c10::Error& error);
/// True if a GPU or its libraries reported an error of their own.
bool is_device_error(const c10::Error& error);

}  // namespace calsweep::worker
