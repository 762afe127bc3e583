// What one analysis job finds out, as one line of JSON per network or ensemble: the form in which
// ranks ship results to the one that writes results.db. Lossless: doubles round-trip, NaN survives.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "analysis/measured.hpp"
#include "sweeps/ids.hpp"
#include "sweeps/unit_file.hpp"

namespace calsweep::analysis {

/// How far a metric's value could be chance; NaN where it was not computed.
struct MetricUncertainty {
  double floor = kAbsent;         ///< mean over perfectly calibrated models of these confidences
  double floor_q95 = kAbsent;     ///< their 95 % quantile
  double p_consistent = kAbsent;  ///< share of them that is at least as far off
  double ci_low = kAbsent, ci_high = kAbsent;  ///< bootstrap over rows, 95 %

  static constexpr double kAbsent = std::numeric_limits<double>::quiet_NaN();
};

struct MetricValue {
  std::string metric;      ///< "ece"
  std::string convention;  ///< "guo2017", or empty
  Measured value;
  MetricUncertainty uncertainty = {};
};

/// Rows whose confidence lies in one confidence cell (metrics/conventions.hpp).
struct ConfidenceCount {
  std::int64_t cell = 0, count = 0, correct = 0;
  double sum_confidence = 0.0;  ///< of the float32 confidences
};

struct ClassCount {
  std::int64_t labels = 0, predicted = 0;
  double sum_probability = std::numeric_limits<double>::quiet_NaN();
};

/// Prediction sets of one class or of one size (docs/ood-and-conformal.md).
struct ConformalStratum {
  std::string score, stratum;  ///< "aps", "class" or "size"
  std::int64_t value = 0, n = 0, covered = 0, sum_size = 0;
};

/// All that is kept of one input set seen by one predictor through one calibrator.
struct PredictionSetResult {
  std::string set;         ///< "test", "validation", "ood/mnist"
  std::string calibrator;  ///< kNoCalibrator, or a name of docs/calibrators.md
  std::int64_t n_rows = 0, n_classes = 0;
  std::vector<MetricValue> metrics;
  std::vector<ConfidenceCount> confidence;  ///< occupied cells; labelled sets only
  std::vector<ClassCount> classes;          ///< [n_classes]; empty for top-label predictions
  std::vector<ConformalStratum> strata;
};
inline constexpr std::string_view kNoCalibrator = "none";

/// A post-hoc calibrator of one predictor.
struct CalibrationResult {
  std::string calibrator;
  std::string fitted_on;    ///< "validation", "test, 5 folds", "validation, per member"
  std::string null_reason;  ///< why there is none
  std::vector<std::pair<std::string, double>> parameters;
};

/// Mean of a metric over subsets of an ensemble's members.
struct EnsembleSizePoint {
  std::int64_t n_members = 0, n_subsets = 0;
  std::string metric;
  double value = 0.0;
};

/// Where a network's numbers come from.
struct NetworkOrigin {
  TrialRecord record;  ///< without logits
  UnitId unit;
  std::string checksum;  ///< of the unit file
  std::int64_t attempt = 0;
  Provenance provenance;
};

/// One network, or one ensemble (then without an origin of its own).
struct PredictorResult {
  std::string id;  ///< trial id, or ensemble_id()
  std::int64_t n_members = 1;
  std::optional<NetworkOrigin> origin;
  std::vector<PredictionSetResult> sets;  ///< empty for a diverged network
  std::vector<CalibrationResult> calibrations;
  std::vector<EnsembleSizePoint> sizes;  ///< of an ensemble, on the test set
};

/// A damaged file, or a predictor that could not be analysed.
struct AnalysisProblem {
  std::string predictor;  ///< id, or empty: the whole file
  std::string file;       ///< relative to the run directory, or empty
  std::string message;    ///< what is wrong and what to do
};

using ResultsLine = std::variant<PredictorResult, AnalysisProblem>;

std::string encode(const ResultsLine& line);
ResultsLine decode_results_line(std::string_view line);  ///< throws FormatError

}  // namespace calsweep::analysis
