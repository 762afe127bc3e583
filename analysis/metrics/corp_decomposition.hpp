// CORP: exact decomposition of proper scores by isotonic regression.
//
// CORP (Dimitriadis, Gneiting & Jordan 2021): score = MCB - DSC + UNC, where MCB is what isotonic
// recalibration of the confidences gains (miscalibration), DSC what the recalibrated forecast gains
// over the base rate (discrimination), UNC the score of the base rate. The recalibration is fitted
// to the same rows, so MCB >= 0 and DSC >= 0, and MCB of a calibrated model is small, not zero.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "analysis/measured.hpp"
#include "analysis/metrics/confidence_profile.hpp"

namespace calsweep::analysis {

struct CorpDecomposition {
  Measured score, miscalibration, discrimination, uncertainty;
};

/// Isotonic regression of correctness on confidence, by pool-adjacent-violators. [groups], not
/// falling. O(groups).
std::vector<double> isotonic_accuracies(const ConfidenceProfile& profile);

/// Of the top-label Brier score, mean of (confidence - correct)^2, in [0, 1].
CorpDecomposition corp_brier(const ConfidenceProfile& profile);

/// Of the top-label log score, mean of -log(confidence) where correct and -log(1 - confidence)
/// where wrong, in nats. Infinite where a confidence of 1 is wrong (or 0 right): then score and
/// miscalibration have no value.
CorpDecomposition corp_log_score(const ConfidenceProfile& profile);

/// Of the multi-class Brier score, in [0, 2]: the sum over classes k of the decompositions of class
/// k against the rest. probabilities: [n, n_classes] row-major, in [0, 1]; labels: [n]. Throws
/// FormatError. O(n n_classes), in double O(n log n n_classes).
CorpDecomposition corp_multiclass_brier(std::span<const float> probabilities,
                                        std::int64_t n_classes,
                                        std::span<const std::int32_t> labels);
CorpDecomposition corp_multiclass_brier(std::span<const double> probabilities,
                                        std::int64_t n_classes,
                                        std::span<const std::int32_t> labels);
/// The same from one class at a time: `column(k)` gives its probabilities, [n], for k = 0 … in
/// order; they need not stay valid until the next call.
CorpDecomposition corp_multiclass_brier(
    std::int64_t n_classes, std::span<const std::int32_t> labels,
    const std::function<std::span<const double>(std::int64_t)>& column);

}  // namespace calsweep::analysis
