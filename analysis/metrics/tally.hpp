// The sums of one prediction set from which its metrics follow, gathered in one pass over the rows.
//
// Order-free: counts are integers and every real term is rounded once to 2^-50 before it is added
// as an integer (fixed_sum.hpp). Rows in any order, sets split and merged in any way, and any
// number of ranks give the same bits. Memory does not grow with the rows.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "analysis/measured.hpp"
#include "analysis/metrics/calibration_error.hpp"
#include "analysis/metrics/classwise_edges.hpp"
#include "analysis/metrics/confidence_cells.hpp"
#include "analysis/metrics/confidence_histogram.hpp"
#include "analysis/metrics/confidence_profile.hpp"
#include "analysis/metrics/fixed_sum.hpp"

namespace calsweep::analysis {

/// What is counted per class.
struct ClassSums {
  std::int64_t predicted = 0;  ///< rows predicted as this class
  std::int64_t labels = 0;     ///< rows with this label
  FixedSum probability;        ///< of this class, over all rows
  bool operator==(const ClassSums&) const = default;
};

/// How unevenly the predicted classes are spread: f_k = share of rows predicted as class k.
/// (CALIBRATION's C-M3; the noise warm-up paper gives no formula.)
struct ClassBias {
  Measured largest_excess;   ///< max_k f_k - 1 / K
  Measured total_variation;  ///< 1/2 sum_k |f_k - 1 / K|
  Measured kl_to_uniform;    ///< log K - H(f), nats
};

class Tally {
 public:
  enum class Histogram { None, Kept };  ///< Kept: confidence_groups() works; 1.5 MB more
  explicit Tally(std::int64_t n_classes = 0, Histogram histogram = Histogram::None);
  Tally(const Tally&);
  Tally& operator=(const Tally&);
  Tally(Tally&&) noexcept;
  Tally& operator=(Tally&&) noexcept;
  ~Tally();

  /// Softmax in double of rows [n, n_classes], row-major; labels: [n], or empty for rows without
  /// labels. All rows of a tally have labels or none has. Throws FormatError, naming `what` and the
  /// row, for a NaN, an infinity, a label out of range or a wrong shape; rows before it may have
  /// been added then.
  void add_logits(std::span<const float> logits, std::span<const std::int32_t> labels,
                  std::string_view what);
  /// The same from probabilities as they are (in [0, 1], not renormalised).
  void add_probabilities(std::span<const float> probabilities, std::span<const std::int32_t> labels,
                         std::string_view what);
  void add_probabilities(std::span<const double> probabilities,
                         std::span<const std::int32_t> labels, std::string_view what);
  /// Rows of which only the predicted class and its confidence are known: [n] each. NLL, Brier,
  /// entropy and classwise errors of such a tally do not exist.
  void add_top_label(std::span<const double> confidence, std::span<const std::int32_t> predicted,
                     std::span<const std::int32_t> labels, std::string_view what);
  /// Throws FormatError for tallies of other classes, or of rows with and without labels.
  void merge(const Tally& other);

  std::int64_t n_classes() const { return static_cast<std::int64_t>(classes_.size()); }
  std::int64_t n_rows() const { return n_rows_; }
  bool labelled() const { return labelled_; }  ///< true for the empty set
  bool has_probabilities() const { return has_probabilities_; }
  std::int64_t n_correct() const;
  std::int64_t n_saturated() const;                           ///< float32 confidence exactly 1
  std::int64_t n_zero() const;                                ///< float32 confidence exactly 0
  std::span<const CellSums> cells() const { return cells_; }  ///< per confidence_cells()
  std::span<const ClassSums> classes() const { return classes_; }

  Measured accuracy() const;
  Measured mean_confidence() const;         ///< of the double confidences
  Measured predictive_uncertainty() const;  ///< mean of 1 - confidence
  Measured nll() const;                     ///< mean, nats
  Measured brier() const;                   ///< mean over rows of the sum over classes, in [0, 2]
  Measured entropy() const;                 ///< mean of -sum p log p, nats
  Measured saturated_fraction() const;
  ClassBias class_bias() const;

  /// Any convention of the registry at one of its registered_bins(); throws UsageError else.
  CalibrationError calibration_error(const Convention& convention, std::int64_t n_bins) const;
  std::vector<ReliabilityBin> reliability_bins(const Convention& convention,
                                               std::int64_t n_bins) const;

  /// Bins of class k's probability against "the label is k": 15 of guo2017's edges on the float32
  /// probability, the first closed at 0; sum_confidence is that of the double probabilities.
  std::vector<ReliabilityBin> classwise_bins(std::int64_t k) const;
  /// (1 / K) sum_k sum_b n_kb / n |share of label k - mean p_k|: classwise ECE (Kull et al. 2019),
  /// static calibration error (Nixon et al. 2019).
  Measured classwise_ece() const;

  /// The rows in groups of nearly equal confidence, for ConfidenceProfile::from_groups(). Throws
  /// UsageError unless the histogram is kept.
  std::vector<ConfidenceGroup> confidence_groups() const;

  bool operator==(const Tally&) const;

 private:
  friend class TallyPass;
  void start_rows(std::int64_t n, bool labelled, bool probabilities, std::string_view what);
  template <class Real>
  void add_values(std::span<const Real> values, bool are_logits,
                  std::span<const std::int32_t> labels, std::string_view what);
  void add_large_nll(double nll, std::int64_t units);
  Measured mean_of_labelled(const FixedSum& sum) const;

  std::int64_t n_rows_ = 0;
  bool labelled_ = true, has_probabilities_ = true;
  FixedSum confidence_, nll_, brier_, entropy_;
  std::int64_t n_nll_infinite_ = 0, n_nll_beyond_ = 0;  // not in nll_: infinite; above 2^32 nats
  std::vector<CellSums> cells_;
  std::vector<ClassSums> classes_;
  std::vector<CellSums> classwise_;  // [K, 15]; correct counts labels; the first bin stays empty
  std::unique_ptr<ConfidenceHistogram> histogram_;
};

}  // namespace calsweep::analysis
