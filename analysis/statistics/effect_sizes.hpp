// Effect sizes of paired differences that need no test: how often, and by how much in units of
// their spread, the first arm is larger. The rank-based ones (r, rank-biserial) come with the
// signed-rank test, the size in the metric's own unit with hodges_lehmann.hpp.
#pragma once

#include <span>

#include "analysis/measured.hpp"

namespace calsweep::analysis {

struct PairedEffects {
  /// Share of the pairs in which the first is larger, pairs within tolerance half: the probability
  /// of superiority for paired samples (McGraw & Wong 1992; Grissom & Kim 2012). In [0, 1].
  Measured common_language;
  /// Share of all n^2 combinations of a first and a second value, not only of the pairs: Vargha &
  /// Delaney's A (2000), which ignores the pairing; what pingouin calls CLES.
  Measured vargha_delaney_a;
  Measured cohen_dz;  ///< mean difference / sd of the differences (Cohen 1988), for contrast
};

/// Zeros by kRelativeTieTolerance. Throws FormatError on unequal sizes or values not finite.
PairedEffects paired_effects(std::span<const double> first, std::span<const double> second);

}  // namespace calsweep::analysis
