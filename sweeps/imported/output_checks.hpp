// What is asked of outputs and labels before they are believed. Every refusal names file and row.
#pragma once

#include <cstdint>
#include <span>

#include "sweeps/imported/array_reader.hpp"
#include "sweeps/imported/manifest.hpp"

namespace calsweep::imported {

/// How far from 1 a row of probabilities may sum where the manifest does not say: 1e-4; 1e-3 for
/// float16, whose roundings alone may add up to 2^-11.
double default_tolerance(NumberKind kind);

/// [rows, classes] with at least two classes, of real numbers. Throws FormatError.
void check_outputs_shape(const ArrayDescription& description);
/// [rows] of integers. Throws FormatError.
void check_labels_shape(const ArrayDescription& description);

/// Labels [n] in [0, n_classes); `first_row` is the row of labels[0]. Throws FormatError.
void check_labels(const ArrayReader& reader, std::span<const std::int64_t> labels,
                  std::int64_t first_row, std::int64_t n_classes);

/// Outputs of one split, block by block: finite; probabilities each in [0, 1] and summing to 1;
/// logits within float32, and not all rows of them probabilities.
class OutputChecks {
 public:
  OutputChecks(const ArrayReader& reader, const Record& record);
  /// values: [n, classes]; `first_row` is the row of the first. Throws FormatError.
  void check_rows(std::span<const double> values, std::int64_t first_row);
  /// After the last row. Throws FormatError.
  void finish(std::int64_t n_rows) const;
  /// Logits that all lie in [0, 1], as what comes out of a sigmoid: suspicious, not wrong.
  bool are_suspicious_logits() const { return !probabilities_ && all_in_unit_interval_; }

 private:
  void check_probabilities(std::span<const double> row, std::int64_t index) const;
  void check_logits(std::span<const double> row, std::int64_t index);
  [[noreturn]] void refuse(std::int64_t row, const std::string& why) const;

  const ArrayReader& reader_;
  std::size_t columns_;
  bool probabilities_;
  double tolerance_;
  bool all_look_like_probabilities_ = true, all_in_unit_interval_ = true;
};

}  // namespace calsweep::imported
