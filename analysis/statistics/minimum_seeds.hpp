// The wall before any effect size: from how many seeds on a signed-rank test over a grid can come
// out significant at all after correction.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "analysis/measured.hpp"

namespace calsweep::analysis {

/// How p values over the cells of a grid are corrected.
enum class GridCorrection { None, BenjaminiHochberg, MaxT, Holm, Bonferroni };
inline constexpr std::array kCorrections = {GridCorrection::None, GridCorrection::BenjaminiHochberg,
                                            GridCorrection::MaxT, GridCorrection::Holm,
                                            GridCorrection::Bonferroni};
std::string_view to_string(
    GridCorrection correction);  ///< "none", "bh", "maxt", "holm", "bonferroni"

/// The smallest two-sided p that n pairs can give: 2^(1 - n).
double smallest_exact_p(std::int64_t n_pairs);
/// That of the normal approximation without continuity correction (W = 0, no ties).
double smallest_asymptotic_p(std::int64_t n_pairs);

/// The smallest corrected p of a cell with W = 0 among `n_cells`, of which `n_effective` are so:
///   none            p
///   Holm, Bonferroni  n_cells * p
///   BH              n_cells / n_effective * p
///   maxT            (1 + n_cells - n_effective) * p: the effective cells agree in direction, and
///                   each of the others adds a sign pattern that is as extreme (its least
///                   favourable case); only with the exact p
double best_corrected_p(GridCorrection correction, std::int64_t n_cells, std::int64_t n_effective,
                        double smallest_p);

/// Fewest pairs with best_corrected_p <= alpha. Throws UsageError unless n_cells >= n_effective
/// >= 1 and 0 < alpha < 1.
std::int64_t minimum_seeds(GridCorrection correction, std::int64_t n_cells,
                           std::int64_t n_effective, double alpha);
/// The same with the normal approximation; no value for maxT, which does not use it.
Measured minimum_seeds_asymptotic(GridCorrection correction, std::int64_t n_cells,
                                  std::int64_t n_effective, double alpha);

}  // namespace calsweep::analysis
