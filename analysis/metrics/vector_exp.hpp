// exp over an array, for calibrators: that of the row kernel, the same bits on every machine.
#pragma once

#include <cstddef>

namespace calsweep::analysis {

/// Replaces each x <= 0 by exp(x): 0 below -708, 1 at 0. An element's result does not depend on its
/// place or on its neighbours.
void exp_of_nonpositive(double* x, std::size_t n);

}  // namespace calsweep::analysis
