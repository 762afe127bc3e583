#include "analysis/metrics/brier_decomposition.hpp"

#include <fmt/format.h>

#include <cmath>

#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

constexpr double kUnit = 0x1.0p60;

__extension__ using Wide = __int128;

Wide units(double value) { return static_cast<Wide>(std::nearbyint(value * kUnit)); }
double value(Wide units) { return static_cast<double>(units) / kUnit; }
double square(double x) { return x * x; }

}  // namespace

BinnedBrierSums::BinnedBrierSums(std::int64_t n_bins, std::int64_t n_classes)
    : n_bins_(n_bins), n_classes_(n_classes) {
  if (n_bins < 1 || n_classes < 1) {
    throw UsageError(
        fmt::format("{} bins of {} classes: both must be 1 at least", n_bins, n_classes));
  }
  const auto cells = static_cast<std::size_t>(n_bins * n_classes);
  rows_.assign(cells, 0);
  sum_.assign(cells, 0);
  sum_of_label_.assign(static_cast<std::size_t>(n_bins), 0);
}

template <class Real>
void BinnedBrierSums::add(std::int64_t bin, std::span<const Real> probabilities,
                          std::int32_t label) {
  if (bin < 0 || bin >= n_bins_ || label < 0 || label >= n_classes_ ||
      static_cast<std::int64_t>(probabilities.size()) != n_classes_) {
    throw FormatError(
        fmt::format("a row of {} probabilities, bin {} and label {}, where there are "
                    "{} classes and {} bins",
                    probabilities.size(), bin, label, n_classes_, n_bins_));
  }
  const auto first = static_cast<std::size_t>(bin * n_classes_);
  double squares = 0.0;
  for (std::size_t k = 0; k < probabilities.size(); ++k) {
    const auto p = static_cast<double>(probabilities[k]);
    if (!(p >= 0.0 && p <= 1.0)) {
      throw FormatError(fmt::format("the probability {} of class {} is not in [0, 1]", p, k));
    }
    sum_[first + k] += units(p);
    squares += p * p;
  }
  const auto of_label = static_cast<std::size_t>(label);
  ++rows_[first + of_label];
  sum_of_label_[static_cast<std::size_t>(bin)] +=
      units(static_cast<double>(probabilities[of_label]));
  sum_of_squares_ += units(squares);
}

void BinnedBrierSums::add_row(std::int64_t bin, std::span<const float> probabilities,
                              std::int32_t label) {
  add(bin, probabilities, label);
}

void BinnedBrierSums::add_row(std::int64_t bin, std::span<const double> probabilities,
                              std::int32_t label) {
  add(bin, probabilities, label);
}

void BinnedBrierSums::merge(const BinnedBrierSums& other) {
  CALSWEEP_CHECK(n_bins_ == other.n_bins_ && n_classes_ == other.n_classes_,
                 "sums over the same bins and classes are merged");
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    rows_[i] += other.rows_[i];
    sum_[i] += other.sum_[i];
  }
  for (std::size_t b = 0; b < sum_of_label_.size(); ++b) sum_of_label_[b] += other.sum_of_label_[b];
  sum_of_squares_ += other.sum_of_squares_;
}

BinnedBrier BinnedBrierSums::decomposition() const {
  const auto n_classes = static_cast<std::size_t>(n_classes_);
  std::vector<double> of_class(n_classes, 0.0);
  double n = 0.0;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    of_class[i % n_classes] += static_cast<double>(rows_[i]);
    n += static_cast<double>(rows_[i]);
  }
  if (n == 0.0) {
    const auto none = Measured::none("the set is empty");
    return {none, none, none, none, none, none};
  }
  double reliability = 0.0, resolution = 0.0, uncertainty = 0.0;
  double variance = value(sum_of_squares_), covariance = 0.0, of_label = 0.0;
  for (std::size_t b = 0; b < sum_of_label_.size(); ++b) {
    double rows = 0.0;
    for (std::size_t k = 0; k < n_classes; ++k) {
      rows += static_cast<double>(rows_[b * n_classes + k]);
    }
    if (rows == 0.0) continue;
    of_label += value(sum_of_label_[b]);
    covariance += value(sum_of_label_[b]);
    for (std::size_t k = 0; k < n_classes; ++k) {
      const double forecast = value(sum_[b * n_classes + k]) / rows;
      const double outcome = static_cast<double>(rows_[b * n_classes + k]) / rows;
      reliability += rows * square(forecast - outcome);
      resolution += rows * square(outcome - of_class[k] / n);
      variance -= rows * square(forecast);
      covariance -= rows * forecast * outcome;
    }
  }
  for (const double rows : of_class) uncertainty += rows / n * (1.0 - rows / n);
  return {Measured::of((value(sum_of_squares_) - 2.0 * of_label) / n + 1.0),
          Measured::of(reliability / n),
          Measured::of(resolution / n),
          Measured::of(uncertainty),
          Measured::of(variance / n),
          Measured::of(2.0 * covariance / n)};
}

BinnedBrier binned_brier(std::span<const float> probabilities, std::int64_t n_classes,
                         std::span<const std::int32_t> labels,
                         std::span<const std::int64_t> bin_of_row, std::int64_t n_bins) {
  BinnedBrierSums sums(n_bins, n_classes);
  const auto width = static_cast<std::size_t>(n_classes);
  if (probabilities.size() != labels.size() * width || bin_of_row.size() != labels.size()) {
    throw FormatError(fmt::format("{} probabilities and {} bins for {} labels of {} classes",
                                  probabilities.size(), bin_of_row.size(), labels.size(),
                                  n_classes));
  }
  for (std::size_t i = 0; i < labels.size(); ++i) {
    sums.add_row(bin_of_row[i], probabilities.subspan(i * width, width), labels[i]);
  }
  return sums.decomposition();
}

}  // namespace calsweep::analysis
