#include "analysis/metrics/row_block.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/metrics/classwise_edges.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

/// Rows per block: 64, or as many as keep the probabilities within 64 KiB, but at least 8.
std::int64_t stride_for(std::int64_t n_classes) {
  return std::clamp<std::int64_t>(8192 / n_classes / 8 * 8, 8, RowBlock::kMostRows);
}

template <class Real>
[[noreturn]] void report_bad_value(const Real* values, bool are_logits, std::int64_t n,
                                   std::int64_t n_classes, std::int64_t first,
                                   std::string_view what) {
  for (std::int64_t i = 0; i < n * n_classes; ++i) {
    const Real v = values[i];
    const auto row = first + i / n_classes;
    if (are_logits && !std::isfinite(v)) {
      throw FormatError(
          fmt::format("{}: row {} (from 0) has a logit that is NaN or infinite", what, row));
    }
    if (!are_logits && !(v >= Real(0) && v <= Real(1))) {
      throw FormatError(
          fmt::format("{}: row {} (from 0) has a probability of {}, not in [0, 1]", what, row, v));
    }
  }
  CALSWEEP_CHECK(false, "the kernel refused values that are fine");
  __builtin_unreachable();
}

}  // namespace

std::int64_t checked_rows(std::size_t n_values, std::int64_t n_classes,
                          std::span<const std::int32_t> labels, std::string_view what) {
  if (n_classes < 1 || n_values % static_cast<std::size_t>(n_classes) != 0) {
    throw FormatError(
        fmt::format("{}: {} values are not rows of {} classes", what, n_values, n_classes));
  }
  const std::size_t n = n_values / static_cast<std::size_t>(n_classes);
  if (!labels.empty() && labels.size() != n) {
    throw FormatError(fmt::format("{}: {} rows of outputs, but {} labels", what, n, labels.size()));
  }
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] >= 0 && labels[i] < n_classes) continue;
    throw FormatError(fmt::format("{}: label {} of row {} (from 0) is not in 0...{}", what,
                                  labels[i], i, n_classes - 1));
  }
  return static_cast<std::int64_t>(n);
}

RowBlock::RowBlock(std::int64_t n_classes) {
  CALSWEEP_CHECK(n_classes >= 1, "at least one class");
  const auto stride = stride_for(n_classes);
  const auto rows = static_cast<std::size_t>(stride);
  const auto cells = rows * static_cast<std::size_t>(n_classes);
  confidence.resize(rows);
  nll.resize(rows);
  confidence_f32.resize(rows);
  predicted.resize(rows);
  confidence_f32_units.resize(rows);
  nll_units.resize(rows);
  counted.resize(rows);
  class_units.resize(4 * static_cast<std::size_t>(n_classes));
  above.resize(static_cast<std::size_t>(n_classes));
  logit_.resize(cells);
  probability_.resize(cells);
  label_logit_.resize(rows);
  for (auto* per_row :
       {&scale_, &weighted_, &largest_logit_, &log_sum_, &squares_, &label_probability_}) {
    per_row->resize(rows);
  }
  arrays_ = {.n_rows = 0,
             .n_classes = n_classes,
             .stride = stride,
             .logit = logit_.data(),
             .probability = probability_.data(),
             .largest_logit = largest_logit_.data(),
             .log_sum = log_sum_.data(),
             .confidence = confidence.data(),
             .confidence_f32 = confidence_f32.data(),
             .confidence_f32_units = confidence_f32_units.data(),
             .predicted = predicted.data(),
             .squares = squares_.data(),
             .class_units = class_units.data(),
             .scale = scale_.data(),
             .weighted = weighted_.data(),
             .units = &units,
             .split = ClasswiseEdges::instance().first_last(),
             .above = above.data()};
}

void RowBlock::start(std::int64_t n_rows) {
  arrays_.n_rows = n_rows;
  labels_ = {};
  std::fill(counted.begin(), counted.end(), 1);
  std::fill(class_units.begin(), class_units.end(), 0);
}

void RowBlock::fill(const float* values, bool are_logits, std::int64_t n_rows, std::int64_t first,
                    std::string_view what) {
  start(n_rows);
  const auto& kernel = row_kernel();
  const bool fine =
      are_logits ? kernel.softmax(values, arrays_) : kernel.probabilities_f32(values, arrays_);
  if (!fine) report_bad_value(values, are_logits, n_rows, n_classes(), first, what);
}

void RowBlock::fill(const double* values, bool are_logits, std::int64_t n_rows, std::int64_t first,
                    std::string_view what) {
  CALSWEEP_CHECK(!are_logits, "logits are float32");
  start(n_rows);
  if (!row_kernel().probabilities_f64(values, arrays_)) {
    report_bad_value(values, are_logits, n_rows, n_classes(), first, what);
  }
}

void RowBlock::set_labels(bool are_logits, std::span<const std::int32_t> labels) {
  labels_ = labels;
  for (std::size_t r = 0; r < labels.size(); ++r) {
    const std::int64_t at = labels[r] * stride() + static_cast<std::int64_t>(r);
    label_probability_[r] = arrays_.probability[at];
    label_logit_[r] = arrays_.logit[at];
    const std::uint64_t right = labels[r] == predicted[r] ? 1 : 0;
    counted[r] = 1 + (right << 32);
  }
  label_units = row_kernel().labels({.n_rows = n_rows(),
                                     .label_probability = label_probability_.data(),
                                     .label_logit = label_logit_.data(),
                                     .largest_logit = largest_logit_.data(),
                                     .log_sum = are_logits ? log_sum_.data() : nullptr,
                                     .squares = squares_.data(),
                                     .nll = nll.data(),
                                     .nll_units = nll_units.data()});
}

}  // namespace calsweep::analysis
