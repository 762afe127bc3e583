// What one analysis job finds out, as one line of JSON per network or ensemble: the form in which
// ranks ship results to the one that writes results.db. Lossless: doubles round-trip, NaN survives.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "analysis/measured.hpp"
#include "analysis/metrics/calibration_error.hpp"
#include "sweeps/ids.hpp"
#include "sweeps/unit_file.hpp"

namespace calsweep::analysis {

struct MetricValue {
  std::string metric;      ///< "ece"
  std::string convention;  ///< "guo2017", or empty
  Measured value;
};

struct ReliabilityTable {
  std::string convention;
  std::vector<ReliabilityBin> bins;
};

/// All that is kept of one input set seen by one predictor.
struct PredictionSetResult {
  std::string set;  ///< "test", "validation", "ood/mnist"
  std::int64_t n_rows = 0, n_classes = 0;
  std::vector<MetricValue> metrics;
  std::vector<ReliabilityTable> reliability;  ///< labelled sets only
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
