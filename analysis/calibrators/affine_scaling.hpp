// Vector and matrix scaling (Guo et al. 2017): q = softmax(w .* z + b) and q = softmax(W z + b),
// and Dirichlet calibration (Kull et al. 2019): q = softmax(W ln p + b), p = softmax(z). By least
// mean NLL on the validation rows, plus the ODIR penalty where asked for, with exact gradients and
// NLopt's L-BFGS. ln p comes from the logits and is never clipped.
//
// What softmax cannot see is fixed: without penalties b sums to 0, and each column of W sums to 1,
// as the columns of the identity do. Where no minimiser exists (a class without rows, rows that
// what is free of the map separates) there is no fit, with the reason. The fit starts at the best
// temperature.
#pragma once

#include <cstdint>
#include <span>

#include "analysis/calibrators/calibrator.hpp"
#include "analysis/calibrators/logit_rows.hpp"

namespace calsweep::analysis {

/// Above this many classes matrix scaling and Dirichlet calibration are refused: K (K + 1) weights
/// want far more rows than a validation split has.
inline constexpr std::int64_t kMatrixClassLimit = 256;

/// What one squared off-diagonal weight and one squared bias cost in `matrix-odir` and `dirichlet`
/// unless the options say otherwise: of the size that cross-validation chose for the CIFAR-10
/// networks of Kull et al. 2019 (most often 0.1 to 0.5, and 1e-5 to 1e-2).
inline constexpr double kOdirWeight = 0.25;
inline constexpr double kOdirBias = 1e-3;

/// `vector`. rows: n >= 1, finite; labels: [n] in range.
CalibratorFit fit_vector(const LogitRows& rows, std::span<const std::int32_t> labels,
                         const CalibratorOptions& options);
/// `matrix`.
CalibratorFit fit_matrix(const LogitRows& rows, std::span<const std::int32_t> labels,
                         const CalibratorOptions& options);
/// `matrix-odir`: the same with the penalties' defaults.
CalibratorFit fit_matrix_odir(const LogitRows& rows, std::span<const std::int32_t> labels,
                              const CalibratorOptions& options);
/// `dirichlet`.
CalibratorFit fit_dirichlet(const LogitRows& rows, std::span<const std::int32_t> labels,
                            const CalibratorOptions& options);

/// The first class without a row, or -1. labels: [n] in [0, n_classes).
std::int64_t first_absent_class(std::span<const std::int32_t> labels, std::int64_t n_classes);

}  // namespace calsweep::analysis
