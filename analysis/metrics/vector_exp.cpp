#include "analysis/metrics/vector_exp.hpp"

#include "analysis/metrics/row_kernel.hpp"

namespace calsweep::analysis {

void exp_of_nonpositive(double* x, std::size_t n) { row_kernel().exp(x, n); }

}  // namespace calsweep::analysis
