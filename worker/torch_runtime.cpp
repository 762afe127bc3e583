#include "worker/torch_runtime.hpp"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <dlfcn.h>
#include <malloc.h>
#include <torch/version.h>

#define CALSWEEP_HAS_DEVICE_ALLOCATOR \
  (TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 9))
#if CALSWEEP_HAS_DEVICE_ALLOCATOR
#include <c10/core/CachingDeviceAllocator.h>
#endif

#include <algorithm>
#include <array>
#include <cstdlib>

#include "sweeps/errors.hpp"

namespace calsweep::worker {
namespace {

at::Device parse_device(const std::string& text) {
  if (text == "auto") return at::hasCUDA() ? at::Device(at::kCUDA, 0) : at::Device(at::kCPU);
  if (text == "cpu") return at::Device(at::kCPU);
  const bool gpu = text.starts_with("cuda:") && text.size() > 5 && text.size() < 8 &&
                   text.find_first_not_of("0123456789", 5) == std::string::npos;
  if (!gpu) {
    throw UsageError("--device " + text + ": expected auto, cpu or cuda:N");
  }
  const int index = std::stoi(text.substr(5));
  const auto n_devices = at::hasCUDA() ? static_cast<int>(at::getNumGPUs()) : 0;
  if (index >= n_devices) {
    throw UsageError("--device " + text + ": LibTorch sees " + std::to_string(n_devices) +
                     " GPUs on this host");
  }
  return {at::kCUDA, static_cast<c10::DeviceIndex>(index)};
}

/// Asks the driver, so that no CUDA header is needed to build this.
std::string gpu_name(int index) {
  void* driver = ::dlopen("libcuda.so.1", RTLD_LAZY);
  if (driver == nullptr) return "";
  const auto get_device = reinterpret_cast<int (*)(int*, int)>(::dlsym(driver, "cuDeviceGet"));
  const auto get_name =
      reinterpret_cast<int (*)(char*, int, int)>(::dlsym(driver, "cuDeviceGetName"));
  std::array<char, 128> name{};
  int device = 0;
  if (get_device == nullptr || get_name == nullptr || get_device(&device, index) != 0 ||
      get_name(name.data(), static_cast<int>(name.size()) - 1, device) != 0) {
    return "";
  }
  return name.data();
}

bool mentions(const c10::Error& error, std::initializer_list<std::string_view> words) {
  const std::string_view text = error.what_without_backtrace();
  return std::any_of(words.begin(), words.end(), [&](std::string_view word) {
    return text.find(word) != std::string_view::npos;
  });
}

}  // namespace

at::Device set_up_torch(const std::string& text, int threads) {
  // cuBLAS is deterministic only with a workspace of its own; read when CUDA starts.
  ::setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
  // Freed batches and gradients stay with the process: giving them back costs page faults per step.
  ::mallopt(M_MMAP_THRESHOLD, 1 << 30);
  ::mallopt(M_TRIM_THRESHOLD, 1 << 30);
  at::set_num_threads(threads);
  at::set_num_interop_threads(1);
  auto& context = at::globalContext();
  context.setDeterministicAlgorithms(true, /*warn_only=*/true);
  context.setDeterministicFillUninitializedMemory(false);
  context.setAllowTF32CuBLAS(false);
  at::globalContext().setFlushDenormal(true);
  const at::Device device = parse_device(text);
  at::zeros({1}, at::TensorOptions().device(device));  // starts the device, or says why not
  return device;
}

std::string describe_device(at::Device device) {
  if (device.is_cpu()) return "cpu";
  const std::string name = gpu_name(device.index());
  return device.str() + (name.empty() ? "" : " " + name);
}

std::string describe_numerics(at::Device device) {
  const std::string library = ", LibTorch " + std::string(TORCH_VERSION);
  if (device.is_cpu()) {
    return "cpu " + at::get_cpu_capability() + ", " + std::to_string(at::get_num_threads()) +
           " threads" + library;
  }
  const std::string name = gpu_name(device.index());
  return (name.empty() ? "a GPU without a name" : name) + library;
}

bool device_computes(at::Device device) {
  // Row i of `a` is all i + 1, so every entry of a * ones is 64 (i + 1), exact in float32.
  constexpr std::int64_t n = 64;
  const auto options = at::TensorOptions().dtype(at::kFloat).device(device);
  const at::Tensor a = at::arange(1, n + 1, options).unsqueeze(1).expand({n, n}).contiguous();
  const at::Tensor product = at::mm(a, at::ones({n, n}, options)).to(at::kCPU);
  const at::Tensor expected = at::arange(1, n + 1, at::TensorOptions().dtype(at::kFloat)) * n;
  return at::equal(product, expected.unsqueeze(1).expand({n, n}));
}

void release_memory(at::Device device) {
#if CALSWEEP_HAS_DEVICE_ALLOCATOR
  if (!device.is_cpu()) c10::getDeviceAllocator(device.type())->emptyCache();
#else
  (void)device;  // an older LibTorch empties its cache by itself before it reports a lack of memory
#endif
  ::malloc_trim(0);
}

bool is_out_of_memory(const c10::Error& error) {
  return dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr ||
         mentions(error, {"out of memory", "can't allocate memory", "not enough memory",
                          "CUBLAS_STATUS_ALLOC_FAILED"});
}

bool is_device_error(const c10::Error& error) {
  return mentions(error, {"CUDA error", "CUDA driver error", "CUBLAS_STATUS", "CUDNN_STATUS",
                          "CURAND_STATUS", "CUSOLVER_STATUS", "HIP error", "NVML_SUCCESS"});
}

}  // namespace calsweep::worker
