#include "analysis/metrics/predictions.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/metrics/row_block.hpp"
#include "analysis/metrics/tally_pass.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

Predictions make_empty(std::int64_t n, std::int64_t n_classes, bool labelled) {
  const auto rows = static_cast<std::size_t>(n);
  Predictions made;
  made.n_classes = n_classes;
  made.labelled = labelled;
  made.tally = Tally(n_classes);
  for (auto* values : {&made.confidence, &made.nll_rows}) values->reserve(rows);
  made.confidence_f32.reserve(rows);
  made.predicted.reserve(rows);
  made.correct.reserve(labelled ? rows : 0);
  return made;
}

template <class T>
void append(std::vector<T>& rows, const std::vector<T>& block, std::int64_t n) {
  rows.insert(rows.end(), block.begin(), block.begin() + n);
}

void append_rows(Predictions& made, const RowBlock& block) {
  const auto n = block.n_rows();
  append(made.confidence, block.confidence, n);
  append(made.confidence_f32, block.confidence_f32, n);
  append(made.predicted, block.predicted, n);
  if (!block.labelled()) return;
  append(made.nll_rows, block.nll, n);
  for (std::size_t r = 0; r < static_cast<std::size_t>(n); ++r) {
    made.correct.push_back(block.labels()[r] == block.predicted[r] ? 1 : 0);
  }
}

template <class Real>
Predictions predict(std::span<const Real> values, bool are_logits, std::int64_t n_classes,
                    std::span<const std::int32_t> labels, std::string_view what) {
  const auto n = checked_rows(values.size(), n_classes, labels, what);
  auto made = make_empty(n, n_classes, !labels.empty() || n == 0);
  RowBlock block(n_classes);
  TallyPass pass(made.tally);
  block.for_each(values, are_logits, labels, what, [&](const RowBlock& filled) {
    pass.add(filled);
    append_rows(made, filled);
  });
  return made;
}

}  // namespace

CalibrationError Predictions::calibration_error(const Convention& convention,
                                                std::int64_t n_bins) const {
  const auto known = registered_bins(convention);
  const bool from_cells = std::find(known.begin(), known.end(), n_bins) != known.end();
  if (from_cells || !labelled)
    return tally.calibration_error(convention, known.empty() ? 10 : n_bins);
  return analysis::calibration_error(
      convention, reliability_bins(convention, n_bins, confidence_f32, correct), n_rows());
}

Predictions predict_from_logits(std::span<const float> logits, std::int64_t n_classes,
                                std::span<const std::int32_t> labels, std::string_view what) {
  return predict(logits, true, n_classes, labels, what);
}

Predictions predict_from_probabilities(std::span<const float> probabilities, std::int64_t n_classes,
                                       std::span<const std::int32_t> labels,
                                       std::string_view what) {
  return predict(probabilities, false, n_classes, labels, what);
}

Predictions predict_from_probabilities(std::span<const double> probabilities,
                                       std::int64_t n_classes, std::span<const std::int32_t> labels,
                                       std::string_view what) {
  return predict(probabilities, false, n_classes, labels, what);
}

Predictions predict_from_top_label(std::span<const double> confidence,
                                   std::span<const std::int32_t> predicted, std::int64_t n_classes,
                                   std::span<const std::int32_t> labels, std::string_view what) {
  const auto n = static_cast<std::int64_t>(confidence.size());
  auto made = make_empty(n, n_classes, !labels.empty() || n == 0);
  made.tally.add_top_label(confidence, predicted, labels, what);
  made.confidence.assign(confidence.begin(), confidence.end());
  made.predicted.assign(predicted.begin(), predicted.end());
  for (std::size_t i = 0; i < confidence.size(); ++i) {
    made.confidence_f32.push_back(static_cast<float>(confidence[i]) + 0.0F);
    if (!labels.empty()) made.correct.push_back(labels[i] == predicted[i] ? 1 : 0);
  }
  return made;
}

}  // namespace calsweep::analysis
