#include "analysis/set_rows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/ood/scores.hpp"

namespace calsweep::analysis {
std::span<const float> RowRange::logits() const {
  if (values_.logits.empty()) values_.logits = log_probabilities(values_.probabilities);
  return values_.logits;
}

std::span<const double> RowRange::probabilities() const {
  if (values_.probabilities.empty()) {
    values_.probabilities = tempered_probabilities(values_.logits, n_classes_, 1.0, what);
  }
  return values_.probabilities;
}

SetRows::SetRows(SetDescription description, Read read, const RowLimits& limits)
    : description_(std::move(description)),
      labels_(std::make_shared<const std::vector<std::int32_t>>(std::move(description_.labels))),
      read_(std::move(read)),
      limits_(limits) {
  rows_per_range_ =
      std::max<std::int64_t>(1, limits.values_per_range / std::max<std::int64_t>(1, n_classes()));
}

void SetRows::for_each_range(const std::function<void(const RowRange&)>& visit) const {
  for (std::int64_t first = 0; first < n_rows(); first += rows_per_range_) {
    visit(*range(first, std::min(rows_per_range_, n_rows() - first)));
  }
}

std::shared_ptr<const RowRange> SetRows::range(std::int64_t first, std::int64_t n) const {
  if (!is_single_range()) return read_range(first, n);
  if (!whole_) whole_ = read_range(first, n);
  return whole_;
}

std::shared_ptr<const RowRange> SetRows::read_range(std::int64_t first, std::int64_t n) const {
  auto range = std::make_shared<RowRange>(read_(first, n), n_classes());
  range->what = what();
  if (!is_single_range()) range->what += fmt::format(", of the rows from {} on", first);
  range->first_row = first;
  range->n_rows = n;
  if (!labels().empty()) {
    range->labels =
        std::span(labels()).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(n));
  }
  return range;
}

template <class Real>
WholeOutputs<Real>::WholeOutputs(const SetRows& rows, Form form) {
  if (rows.is_single_range()) {
    if (rows.n_rows() == 0) return;
    range_ = rows.range(0, rows.n_rows());
    values_ = ((*range_).*form)();
    return;
  }
  copy_.reserve(static_cast<std::size_t>(rows.n_rows() * rows.n_classes()));
  rows.for_each_range([&](const RowRange& range) {
    const auto values = (range.*form)();
    copy_.insert(copy_.end(), values.begin(), values.end());
  });
  values_ = copy_;
}

template class WholeOutputs<float>;
template class WholeOutputs<double>;

std::string too_large_to_fit(std::int64_t n_values, const RowLimits& limits) {
  if (n_values <= limits.values_of_fit) return "";
  return fmt::format(
      "{} outputs (rows times classes) are more than the {} that a fit holds in memory: give fewer "
      "rows",
      n_values, limits.values_of_fit);
}

std::string too_large_to_fit(const SetRows& rows) {
  return too_large_to_fit(rows.n_rows() * rows.n_classes(), rows.limits());
}

std::vector<float> log_probabilities(std::span<const double> probabilities) {
  std::vector<float> logs(probabilities.size());
  std::transform(probabilities.begin(), probabilities.end(), logs.begin(), [](double p) {
    return static_cast<float>(std::log(std::max(p, kLeastProbability)));
  });
  return logs;
}

}  // namespace calsweep::analysis
