// The kernel for any machine, and the choice among the kernels.
#include "analysis/metrics/row_kernel.hpp"

#include "analysis/metrics/row_kernel_body.hpp"

namespace calsweep::analysis {
namespace {

bool has_avx2_and_fma() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
  return false;
#endif
}

}  // namespace

const RowKernel& baseline_row_kernel() { return kRowKernel; }

const RowKernel& row_kernel() {
  static const RowKernel& chosen = avx2_row_kernel() != nullptr && has_avx2_and_fma()
                                       ? *avx2_row_kernel()
                                       : baseline_row_kernel();
  return chosen;
}

}  // namespace calsweep::analysis
