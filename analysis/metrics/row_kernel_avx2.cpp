// The kernel with AVX2 and fused multiply-add. Includes nothing that holds an inline function: the
// linker could pick this unit's copy for the whole program, which must run on machines without
// AVX2.
#include "analysis/metrics/row_kernel.hpp"

#if defined(__AVX2__) && defined(__FMA__)

#include "analysis/metrics/row_kernel_body.hpp"

namespace calsweep::analysis {
const RowKernel* avx2_row_kernel() { return &kRowKernel; }
}  // namespace calsweep::analysis

#else

namespace calsweep::analysis {
const RowKernel* avx2_row_kernel() { return nullptr; }
}  // namespace calsweep::analysis

#endif
