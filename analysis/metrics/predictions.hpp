// The rows of one prediction set, and their tally, in one pass: confidence, predicted class,
// correctness and NLL per row for what needs rows; sums for everything else (tally.hpp).
// Everything is computed in double from float32 inputs (docs/metrics.md).
//
// Refused, naming the row: NaN or infinite inputs, labels out of range. Probabilities are taken as
// they are, not renormalised.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/measured.hpp"
#include "analysis/metrics/tally.hpp"

namespace calsweep::analysis {

/// One input set, seen by one predictor. Rows in file order.
struct Predictions {
  std::int64_t n_classes = 0;
  bool labelled = false;                ///< false: `correct` and `nll_rows` are empty
  std::vector<double> confidence;       ///< [n] largest class probability
  std::vector<float> confidence_f32;    ///< [n] the same rounded to float32: what bins are made of
  std::vector<std::int32_t> predicted;  ///< [n] first of the largest classes
  std::vector<std::uint8_t> correct;    ///< [n] 1 if the predicted class is the label; or empty
  std::vector<double> nll_rows;         ///< [n] nats, infinite where p = 0; empty: not known
  Tally tally;                          ///< of the same rows

  std::int64_t n_rows() const { return tally.n_rows(); }
  Measured accuracy() const { return tally.accuracy(); }
  Measured mean_confidence() const { return tally.mean_confidence(); }
  Measured nll() const { return tally.nll(); }      ///< mean, nats
  Measured brier() const { return tally.brier(); }  ///< mean, in [0, 2]
  /// Fraction of rows whose float32 confidence is exactly 1.
  Measured saturated_fraction() const { return tally.saturated_fraction(); }
  /// Any convention and number of bins: from the cells where they serve, else from the rows.
  CalibrationError calibration_error(const Convention& convention, std::int64_t n_bins) const;
};

/// Softmax in double with the row maximum subtracted, argmax = first of equals, NLL by log-sum-exp.
/// logits: [n, n_classes] row-major; labels: [n], or empty for an unlabelled set. `what` names the
/// set in messages. Throws FormatError.
Predictions predict_from_logits(std::span<const float> logits, std::int64_t n_classes,
                                std::span<const std::int32_t> labels, std::string_view what);

/// The same from probabilities [n, n_classes]; each must lie in [0, 1]. Throws FormatError.
Predictions predict_from_probabilities(std::span<const float> probabilities, std::int64_t n_classes,
                                       std::span<const std::int32_t> labels, std::string_view what);
Predictions predict_from_probabilities(std::span<const double> probabilities,
                                       std::int64_t n_classes, std::span<const std::int32_t> labels,
                                       std::string_view what);

/// From predicted classes and their confidences alone, [n] each: NLL, Brier, entropy and classwise
/// errors do not exist then. Throws FormatError.
Predictions predict_from_top_label(std::span<const double> confidence,
                                   std::span<const std::int32_t> predicted, std::int64_t n_classes,
                                   std::span<const std::int32_t> labels, std::string_view what);

}  // namespace calsweep::analysis
