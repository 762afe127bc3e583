// Corrections for many tests from their p values alone: control of the family-wise error rate
// (Bonferroni, Holm, Hochberg) and of the false discovery rate (Benjamini-Hochberg,
// Benjamini-Yekutieli). max_t.hpp uses the data and is often stronger.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "analysis/measured.hpp"

namespace calsweep::analysis {

enum class Correction { Bonferroni, Holm, Hochberg, BenjaminiHochberg, BenjaminiYekutieli };

/// "bonferroni", "holm", "hochberg", "benjamini-hochberg", "benjamini-yekutieli".
std::string_view to_string(Correction correction);

/// Adjusted p values in the order given, at most 1. Entries without a value keep their reason and
/// do not count into the family. Throws FormatError on a p outside [0, 1].
std::vector<Measured> adjust_p(std::span<const Measured> p_values, Correction correction);

/// The same on log10 p, which does not underflow. Throws FormatError on a logarithm above 0.
std::vector<Measured> adjust_log10_p(std::span<const Measured> log10_p_values,
                                     Correction correction);

/// Holm's step-down adjusted p values (Holm 1979).
std::vector<Measured> holm(std::span<const Measured> p_values);

}  // namespace calsweep::analysis
