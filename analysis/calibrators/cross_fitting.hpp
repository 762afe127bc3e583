// Calibration of a test set that has no validation split: every row is calibrated by a fit that has
// not seen it.
//
// The rows are dealt into folds by a hash of their index in the file ("calsweep/1|...|crossfit"),
// so a row's fold depends on nothing but its index: not on rank, on the other rows, or on labels.
// Each fold gets the calibrator that was fitted to all other folds. Such results use test labels,
// if only those of other rows: they must be labelled as cross-fitted wherever they appear.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/calibrators/calibrator.hpp"

namespace calsweep::analysis {

inline constexpr std::int64_t kDefaultFolds = 5;

/// The fold of a row, in [0, n_folds).
std::int64_t fold_of_row(std::int64_t row, std::int64_t n_folds);

struct CrossFitted {
  CalibratedOutputs outputs;  ///< all rows in their order; empty if there is a reason
  /// Those of the folds' fits, named "fold 0: T" and so on; then their mean, named as in a plain
  /// fit.
  std::vector<CalibratorParameter> parameters;
  std::int64_t n_folds = 0;
  std::string reason;  ///< "fold 3: ...": one fold without a fit leaves no result
};

/// logits: float32 [n, n_classes] row-major; labels: [n]. Throws as fit_calibrator, and UsageError
/// for fewer than 2 folds. Fewer rows than folds: a reason.
CrossFitted cross_fit(std::string_view name, std::span<const float> logits, std::int64_t n_classes,
                      std::span<const std::int32_t> labels, std::string_view what,
                      const CalibratorOptions& options = {}, std::int64_t n_folds = kDefaultFolds);

}  // namespace calsweep::analysis
