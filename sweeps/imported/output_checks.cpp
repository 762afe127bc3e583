#include "sweeps/imported/output_checks.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "sweeps/errors.hpp"

namespace calsweep::imported {
namespace {

std::string text_of(const std::vector<std::int64_t>& shape) {
  if (shape.size() == 1) return fmt::format("({},)", shape[0]);
  return fmt::format("({})", fmt::join(shape, ", "));
}

bool sums_to_one(std::span<const double> row, double tolerance, double& sum) {
  sum = 0.0;
  bool inside = true;
  for (const double p : row) {
    inside = inside && p >= 0.0 && p <= 1.0;
    sum += p;
  }
  return inside && std::abs(sum - 1.0) <= tolerance;
}

}  // namespace

double default_tolerance(NumberKind kind) { return kind == NumberKind::Float16 ? 1e-3 : 1e-4; }

void check_outputs_shape(const ArrayDescription& d) {
  if (d.kind == NumberKind::Integer) {
    throw FormatError(
        fmt::format("{} holds integers, but outputs are real numbers: are these the "
                    "labels, or predicted classes?",
                    d.name));
  }
  if (d.kind == NumberKind::Text && d.shape.size() == 1) {
    throw FormatError(
        fmt::format("{}: one column is chosen for the outputs, expected one for each "
                    "class",
                    d.name));
  }
  if (d.shape.size() != 2) {
    throw FormatError(
        fmt::format("{} has the shape {}: outputs are [rows, classes]; for a single "
                    "probability p of two classes give both columns, "
                    "numpy.stack([1 - p, p], axis=1)",
                    d.name, text_of(d.shape)));
  }
  if (d.shape[1] < 2) {
    throw FormatError(
        fmt::format("{} has the shape {}: one class cannot be calibrated; for a "
                    "single probability p of two classes give both columns, "
                    "numpy.hstack([1 - p, p])",
                    d.name, text_of(d.shape)));
  }
  constexpr std::int64_t kMostClasses = 1'000'000;
  if (d.shape[1] > kMostClasses) {
    throw FormatError(
        fmt::format("{} has {} classes, more than the {} that are supported: is it "
                    "transposed?",
                    d.name, d.shape[1], kMostClasses));
  }
}

void check_labels_shape(const ArrayDescription& d) {
  const bool column = d.shape.size() == 2 && d.shape[1] == 1;
  if (d.shape.size() == 2) {
    throw FormatError(fmt::format(
        "{} has the shape {}: labels are [rows], one integer each; {}", d.name,
        d.shape[0] < 0 ? fmt::format("of {} columns", d.shape[1]) : text_of(d.shape),
        column ? "use array.reshape(-1)" : "if they are one-hot, use array.argmax(axis=1)"));
  }
  if (d.kind != NumberKind::Integer && d.kind != NumberKind::Text) {
    throw FormatError(
        fmt::format("{} holds real numbers, but labels are integers: use "
                    "array.astype(\"int64\")",
                    d.name));
  }
}

void check_labels(const ArrayReader& reader, std::span<const std::int64_t> labels,
                  std::int64_t first_row, std::int64_t n_classes) {
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] >= 0 && labels[i] < n_classes) continue;
    throw FormatError(
        fmt::format("{}: {} has the label {}, but there are {} classes, counted from "
                    "0 to {}{}",
                    reader.name(), reader.row_text(first_row + static_cast<std::int64_t>(i)),
                    labels[i], n_classes, n_classes - 1,
                    labels[i] == n_classes ? "; if yours begin with 1, subtract 1" : ""));
  }
}

OutputChecks::OutputChecks(const ArrayReader& reader, const Record& record)
    : reader_(reader),
      columns_(static_cast<std::size_t>(reader.description().shape[1])),
      probabilities_(record.outputs == Outputs::Probabilities),
      tolerance_(record.tolerance > 0.0 ? record.tolerance
                                        : default_tolerance(reader.description().kind)) {}

void OutputChecks::refuse(std::int64_t row, const std::string& why) const {
  throw FormatError(fmt::format("{}: {} {}", reader_.name(), reader_.row_text(row), why));
}

void OutputChecks::check_rows(std::span<const double> values, std::int64_t first_row) {
  for (std::size_t at = 0; at < values.size(); at += columns_, ++first_row) {
    const auto row = values.subspan(at, columns_);
    if (probabilities_) {
      check_probabilities(row, first_row);
    } else {
      check_logits(row, first_row);
    }
  }
}

void OutputChecks::check_probabilities(std::span<const double> row, std::int64_t index) const {
  double sum = 0.0;
  if (sums_to_one(row, tolerance_, sum)) return;
  for (std::size_t c = 0; c < row.size(); ++c) {
    if (!std::isfinite(row[c])) {
      refuse(index,
             fmt::format("has {} for class {}", std::isnan(row[c]) ? "NaN" : "an infinity", c));
    }
    if (row[c] > 1.0 && std::abs(sum - 100.0) <= 1.0) {
      refuse(index, fmt::format("sums to {:.9g}: these are percent, divide them by 100", sum));
    }
    if (row[c] < 0.0 || row[c] > 1.0) {
      refuse(index, fmt::format("has the probability {} for class {}, not in [0, 1]: if these "
                                "are logits, say outputs = \"logits\"",
                                row[c], c));
    }
  }
  refuse(index, fmt::format("sums to {:.9g}, not to 1 within {:g}: outputs of a softmax do; for "
                            "rounded ones allow more, as in tolerance = 1e-3",
                            sum, tolerance_));
}

void OutputChecks::check_logits(std::span<const double> row, std::int64_t index) {
  constexpr double kLargest = static_cast<double>(std::numeric_limits<float>::max());
  for (std::size_t c = 0; c < row.size(); ++c) {
    if (std::abs(row[c]) <= kLargest) continue;
    if (std::isnan(row[c])) refuse(index, fmt::format("has NaN for class {}", c));
    if (std::isinf(row[c])) {
      refuse(index, fmt::format("has an infinity for class {}: a logit is finite; log(0) is better "
                                "given as a probability",
                                c));
    }
    refuse(index, fmt::format("has the logit {:g} for class {}, too large for float32, as which "
                              "logits are stored",
                              row[c], c));
  }
  all_in_unit_interval_ =
      all_in_unit_interval_ &&
      std::all_of(row.begin(), row.end(), [](double z) { return z >= 0.0 && z <= 1.0; });
  double sum = 0.0;
  all_look_like_probabilities_ =
      all_look_like_probabilities_ && sums_to_one(row, default_tolerance(NumberKind::Float16), sum);
}

void OutputChecks::finish(std::int64_t n_rows) const {
  if (n_rows == 0) throw FormatError(reader_.name() + ": it has no rows");
  if (probabilities_ || !all_look_like_probabilities_) return;
  throw FormatError(
      fmt::format("{}: every row lies in [0, 1] and sums to 1, so these are "
                  "probabilities, not logits: say outputs = \"probabilities\"",
                  reader_.name()));
}

}  // namespace calsweep::imported
