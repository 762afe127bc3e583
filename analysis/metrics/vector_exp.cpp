#include "analysis/metrics/vector_exp.hpp"

#include <algorithm>
#include <array>

#include "analysis/metrics/vector_math.hpp"

namespace calsweep::analysis {

CALSWEEP_CLONES void exp_of_nonpositive(double* x, std::size_t n) {
  constexpr std::size_t kStep = vec::kLanes;
  std::size_t i = 0;
  for (; i + kStep <= n; i += kStep) {
    vec::store(x + i, vec::exp_nonpositive(vec::load<vec::Doubles>(x + i)));
  }
  if (i == n) return;
  std::array<double, kStep> tail{};
  std::copy(x + i, x + n, tail.begin());
  vec::store(tail.data(), vec::exp_nonpositive(vec::load<vec::Doubles>(tail.data())));
  std::copy(tail.begin(), tail.begin() + static_cast<std::ptrdiff_t>(n - i), x + i);
}

}  // namespace calsweep::analysis
