// A block of rows between the kernel and the counting: buffers, checks with row numbers, and the
// loop over blocks. Internal to metrics/.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "analysis/metrics/row_kernel.hpp"

namespace calsweep::analysis {

/// Number of rows of [n, n_classes] values with n or no labels. Throws FormatError if that is not
/// their shape, or, naming the row, if a label is not in [0, n_classes).
std::int64_t checked_rows(std::size_t n_values, std::int64_t n_classes,
                          std::span<const std::int32_t> labels, std::string_view what);

class RowBlock {
 public:
  static constexpr std::int64_t kMostRows = 64;
  explicit RowBlock(std::int64_t n_classes);

  std::int64_t n_rows() const { return arrays_.n_rows; }
  std::int64_t n_classes() const { return arrays_.n_classes; }
  std::int64_t stride() const { return arrays_.stride; }
  bool labelled() const { return !labels_.empty(); }
  std::span<const std::int32_t> labels() const { return labels_; }
  /// Of class k: [n_rows].
  const double* probability(std::int64_t k) const { return arrays_.probability + k * stride(); }

  // Per row.
  std::vector<double> confidence, nll;
  std::vector<float> confidence_f32;
  std::vector<std::int32_t> predicted;
  std::vector<std::int64_t> confidence_f32_units, nll_units;
  std::vector<std::uint64_t> counted;  ///< 1, plus 2^32 where the prediction is the label
  // Sums over the rows.
  BlockUnits units{};
  LabelUnits label_units{};
  /// Sums of the classes' probabilities over the block's rows, each in four parts: [K, 4].
  std::vector<std::int64_t> class_units;
  /// Per class: bit r is set where its probability in row r is above the first classwise edge.
  std::vector<std::uint64_t> above;

  /// Walks over all rows: fills the block and calls `visit(*this)` until the rows are used up.
  /// labels: [n] or empty, checked. Throws FormatError naming `what` and the row of a value that is
  /// not finite or no probability.
  template <class Real, class Visit>
  void for_each(std::span<const Real> values, bool are_logits, std::span<const std::int32_t> labels,
                std::string_view what, Visit&& visit) {
    const auto n = static_cast<std::int64_t>(values.size()) / n_classes();
    for (std::int64_t first = 0; first < n; first += stride()) {
      const auto rows = n - first < stride() ? n - first : stride();
      fill(values.data() + first * n_classes(), are_logits, rows, first, what);
      if (!labels.empty()) {
        set_labels(are_logits,
                   labels.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(rows)));
      }
      visit(*this);
    }
  }

 private:
  void start(std::int64_t n_rows);
  void fill(const float* values, bool are_logits, std::int64_t n_rows, std::int64_t first,
            std::string_view what);
  void fill(const double* values, bool are_logits, std::int64_t n_rows, std::int64_t first,
            std::string_view what);
  void set_labels(bool are_logits, std::span<const std::int32_t> labels);

  RowArrays arrays_;
  std::vector<float> logit_, label_logit_;
  std::vector<double> probability_, scale_, weighted_, largest_logit_, log_sum_, squares_,
      label_probability_;
  std::span<const std::int32_t> labels_;
};

}  // namespace calsweep::analysis
