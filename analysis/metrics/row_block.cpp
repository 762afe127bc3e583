#include "analysis/metrics/row_block.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/metrics/classwise_edges.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

/// Rows per block: 64, or as many as keep the probabilities within 64 KiB.
std::int64_t stride_for(std::int64_t n_classes) {
  return std::clamp<std::int64_t>(8192 / n_classes / 4 * 4, 4, RowBlock::kMostRows);
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
  for (auto* units :
       {&confidence_units, &confidence_f32_units, &entropy_units, &nll_units, &brier_units}) {
    units->resize(rows);
  }
  class_units.resize(4 * static_cast<std::size_t>(n_classes));
  transposed_.resize(cells);
  probability_.resize(cells);
  above.resize(static_cast<std::size_t>(n_classes));
  for (auto* per_row :
       {&scale_, &largest_logit_, &log_sum_, &squares_, &label_probability_, &label_margin_}) {
    per_row->resize(rows);
  }
  arrays_ = {0,
             n_classes,
             stride,
             transposed_.data(),
             probability_.data(),
             largest_logit_.data(),
             log_sum_.data(),
             confidence.data(),
             confidence_f32.data(),
             predicted.data(),
             squares_.data(),
             confidence_units.data(),
             confidence_f32_units.data(),
             entropy_units.data(),
             class_units.data(),
             scale_.data(),
             ClasswiseEdges::instance().first_upper(),
             above.data()};
}

void RowBlock::start(std::int64_t n_rows) {
  arrays_.n_rows = n_rows;
  labels_ = {};
  std::fill(class_units.begin(), class_units.end(), 0);
}

void RowBlock::fill(const float* values, bool are_logits, std::int64_t n_rows, std::int64_t first,
                    std::string_view what) {
  start(n_rows);
  const bool fine =
      are_logits ? softmax_block(values, arrays_) : probability_block(values, arrays_);
  if (!fine) report_bad_value(values, are_logits, n_rows, n_classes(), first, what);
}

void RowBlock::fill(const double* values, bool are_logits, std::int64_t n_rows, std::int64_t first,
                    std::string_view what) {
  CALSWEEP_CHECK(!are_logits, "logits are float32");
  start(n_rows);
  if (!probability_block(values, arrays_)) {
    report_bad_value(values, are_logits, n_rows, n_classes(), first, what);
  }
}

template <class Real>
void RowBlock::set_labels(const Real* values, bool are_logits,
                          std::span<const std::int32_t> labels) {
  labels_ = labels;
  for (std::size_t r = 0; r < labels.size(); ++r) {
    const auto label = static_cast<std::size_t>(labels[r]);
    label_probability_[r] = probability(labels[r])[r];
    if (!are_logits) continue;
    const Real logit = values[r * static_cast<std::size_t>(n_classes()) + label];
    label_margin_[r] = static_cast<double>(logit) - largest_logit_[r];
  }
  label_block({static_cast<std::int64_t>(labels.size()), label_probability_.data(), squares_.data(),
               are_logits ? log_sum_.data() : nullptr, label_margin_.data(), nll.data(),
               nll_units.data(), brier_units.data()});
}

template void RowBlock::set_labels(const float*, bool, std::span<const std::int32_t>);
template void RowBlock::set_labels(const double*, bool, std::span<const std::int32_t>);

}  // namespace calsweep::analysis
