#include "analysis/metrics/bin_finder.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

/// torch.linspace(0, 1, n + 1) in float32, as PyTorch fills it without vector instructions: from
/// both ends towards the middle.
float torch_edge(std::int64_t i, std::int64_t n) {
  const float step = 1.0F / static_cast<float>(n);
  if (i < (n + 1) / 2) return step * static_cast<float>(i);
  const float below_one = step * static_cast<float>(n - i);
  return 1.0F - below_one;
}

/// numpy.linspace(0, 1, n + 1).
double numpy_edge(std::int64_t i, std::int64_t n) {
  if (i == n) return 1.0;
  return static_cast<double>(i) * (1.0 / static_cast<double>(n));
}

/// Edge 0 is 0, edge i the i-th of n float32 thresholds from 1 / n_rows to 1.
float rows_edge(std::int64_t i, std::int64_t n, std::int64_t n_rows) {
  if (i == 0) return 0.0F;
  if (i == n) return 1.0F;
  const float start =
      static_cast<float>(1.0 / static_cast<double>(std::max<std::int64_t>(n_rows, 1)));
  const float share = static_cast<float>(i - 1) / static_cast<float>(n - 1);
  const float from_start = start * (1.0F - share);
  return from_start + share;
}

double edge(const Convention& convention, std::int64_t i, std::int64_t n, std::int64_t n_rows) {
  switch (convention.bin_rule) {
    case BinRule::TorchLinspace:
      return static_cast<double>(torch_edge(i, n));
    case BinRule::LinspaceFloat32:
      return static_cast<double>(static_cast<float>(numpy_edge(i, n)));
    case BinRule::RowsLinspace:
      return static_cast<double>(rows_edge(i, n, n_rows));
    case BinRule::Linspace:
      return numpy_edge(i, n);
    default:
      return static_cast<double>(i) / static_cast<double>(n);
  }
}

bool has_edges(BinRule rule) {
  return rule == BinRule::TorchLinspace || rule == BinRule::Linspace ||
         rule == BinRule::LinspaceFloat32 || rule == BinRule::Quotients ||
         rule == BinRule::RowsLinspace;
}

}  // namespace

BinFinder::BinFinder(const Convention& convention, std::int64_t n_bins, std::int64_t n_rows)
    : convention_(&convention),
      n_equal_(n_bins),
      n_found_(n_bins + (convention.at_one == AtOne::OwnBin ? 1 : 0)) {
  CALSWEEP_CHECK(n_bins >= 1 && n_bins <= (1 << 20), "between one and 2^20 bins");
  for (std::int64_t i = 0; i <= n_bins; ++i) {
    edges_.push_back(edge(convention, i, n_bins, n_rows));
  }
  if (convention.at_one == AtOne::OwnBin) edges_.push_back(1.0);
}

/// A guess from the width, corrected against the true edges; may lie one outside the bins.
std::int64_t BinFinder::searched(double c) const {
  const auto at = [&](std::int64_t i) { return edges_[static_cast<std::size_t>(i)]; };
  auto bin = std::clamp<std::int64_t>(static_cast<std::int64_t>(c * static_cast<double>(n_equal_)),
                                      0, n_equal_ - 1);
  if (convention_->interval == BinInterval::LeftOpen) {
    while (bin >= 0 && c <= at(bin)) --bin;
    while (bin < n_equal_ && c > at(bin + 1)) ++bin;
  } else {
    while (bin >= 0 && c < at(bin)) --bin;
    while (bin < n_equal_ && c >= at(bin + 1)) ++bin;
  }
  return bin;
}

std::int64_t BinFinder::computed(float c) const {
  const auto wide = static_cast<double>(c);
  const auto bins = static_cast<double>(n_equal_);
  switch (convention_->bin_rule) {
    case BinRule::FloorProduct:
      return static_cast<std::int64_t>(static_cast<float>(n_equal_) * c);
    case BinRule::CeilProduct: {
      const double product = bins * wide;
      return static_cast<std::int64_t>(std::ceil(product - 1.0));
    }
    case BinRule::FloorQuotient: {
      const double width = 1.0 / bins;
      return static_cast<std::int64_t>(wide / width);
    }
    default: {
      const double product = bins * wide;  // exact: 24 bits times at most 21
      const bool left_open = convention_->interval == BinInterval::LeftOpen;
      return static_cast<std::int64_t>(left_open ? std::ceil(product) - 1.0 : std::floor(product));
    }
  }
}

std::int64_t BinFinder::position_of(float c) const {
  const bool from_edges = has_edges(convention_->bin_rule);
  const auto bin = from_edges ? searched(static_cast<double>(c)) : computed(c);
  if (bin < 0) return convention_->at_zero == AtZero::FirstBin ? 0 : -1;
  if (bin < n_equal_) return bin;
  return convention_->at_one == AtOne::LastBin ? n_equal_ - 1 : n_equal_;
}

std::int64_t BinFinder::bin_of(float c) const {
  const auto position = position_of(c);
  return position < n_found_ ? position : -1;
}

std::uint32_t key_of(float c) { return std::bit_cast<std::uint32_t>(c + 0.0F); }
float float_of(std::uint32_t key) { return std::bit_cast<float>(key); }

std::vector<std::uint32_t> first_keys(const BinFinder& finder) {
  std::vector<std::uint32_t> keys;
  std::uint32_t from = 0;
  for (std::int64_t bin = 0; bin <= finder.n_bins(); ++bin) {
    std::uint32_t low = from;
    std::uint32_t high = kKeyOfOne + 1;  // the answer lies in [low, high]
    while (low < high) {
      const std::uint32_t middle = low + (high - low) / 2;
      if (finder.position_of(float_of(middle)) >= bin) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    keys.push_back(low);
    from = low;
  }
  return keys;
}

}  // namespace calsweep::analysis
