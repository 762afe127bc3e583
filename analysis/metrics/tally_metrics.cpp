// Part of tally.hpp: the numbers that follow from the sums.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/metrics/bin_finder.hpp"
#include "analysis/metrics/tally.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

constexpr const char* kEmpty = "the set is empty";
constexpr const char* kUnlabelled = "the rows have no labels";
constexpr const char* kTopLabelOnly =
    "only the predicted class and its confidence are known, not the class probabilities";

Measured ratio(std::int64_t part, std::int64_t n) {
  if (n == 0) return Measured::none(kEmpty);
  return Measured::of(static_cast<double>(part) / static_cast<double>(n));
}

}  // namespace

std::int64_t Tally::n_correct() const {
  std::int64_t n = 0;
  for (const auto& cell : cells_) n += cell.correct;
  return n;
}

std::int64_t Tally::n_saturated() const { return cells_.back().count; }

std::int64_t Tally::n_zero() const {
  return confidence_cells().front().last == 0.0F ? cells_.front().count : 0;
}

Measured Tally::accuracy() const {
  if (n_rows_ > 0 && !labelled_) return Measured::none(kUnlabelled);
  return ratio(n_correct(), n_rows_);
}

Measured Tally::mean_confidence() const {
  if (n_rows_ == 0) return Measured::none(kEmpty);
  return Measured::of(confidence_.mean(n_rows_));
}

Measured Tally::predictive_uncertainty() const {
  if (n_rows_ == 0) return Measured::none(kEmpty);
  const FixedSum rest{(static_cast<Int128>(n_rows_) << 50) - confidence_.units};
  return Measured::of(rest.mean(n_rows_));
}

Measured Tally::mean_of_labelled(const FixedSum& sum) const {
  if (n_rows_ == 0) return Measured::none(kEmpty);
  if (!labelled_) return Measured::none(kUnlabelled);
  if (!has_probabilities_) return Measured::none(kTopLabelOnly);
  return Measured::of(sum.mean(n_rows_));
}

Measured Tally::nll() const {
  if (n_nll_infinite_ > 0) return Measured::none("infinite: a label has probability zero");
  if (n_nll_beyond_ > 0) return Measured::none("a row loses more than 2^32 nats");
  return mean_of_labelled(nll_);
}

Measured Tally::brier() const { return mean_of_labelled(brier_); }

Measured Tally::entropy() const {
  if (n_rows_ == 0) return Measured::none(kEmpty);
  if (!has_probabilities_) return Measured::none(kTopLabelOnly);
  return Measured::of(entropy_.mean(n_rows_));
}

Measured Tally::saturated_fraction() const { return ratio(n_saturated(), n_rows_); }

ClassBias Tally::class_bias() const {
  if (n_rows_ == 0) {
    return {Measured::none(kEmpty), Measured::none(kEmpty), Measured::none(kEmpty)};
  }
  const double n = static_cast<double>(n_rows_);
  const double uniform = 1.0 / static_cast<double>(n_classes());
  double largest = 0.0, variation = 0.0, kl = 0.0;
  for (const auto& sums : classes_) {
    const double f = static_cast<double>(sums.predicted) / n;
    largest = std::max(largest, f);
    variation += std::abs(f - uniform) / 2.0;
    if (f > 0.0) kl += f * std::log(f / uniform);
  }
  return {Measured::of(largest - uniform), Measured::of(variation),
          Measured::of(std::max(kl, 0.0))};
}

CalibrationError Tally::calibration_error(const Convention& convention, std::int64_t n_bins) const {
  if (n_rows_ > 0 && !labelled_) {
    const auto none = Measured::none(kUnlabelled);
    return {none, none, none, none};
  }
  return assemble(convention, n_bins, cells_);
}

std::vector<ReliabilityBin> Tally::reliability_bins(const Convention& convention,
                                                    std::int64_t n_bins) const {
  return analysis::reliability_bins(convention, n_bins, cells_);
}

std::vector<ReliabilityBin> Tally::classwise_bins(std::int64_t k) const {
  CALSWEEP_CHECK(k >= 0 && k < n_classes(), "a class of the tally");
  const BinFinder finder(find_convention("guo2017"), kClasswiseBins);
  const auto first = classwise_.begin() + k * kClasswiseBins;
  std::vector<CellSums> sums(first, first + kClasswiseBins);
  const auto& whole = classes_[static_cast<std::size_t>(k)];
  sums[0] = {n_rows_, whole.labels, whole.probability};
  for (std::size_t b = 1; b < sums.size(); ++b) {
    sums[0].count -= sums[b].count;
    sums[0].correct -= sums[b].correct;
    sums[0].confidence.units -= sums[b].confidence.units;
  }
  std::vector<ReliabilityBin> bins;
  for (std::size_t b = 0; b < sums.size(); ++b) {
    bins.push_back({finder.edges()[b], finder.edges()[b + 1], sums[b].count, sums[b].correct,
                    sums[b].confidence.value()});
  }
  return bins;
}

Measured Tally::classwise_ece() const {
  if (const auto missing = mean_of_labelled(FixedSum{}); !missing.has_value()) return missing;
  double sum = 0.0;
  for (std::int64_t k = 0; k < n_classes(); ++k) {
    for (const auto& bin : classwise_bins(k)) {
      sum += std::abs(static_cast<double>(bin.correct) - bin.sum_confidence);
    }
  }
  return Measured::of(sum / static_cast<double>(n_rows_) / static_cast<double>(n_classes()));
}

std::vector<ConfidenceGroup> Tally::confidence_groups() const {
  if (!histogram_) {
    throw UsageError(
        "this tally keeps no confidence histogram: make it with Tally::Histogram::Kept");
  }
  std::vector<ConfidenceGroup> groups;
  for (const auto& cell : histogram_->cells()) {
    if (cell.count == 0) continue;
    groups.push_back({cell.confidence.mean(cell.count), cell.count, cell.correct});
  }
  return groups;
}

}  // namespace calsweep::analysis
