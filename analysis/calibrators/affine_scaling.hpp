// Vector and matrix scaling (Guo et al. 2017): q = softmax(w .* z + b) and q = softmax(W z + b), by
// least mean NLL on the validation rows, with exact gradients and NLopt's L-BFGS.
//
// What softmax cannot see is fixed: without penalties b sums to 0, and each column of W sums to 1,
// as the columns of the identity do. Where no minimiser exists (a class without rows, rows that the
// map separates) there is no fit, with the reason. The fit starts at the best temperature.
#pragma once

#include <cstdint>
#include <span>

#include "analysis/calibrators/calibrator.hpp"
#include "analysis/calibrators/logit_rows.hpp"

namespace calsweep::analysis {

/// Above this many classes matrix scaling is refused: K (K + 1) weights want far more rows than a
/// validation split has.
inline constexpr std::int64_t kMatrixClassLimit = 256;

/// `vector`. rows: n >= 1, finite; labels: [n] in range.
CalibratorFit fit_vector(const LogitRows& rows, std::span<const std::int32_t> labels,
                         const CalibratorOptions& options);
/// `matrix`.
CalibratorFit fit_matrix(const LogitRows& rows, std::span<const std::int32_t> labels,
                         const CalibratorOptions& options);

/// The first class without a row, or -1. labels: [n] in [0, n_classes).
std::int64_t first_absent_class(std::span<const std::int32_t> labels, std::int64_t n_classes);

}  // namespace calsweep::analysis
