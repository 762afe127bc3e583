// Part of cut_functional.hpp: errors on equal cells of [0, 1].
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <utility>

#include "analysis/metrics/kernel_calibration_error.hpp"
#include "analysis/uncertainty/cut_functional.hpp"

namespace calsweep::analysis {
namespace {

constexpr std::int64_t kCells = 1024;
constexpr double kSmallestWidth = 1.0 / kCells;
constexpr double kNodesPerWidth = 3.0;  // of the grid that a width is evaluated on
constexpr double kReach = 4.0;          // widths; the Gaussian beyond holds 6e-5 of its mass
constexpr double kTolerance = 1e-3;

/// Cuts at the edges of equal cells that hold rows, and the cell below each of them.
struct Cells {
  std::vector<std::size_t> cuts;   // the first is 0
  std::vector<std::int64_t> cell;  // [cuts.size() - 1]
};

Cells equal_cells(const ConfidenceProfile& profile) {
  Cells made{{0}, {}};
  for (std::size_t g = 0; g < profile.size(); ++g) {
    const auto cell = std::min(
        static_cast<std::int64_t>(profile.groups()[g].confidence * static_cast<double>(kCells)),
        kCells - 1);
    if (made.cell.empty() || made.cell.back() != cell) {
      made.cell.push_back(cell);
      made.cuts.push_back(g);
    }
    made.cuts.back() = g + 1;
  }
  return made;
}

/// Residuals over n per node, halved again and again: level l has kCells >> l nodes.
class Pyramid {
 public:
  Pyramid(std::span<const CutSums> sums, const std::vector<std::int64_t>& cell) {
    levels_.emplace_back(Eigen::ArrayXd::Zero(kCells));
    for (std::size_t c = 0; c < cell.size(); ++c) {
      levels_[0][cell[c]] = ((sums[c + 1].confidence - sums[c].confidence) -
                             (sums[c + 1].correct - sums[c].correct)) /
                            sums.back().rows;
    }
    while (levels_.back().size() > 8) {
      const auto& fine = levels_.back();
      const Eigen::Map<const Eigen::Array<double, 2, Eigen::Dynamic>> pairs(fine.data(), 2,
                                                                            fine.size() / 2);
      levels_.push_back(pairs.colwise().sum().transpose());
    }
  }

  /// smECE at a width in [kSmallestWidth, 1], on the coarsest level that is fine enough. Mirror
  /// images at both ends.
  double error(double width) const {
    std::size_t level = 0;
    while (level + 1 < levels_.size() &&
           width * static_cast<double>(levels_[level + 1].size()) >= kNodesPerWidth) {
      ++level;
    }
    const auto& grid = levels_[level];
    const auto n = static_cast<std::int64_t>(grid.size());
    const double step = 1.0 / static_cast<double>(n);
    const auto reach = static_cast<std::int64_t>(std::ceil(kReach * width / step));
    Eigen::ArrayXd extended(n + 2 * reach);
    extended.segment(reach, n) = grid;
    for (std::int64_t d = 0; d < reach; ++d) {
      extended[reach - 1 - d] = mirrored(grid, -1 - d);
      extended[reach + n + d] = mirrored(grid, n + d);
    }
    double mass = 1.0;
    Eigen::ArrayXd curve = grid;
    for (std::int64_t d = 1; d <= reach; ++d) {
      const double z = static_cast<double>(d) * step / width;
      const double weight = std::exp(-0.5 * z * z);
      mass += 2.0 * weight;
      curve += weight * (extended.segment(reach - d, n) + extended.segment(reach + d, n));
    }
    return curve.abs().sum() / mass;
  }

 private:
  static double mirrored(const Eigen::ArrayXd& grid, std::int64_t k) {
    const auto n = static_cast<std::int64_t>(grid.size());
    k = ((k % (2 * n)) + 2 * n) % (2 * n);
    return grid[k < n ? k : 2 * n - 1 - k];
  }

  std::vector<Eigen::ArrayXd> levels_;
};

/// Root of error(s) = s in logarithms: regula falsi between brackets (Illinois), from a guess.
double fixed_point(const Pyramid& pyramid, double guess) {
  const auto excess = [&](double log_width) {
    return std::log(std::max(pyramid.error(std::exp(log_width)), 1e-300)) - log_width;
  };
  const double lowest = std::log(kSmallestWidth);
  double at = std::clamp(std::log(guess), lowest, 0.0);
  double value = excess(at);
  // error falls with the width: the root lies between a width and its error.
  double other = std::clamp(at + value, lowest, 0.0);
  if (std::abs(other - at) < kTolerance) return pyramid.error(std::exp(other));
  double other_value = excess(other);
  for (int step = 0; step < 30 && std::abs(other_value) >= kTolerance; ++step) {
    if (value * other_value > 0.0) break;  // the root lies beyond an end of the range
    const double next = other - other_value * (other - at) / (other_value - value);
    const double next_value = excess(next);
    if (next_value * other_value < 0.0) {
      at = other;
      value = other_value;
    } else {
      value /= 2.0;
    }
    other = next;
    other_value = next_value;
  }
  return pyramid.error(std::exp(other));
}

}  // namespace

CutFunctional smooth_cuts(std::string name, const ConfidenceProfile& profile) {
  auto cells = equal_cells(profile);
  // Where the error of a calibrated model lies, to a factor of two or so.
  const double guess =
      0.3 / std::cbrt(static_cast<double>(std::max<std::int64_t>(profile.n_rows(), 1)));
  return {std::move(name), std::move(cells.cuts),
          [cell = std::move(cells.cell), guess](std::span<const CutSums> sums) {
            return fixed_point(Pyramid(sums, cell), guess);
          }};
}

CutFunctional kernel_cuts(std::string name, const ConfidenceProfile& profile) {
  auto cells = equal_cells(profile);
  std::vector<double> growth;
  for (const auto cell : cells.cell) {
    growth.push_back(std::exp((static_cast<double>(cell) + 0.5) / kCells / kMmceWidth));
  }
  return {std::move(name), std::move(cells.cuts),
          [growth = std::move(growth)](std::span<const CutSums> sums) {
            double before = 0.0, pairs = 0.0;
            for (std::size_t c = 0; c < growth.size(); ++c) {
              const double residual = (sums[c + 1].confidence - sums[c].confidence) -
                                      (sums[c + 1].correct - sums[c].correct);
              pairs += residual * (residual + 2.0 * before / growth[c]);
              before += residual * growth[c];
            }
            return std::sqrt(std::max(pairs, 0.0)) / sums.back().rows;
          }};
}

}  // namespace calsweep::analysis
