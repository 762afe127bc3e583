#include "analysis/metrics/predictions.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

std::size_t checked_rows(std::size_t n_values, std::int64_t n_classes, std::size_t n_labels,
                         std::string_view what) {
  if (n_classes < 1 || n_values % static_cast<std::size_t>(n_classes) != 0) {
    throw FormatError(
        fmt::format("{}: {} values are not rows of {} classes", what, n_values, n_classes));
  }
  const std::size_t n = n_values / static_cast<std::size_t>(n_classes);
  if (n_labels != 0 && n_labels != n) {
    throw FormatError(fmt::format("{}: {} rows of outputs, but {} labels", what, n, n_labels));
  }
  return n;
}

Predictions make_empty(std::size_t n, std::int64_t n_classes, bool labelled) {
  Predictions made;
  made.n_classes = n_classes;
  made.labelled = labelled;
  made.confidence.resize(n);
  made.confidence_f32.resize(n);
  if (labelled) made.correct.resize(n);
  return made;
}

std::size_t checked_label(std::int32_t label, std::int64_t n_classes, std::size_t row,
                          std::string_view what) {
  if (label < 0 || label >= n_classes) {
    throw FormatError(fmt::format("{}: label {} of row {} (from 0) is not in 0...{}", what, label,
                                  row, n_classes - 1));
  }
  return static_cast<std::size_t>(label);
}

template <class Real>
std::size_t first_largest(const Real* row, std::size_t k) {
  return static_cast<std::size_t>(std::max_element(row, row + k) - row);
}

/// Throws for NaN and infinities; the sum of finite floats in double cannot overflow.
void check_finite(const float* row, std::size_t k, std::size_t index, std::string_view what) {
  double sum = 0.0;
  for (std::size_t c = 0; c < k; ++c) sum += static_cast<double>(row[c]);
  if (std::isfinite(sum)) return;
  throw FormatError(
      fmt::format("{}: row {} (from 0) has a logit that is NaN or infinite", what, index));
}

/// Fills `e` with exp(z - max) and returns its sum.
double exponentials(const float* z, std::size_t k, float largest, double* e) {
  double sum = 0.0;
  const double shift = static_cast<double>(largest);
  for (std::size_t c = 0; c < k; ++c) {
    e[c] = std::exp(static_cast<double>(z[c]) - shift);
    sum += e[c];
  }
  return sum;
}

double squared_distance(const double* p, std::size_t k, std::size_t label, double scale) {
  double sum = 0.0;
  for (std::size_t c = 0; c < k; ++c) {
    const double d = p[c] * scale - (c == label ? 1.0 : 0.0);
    sum += d * d;
  }
  return sum;
}

template <class Real>
Predictions from_probabilities(std::span<const Real> p, std::int64_t n_classes,
                               std::span<const std::int32_t> labels, std::string_view what) {
  const auto k = static_cast<std::size_t>(n_classes);
  const std::size_t n = checked_rows(p.size(), n_classes, labels.size(), what);
  auto made = make_empty(n, n_classes, !labels.empty() || n == 0);
  std::vector<double> row(k);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t c = 0; c < k; ++c) {
      row[c] = static_cast<double>(p[i * k + c]);
      if (!(row[c] >= 0.0 && row[c] <= 1.0)) {
        throw FormatError(fmt::format("{}: row {} (from 0) has a probability of {}, not in [0, 1]",
                                      what, i, row[c]));
      }
    }
    const std::size_t best = first_largest(row.data(), k);
    made.confidence[i] = row[best];
    made.confidence_f32[i] = static_cast<float>(row[best]);
    if (labels.empty()) continue;
    const std::size_t label = checked_label(labels[i], n_classes, i, what);
    made.correct[i] = best == label ? 1 : 0;
    made.sum_nll -= std::log(row[label]);
    made.sum_brier += squared_distance(row.data(), k, label, 1.0);
  }
  return made;
}

Measured mean(double sum, std::int64_t n) {
  if (n == 0) return Measured::none("the set is empty");
  return Measured::of(sum / static_cast<double>(n));
}

}  // namespace

Measured Predictions::accuracy() const {
  std::int64_t n_correct = 0;
  for (const auto c : correct) n_correct += c;
  return mean(static_cast<double>(n_correct), n_rows());
}

Measured Predictions::mean_confidence() const {
  double sum = 0.0;
  for (const double c : confidence) sum += c;
  return mean(sum, n_rows());
}

Measured Predictions::nll() const {
  if (std::isinf(sum_nll)) return Measured::none("infinite: a label has probability zero");
  return mean(sum_nll, n_rows());
}

Measured Predictions::brier() const { return mean(sum_brier, n_rows()); }

Measured Predictions::saturated_fraction() const {
  const auto n = std::count(confidence_f32.begin(), confidence_f32.end(), 1.0F);
  return mean(static_cast<double>(n), n_rows());
}

Predictions predict_from_logits(std::span<const float> logits, std::int64_t n_classes,
                                std::span<const std::int32_t> labels, std::string_view what) {
  const auto k = static_cast<std::size_t>(n_classes);
  const std::size_t n = checked_rows(logits.size(), n_classes, labels.size(), what);
  auto made = make_empty(n, n_classes, !labels.empty() || n == 0);
  std::vector<double> e(k);
  for (std::size_t i = 0; i < n; ++i) {
    const float* z = logits.data() + i * k;
    check_finite(z, k, i, what);
    const std::size_t best = first_largest(z, k);
    const double sum = exponentials(z, k, z[best], e.data());
    made.confidence[i] = 1.0 / sum;
    made.confidence_f32[i] = static_cast<float>(made.confidence[i]);
    if (labels.empty()) continue;
    const std::size_t label = checked_label(labels[i], n_classes, i, what);
    made.correct[i] = best == label ? 1 : 0;
    made.sum_nll += std::log(sum) - (static_cast<double>(z[label]) - static_cast<double>(z[best]));
    made.sum_brier += squared_distance(e.data(), k, label, 1.0 / sum);
  }
  return made;
}

Predictions predict_from_probabilities(std::span<const float> probabilities, std::int64_t n_classes,
                                       std::span<const std::int32_t> labels,
                                       std::string_view what) {
  return from_probabilities(probabilities, n_classes, labels, what);
}

Predictions predict_from_probabilities(std::span<const double> probabilities,
                                       std::int64_t n_classes, std::span<const std::int32_t> labels,
                                       std::string_view what) {
  return from_probabilities(probabilities, n_classes, labels, what);
}

void ProbabilityPool::add_member(std::span<const float> logits, std::int64_t n_classes,
                                 std::string_view what) {
  const auto k = static_cast<std::size_t>(n_classes);
  const std::size_t n = checked_rows(logits.size(), n_classes, 0, what);
  if (n_members_ == 0) {
    sum_.assign(logits.size(), 0.0);
    n_classes_ = n_classes;
  }
  if (n_classes != n_classes_ || logits.size() != sum_.size()) {
    throw FormatError(fmt::format(
        "{}: {} rows of {} classes, but the members before it have {} "
        "rows of {}: they were evaluated on different data",
        what, n, n_classes, sum_.size() / static_cast<std::size_t>(n_classes_), n_classes_));
  }
  std::vector<double> e(k);
  for (std::size_t i = 0; i < n; ++i) {
    const float* z = logits.data() + i * k;
    check_finite(z, k, i, what);
    const double total = exponentials(z, k, z[first_largest(z, k)], e.data());
    for (std::size_t c = 0; c < k; ++c) sum_[i * k + c] += e[c] / total;
  }
  ++n_members_;
}

Predictions ProbabilityPool::predictions(std::span<const std::int32_t> labels,
                                         std::string_view what) const {
  std::vector<double> p(sum_.size());
  const double members = static_cast<double>(n_members_);
  std::transform(sum_.begin(), sum_.end(), p.begin(),
                 [members](double s) { return std::min(1.0, s / members); });
  return from_probabilities(std::span<const double>(p), n_classes_, labels, what);
}

}  // namespace calsweep::analysis
