// Control of the family-wise error rate over many tests.
#pragma once

#include <span>
#include <vector>

#include "analysis/measured.hpp"

namespace calsweep::analysis {

/// Holm's step-down adjusted p values (Holm 1979), in the order given. Entries without a value keep
/// their reason and do not count into the family.
std::vector<Measured> holm(std::span<const Measured> p_values);

}  // namespace calsweep::analysis
