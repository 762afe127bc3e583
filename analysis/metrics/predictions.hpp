// From logits or probabilities to what the metrics need, in one pass: confidence, correctness, NLL,
// Brier score. Everything is computed in double from float32 inputs (docs/metrics.md).
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

namespace calsweep::analysis {

/// One input set, seen by one predictor. Rows in file order.
struct Predictions {
  std::int64_t n_classes = 0;
  bool labelled = false;              ///< false: only `confidence` is meaningful
  std::vector<double> confidence;     ///< [n] largest class probability
  std::vector<float> confidence_f32;  ///< [n] the same rounded to float32: what bins are made of
  std::vector<std::uint8_t> correct;  ///< [n] 1 if the first largest class is the label; or empty
  double sum_nll = 0.0;               ///< nats; infinite if a label has probability zero
  double sum_brier = 0.0;             ///< squared distance summed over classes, in [0, 2] per row

  std::int64_t n_rows() const { return static_cast<std::int64_t>(confidence.size()); }
  Measured accuracy() const;
  Measured mean_confidence() const;
  Measured nll() const;    ///< mean, nats
  Measured brier() const;  ///< mean, in [0, 2]
  /// Fraction of rows whose float32 confidence is exactly 1.
  Measured saturated_fraction() const;
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

/// Mean of the members' softmax probabilities, in double, members added in the order given
/// (Lakshminarayanan et al. 2017: probabilities are averaged, not logits).
class ProbabilityPool {
 public:
  /// Throws FormatError if the shape differs from the members before it, or a logit is not finite.
  void add_member(std::span<const float> logits, std::int64_t n_classes, std::string_view what);
  std::int64_t n_members() const { return n_members_; }
  Predictions predictions(std::span<const std::int32_t> labels, std::string_view what) const;

 private:
  std::vector<double> sum_;  // [n, n_classes]
  std::int64_t n_classes_ = 0;
  std::int64_t n_members_ = 0;
};

}  // namespace calsweep::analysis
