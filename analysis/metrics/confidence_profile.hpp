// The sorted view of one prediction set: rows with equal confidence form a group, groups ascend.
//
// Every metric that depends on the order of confidences (equal-mass bins, the sweep, SmoothECE, KS,
// risk-coverage, isotonic decompositions) is a function of the groups, so ties are treated alike
// and the order of rows in the file cannot matter, not even in the last bit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace calsweep::analysis {

struct ConfidenceGroup {
  double confidence = 0.0;  ///< in [0, 1]
  std::int64_t count = 0;   ///< rows, at least 1
  std::int64_t correct = 0;
};

class ConfidenceProfile {
 public:
  ConfidenceProfile() = default;  ///< of the empty set

  /// Exact: groups of equal float32 values, by radix sort, O(n). confidence: [n] in [0, 1];
  /// correct: [n] 0 or 1. Throws FormatError on a size mismatch or a value out of range, NaN
  /// included, naming the row.
  static ConfidenceProfile from_rows(std::span<const float> confidence,
                                     std::span<const std::uint8_t> correct);
  /// The same with groups of equal doubles, O(n log n).
  static ConfidenceProfile from_rows(std::span<const double> confidence,
                                     std::span<const std::uint8_t> correct);
  /// Groups that were made elsewhere, such as the cells of a streaming histogram with their mean
  /// confidences; cells without rows are left out. Throws FormatError if the confidences do not
  /// ascend strictly or a count is impossible.
  static ConfidenceProfile from_groups(std::vector<ConfidenceGroup> groups);

  std::span<const ConfidenceGroup> groups() const { return groups_; }
  std::size_t size() const { return groups_.size(); }
  bool empty() const { return groups_.empty(); }
  std::int64_t n_rows() const { return rows_before_.back(); }
  std::int64_t n_correct() const { return correct_before_.back(); }
  double sum_confidence() const { return confidence_before_.back(); }

  /// Sums over the groups before group g; g in [0, size()].
  std::int64_t rows_before(std::size_t g) const { return rows_before_[g]; }
  std::int64_t correct_before(std::size_t g) const { return correct_before_[g]; }
  double confidence_before(std::size_t g) const { return confidence_before_[g]; }

  /// The same confidences with other outcomes. correct: [size()], at most the counts.
  ConfidenceProfile with_correct(std::span<const std::int64_t> correct) const;
  /// Becomes `base` with other counts; groups that get no row are left out. Reuses memory, for
  /// resampling. count, correct: [base.size()], correct at most count.
  void assign_resampled(const ConfidenceProfile& base, std::span<const std::int32_t> count,
                        std::span<const std::int32_t> correct);

 private:
  void accumulate();

  std::vector<ConfidenceGroup> groups_;
  std::vector<std::int64_t> rows_before_ = {0}, correct_before_ = {0};
  std::vector<double> confidence_before_ = {0.0};
};

/// A profile of at most `n_groups` groups: neighbours are merged, by equal mass, into one group at
/// their mean confidence. Counts stay exact.
ConfidenceProfile coarsened(const ConfidenceProfile& profile, std::int64_t n_groups);

}  // namespace calsweep::analysis
