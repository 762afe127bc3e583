// The outputs of one predictor for one input set, handed out in ranges of rows as often as asked:
// what streams over a set needs memory for one range, not for the set.
//
// Sets of a single range (most) are read once and kept. Nothing that is made of a row depends on
// the range it lies in, so the length of ranges changes no bit of any result.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace calsweep::analysis {

/// What is held at once; both numbers count outputs, rows times classes.
struct RowLimits {
  std::int64_t values_per_range = std::int64_t{1} << 20;
  /// Of the sets that a fit needs as a whole. Larger ones have no such results, but a reason: the
  /// limit is the same on every machine, so that results are, too.
  std::int64_t values_of_fit = std::int64_t{1} << 27;
};

/// Rows as their source gives them: one of the two, [n, n_classes] row-major.
struct RowValues {
  std::vector<float> logits;
  std::vector<double> probabilities;
};

/// Consecutive rows of a set. Either form is made of the other when it is first asked for.
class RowRange {
 public:
  RowRange(RowValues values, std::int64_t n_classes)
      : values_(std::move(values)), n_classes_(n_classes) {}

  /// [n, n_classes] row-major; of probabilities their log_probabilities().
  std::span<const float> logits() const;
  /// [n, n_classes] row-major; of logits their softmax in double. Throws FormatError.
  std::span<const double> probabilities() const;

  std::int64_t first_row = 0, n_rows = 0;
  std::span<const std::int32_t> labels;  ///< [n_rows], or empty
  std::string what;                      ///< names set and rows in messages

 private:
  mutable RowValues values_;
  std::int64_t n_classes_;
};

struct SetDescription {
  std::string set;   ///< "test", "validation", "ood/mnist", "odin/…"
  std::string what;  ///< names predictor and set in messages
  std::int64_t n_rows = 0, n_classes = 0;
  bool has_logits = true;            ///< false: max-logit and energy do not exist
  std::vector<std::int32_t> labels;  ///< [n_rows]; empty for a set without
};

class SetRows {
 public:
  /// Gives rows [first, first + n). May throw FormatError.
  using Read = std::function<RowValues(std::int64_t first, std::int64_t n)>;

  SetRows(SetDescription description, Read read, const RowLimits& limits);

  const std::string& set() const { return description_.set; }
  const std::string& what() const { return description_.what; }
  std::int64_t n_rows() const { return description_.n_rows; }
  std::int64_t n_classes() const { return description_.n_classes; }
  bool has_logits() const { return description_.has_logits; }
  const std::vector<std::int32_t>& labels() const { return *labels_; }
  bool labelled() const { return !labels().empty() || n_rows() == 0; }
  const RowLimits& limits() const { return limits_; }

  /// All rows, front to back; no call for an empty set.
  void for_each_range(const std::function<void(const RowRange&)>& visit) const;
  /// Rows [first, first + n), a range of for_each_range().
  std::shared_ptr<const RowRange> range(std::int64_t first, std::int64_t n) const;
  bool is_single_range() const { return n_rows() <= rows_per_range_; }

  /// Becomes a set without labels.
  void forget_labels() { labels_ = std::make_shared<const std::vector<std::int32_t>>(); }

 private:
  std::shared_ptr<const RowRange> read_range(std::int64_t first, std::int64_t n) const;

  SetDescription description_;  // without the labels
  // Of all copies, so that ranges which are kept stay valid wherever their set goes.
  std::shared_ptr<const std::vector<std::int32_t>> labels_;
  Read read_;
  RowLimits limits_;
  std::int64_t rows_per_range_;
  mutable std::shared_ptr<const RowRange> whole_;
};

/// The set of that name, or null. `Sets`: a list of things with a member set().
template <class Sets>
auto find_set(const Sets& sets, std::string_view name) -> decltype(sets.data()) {
  for (const auto& set : sets) {
    if (set.set() == name) return &set;
  }
  return nullptr;
}

/// All outputs of a set at once, in one of the two forms; no copy of a set that is one range.
template <class Real>
class WholeOutputs {
 public:
  using Form = std::span<const Real> (RowRange::*)() const;
  WholeOutputs(const SetRows& rows, Form form);
  std::span<const Real> values() const { return values_; }

 private:
  std::shared_ptr<const RowRange> range_;
  std::vector<Real> copy_;
  std::span<const Real> values_;
};

struct WholeLogits : WholeOutputs<float> {
  explicit WholeLogits(const SetRows& rows) : WholeOutputs(rows, &RowRange::logits) {}
};
struct WholeProbabilities : WholeOutputs<double> {
  explicit WholeProbabilities(const SetRows& rows) : WholeOutputs(rows, &RowRange::probabilities) {}
};

/// Why `n_values` outputs are not held as a whole, or "".
std::string too_large_to_fit(std::int64_t n_values, const RowLimits& limits);
std::string too_large_to_fit(const SetRows& rows);

/// The least probability whose logarithm is taken, 2^-126: the smallest normal float32, ln of which
/// is -87.34. A softmax in float32 that flushes subnormal numbers, as our trainer's, writes 0 for
/// everything below, so a 0 says no more than "at most this". dirichletcal clips there too (`tiny`
/// of the record's type); netcal clips at `eps`, 2.2e-16, which would also raise probabilities that
/// are there to see. The same for float64 records: the type of a file does not change a fit.
inline constexpr double kLeastProbability = 0x1p-126;

/// ln max(p, kLeastProbability) as float32: what stands in for logits where there are only
/// probabilities (softmax of it is p again, to 1e-37).
std::vector<float> log_probabilities(std::span<const double> probabilities);

}  // namespace calsweep::analysis
