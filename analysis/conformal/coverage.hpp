// What conformal prediction sets are worth on labelled rows (coverage, size, by class and by size)
// and for detecting out-of-distribution rows.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "analysis/conformal/prediction_sets.hpp"
#include "analysis/measured.hpp"

namespace calsweep::analysis {

/// Rows with one label, or rows whose set size lies in [low, high].
struct CoverageStratum {
  std::int64_t low = 0;   ///< class, or smallest size
  std::int64_t high = 0;  ///< class, or largest size
  std::int64_t n = 0;
  std::int64_t n_covered = 0;
  Measured coverage() const;
};

struct CoverageReport {
  std::int64_t n = 0;
  std::int64_t n_covered = 0;
  Measured coverage;
  Measured mean_size;
  Measured median_size;  ///< mean of the middle two if n is even
  Measured empty_fraction;
  std::vector<std::int64_t> size_histogram;  ///< [K + 1] rows by set size 0 ... K
  std::vector<CoverageStratum> by_class;     ///< [K]
  std::vector<CoverageStratum> by_size;      ///< strata below, cut at K; empty ones are kept
  /// Size-stratified coverage violation: max over strata with rows of |coverage - (1 - alpha)|
  /// (Angelopoulos et al. 2021).
  Measured size_stratified_violation;
  Measured worst_class_coverage;  ///< over classes with rows
};

/// `sets` of labelled rows, `labels` as given to predict. Throws FormatError if they do not fit.
CoverageReport coverage_report(const PredictionSets& sets, std::span<const std::int32_t> labels,
                               double alpha);

/// What an empty set says about a row. With THR no class is likely enough: an outlier. With
/// randomised APS and RAPS empty sets come from confident rows with an unlucky draw: the smallest.
enum class EmptySet { Smallest, Outlier };
EmptySet meaning_of_empty(ConformalScore score);

/// OOD score, higher = more in-distribution: -size; an empty set counts as 0 or as K + 1.
std::vector<double> set_size_scores(const PredictionSets& sets, EmptySet empty);

}  // namespace calsweep::analysis
