#include "analysis/metrics/smooth_ece.hpp"

#include <Eigen/Core>
#include <algorithm>
#include <boost/math/tools/toms748_solve.hpp>
#include <cmath>
#include <cstdint>
#include <numbers>

#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

constexpr double kNodesPerWidth = 16.0;
constexpr double kSmallestWidth = 1.0 / 4096.0;
constexpr double kReach = 6.0;  // widths; the Gaussian beyond holds 2e-9 of its mass

double residual_of(const ConfidenceGroup& group) {
  return group.confidence * static_cast<double>(group.count) - static_cast<double>(group.correct);
}

/// Residuals over n on the nodes k / n_cells of [0, 1]. Four-point Lagrange weights keep the first
/// three moments, so that the smoothed curve is wrong in fourth order of the step only. Nodes
/// beyond the ends are their mirror images.
Eigen::ArrayXd residual_grid(const ConfidenceProfile& profile, std::int64_t n_cells) {
  Eigen::ArrayXd grid = Eigen::ArrayXd::Zero(n_cells + 1);
  const auto mirrored = [n_cells](std::int64_t k) {
    return k < 0 ? -k : k > n_cells ? 2 * n_cells - k : k;
  };
  for (const auto& group : profile.groups()) {
    const double x = group.confidence * static_cast<double>(n_cells);
    const auto cell = std::min(static_cast<std::int64_t>(x), n_cells - 1);
    const double u = x - static_cast<double>(cell);
    const double residual = residual_of(group) / static_cast<double>(profile.n_rows());
    grid[mirrored(cell - 1)] += residual * -u * (u - 1.0) * (u - 2.0) / 6.0;
    grid[cell] += residual * (u + 1.0) * (u - 1.0) * (u - 2.0) / 2.0;
    grid[cell + 1] += residual * -(u + 1.0) * u * (u - 2.0) / 2.0;
    grid[mirrored(cell + 2)] += residual * (u + 1.0) * u * (u - 1.0) / 6.0;
  }
  return grid;
}

/// The grid continued by `reach` nodes on both sides by mirror images, as often as it takes. A mass
/// on a boundary node is its own mirror image and counts twice.
Eigen::ArrayXd reflected(const Eigen::ArrayXd& grid, std::int64_t reach) {
  const auto n_cells = static_cast<std::int64_t>(grid.size()) - 1;
  Eigen::ArrayXd extended(grid.size() + 2 * reach);
  for (std::int64_t k = -reach; k <= n_cells + reach; ++k) {
    auto at = std::abs(k) % (2 * n_cells);
    if (at > n_cells) at = 2 * n_cells - at;
    extended[k + reach] = grid[at] * (at == 0 || at == n_cells ? 2.0 : 1.0);
  }
  return extended;
}

/// Of a smooth curve given on nodes, in steps. Trapezoids, and where the curve changes sign the two
/// triangles instead, plus the Euler-Maclaurin term of the kink: wrong in third order of the step.
double integral_of_absolute(const Eigen::ArrayXd& curve) {
  double sum = 0.0;
  for (std::int64_t k = 0; k + 1 < static_cast<std::int64_t>(curve.size()); ++k) {
    const double a = curve[k], b = curve[k + 1];
    const double height = std::abs(a) + std::abs(b);
    sum += a * b >= 0.0 ? height / 2.0 : (a * a + b * b) / (2.0 * height) + height / 6.0;
  }
  return sum;
}

/// smECE_s of a grid: discrete convolution, then the integral. The kernel is normalised on the
/// grid.
double smoothed_error(const Eigen::ArrayXd& grid, double width) {
  const auto n_nodes = static_cast<std::int64_t>(grid.size());
  const double step = 1.0 / static_cast<double>(n_nodes - 1);
  const auto reach = static_cast<std::int64_t>(std::ceil(kReach * width / step));
  const Eigen::ArrayXd offsets =
      Eigen::ArrayXd::LinSpaced(reach + 1, 0.0, static_cast<double>(reach) * step / width);
  Eigen::ArrayXd kernel = (-0.5 * offsets.square()).exp();
  kernel /= 2.0 * kernel.sum() - kernel[0];
  const auto extended = reflected(grid, reach);
  Eigen::ArrayXd curve = kernel[0] * extended.segment(reach, n_nodes);
  for (std::int64_t d = 1; d <= reach; ++d) {
    curve +=
        kernel[d] * (extended.segment(reach - d, n_nodes) + extended.segment(reach + d, n_nodes));
  }
  return integral_of_absolute(curve);
}

std::int64_t cells_for(double width) {
  std::int64_t n_cells = 64;
  while (static_cast<double>(n_cells) * width < kNodesPerWidth) n_cells *= 2;
  return n_cells;
}

/// Root of s - smECE_s, which grows with s, inside [low, high]; `low` if it lies below.
double fixed_point(const Eigen::ArrayXd& grid, double low, double high) {
  const auto excess = [&](double width) { return width - smoothed_error(grid, width); };
  const double at_low = excess(low);
  if (at_low >= 0.0) return low;
  const double at_high = excess(high);
  if (at_high <= 0.0) return high;
  std::uintmax_t n_steps = 60;
  const auto root = boost::math::tools::toms748_solve(
      excess, low, high, at_low, at_high,
      [](double x, double y) { return std::abs(y - x) < 1e-8 * std::abs(y); }, n_steps);
  return (root.first + root.second) / 2.0;
}

}  // namespace

SmoothError smooth_ece(const ConfidenceProfile& profile) {
  if (profile.empty()) return {Measured::none("the set is empty"), 0.0};
  double width = 1.0;
  Eigen::ArrayXd grid;
  for (std::int64_t n_cells = 64; n_cells <= cells_for(kSmallestWidth); n_cells *= 2) {
    // Each grid serves widths down to 16 of its steps; a finer one starts where it left off.
    const double finest = std::max(kNodesPerWidth / static_cast<double>(n_cells), kSmallestWidth);
    grid = residual_grid(profile, n_cells);
    width = fixed_point(grid, finest, n_cells == 64 ? 1.0 : 2.0 * finest);
    if (width > finest) break;
  }
  const double error = smoothed_error(grid, width);
  return {Measured::of(error), error > 0.0 ? width : 0.0};
}

Measured smooth_ece_at(const ConfidenceProfile& profile, double width) {
  if (!(width > 0.0 && width <= 1.0)) throw UsageError("a smoothing width must lie in (0, 1]");
  if (profile.empty()) return Measured::none("the set is empty");
  return Measured::of(smoothed_error(residual_grid(profile, cells_for(width)), width));
}

namespace {

/// One value of each kind per node: residuals, rows.
struct RelplotGrid {
  Eigen::ArrayXd residual, rows;
};

/// Linear weights on `n_nodes` nodes.
RelplotGrid relplot_grid(const ConfidenceProfile& profile, std::int64_t n_nodes) {
  RelplotGrid grid{Eigen::ArrayXd::Zero(n_nodes), Eigen::ArrayXd::Zero(n_nodes)};
  for (const auto& group : profile.groups()) {
    const double x = group.confidence * static_cast<double>(n_nodes - 1);
    const auto cell = std::min(static_cast<std::int64_t>(x), n_nodes - 2);
    const double u = x - static_cast<double>(cell);
    grid.residual[cell] += (1.0 - u) * residual_of(group);
    grid.residual[cell + 1] += u * residual_of(group);
    grid.rows[cell] += (1.0 - u) * static_cast<double>(group.count);
    grid.rows[cell + 1] += u * static_cast<double>(group.count);
  }
  return grid;
}

/// The grid with one mirror image on each side that leaves the boundary node out.
Eigen::VectorXd relplot_extended(const Eigen::ArrayXd& grid, std::int64_t reach) {
  const auto n = static_cast<std::int64_t>(grid.size());
  const auto mirrored = [n](std::int64_t k) { return k < 0 ? -k : k >= n ? 2 * (n - 1) - k : k; };
  Eigen::VectorXd extended(n + 2 * reach);
  for (std::int64_t k = -reach; k < n + reach; ++k) extended[k + reach] = grid[mirrored(k)];
  return extended;
}

/// Sum of |smoothed residuals| over sum of smoothed rows, both read off at the mesh points.
double relplot_error(const RelplotGrid& grid, double width) {
  const auto n = static_cast<std::int64_t>(grid.rows.size());
  const double step = 1.0 / static_cast<double>(n - 1);
  const double centre = n % 2 == 0 ? 0.5 : 0.0;  // an even kernel is centred between two nodes
  const auto reach = std::min((n - 1) / 2, static_cast<std::int64_t>(6.5 * width / step) + 1);
  const Eigen::ArrayXd offset =
      (Eigen::ArrayXd::LinSpaced(2 * reach + 1, -static_cast<double>(reach),
                                 static_cast<double>(reach)) +
       centre) *
      (step / width);
  const Eigen::VectorXd kernel =  // reversed: from the most distant node after to that before
      ((-0.5 * offset.square()).exp() / (std::sqrt(2.0 * std::numbers::pi) * width)).reverse();
  const auto residual = relplot_extended(grid.residual, reach);
  const auto rows = relplot_extended(grid.rows, reach);
  const auto smoothed = [&](const Eigen::VectorXd& extended, std::int64_t node) {
    return extended.segment(node, kernel.size()).dot(kernel);
  };
  const auto n_mesh = std::max<std::int64_t>(200, std::llrint(10.0 / width));
  double error = 0.0, density = 0.0;
  for (std::int64_t m = 0; m < n_mesh; ++m) {
    const double x =
        static_cast<double>(m) / static_cast<double>(n_mesh - 1) * static_cast<double>(n - 1);
    const auto cell = std::min(static_cast<std::int64_t>(x), n - 2);
    const double u = x - static_cast<double>(cell);
    error += std::abs((1.0 - u) * smoothed(residual, cell) + u * smoothed(residual, cell + 1));
    density += (1.0 - u) * smoothed(rows, cell) + u * smoothed(rows, cell + 1) + 1e-4;
  }
  return error / density;
}

}  // namespace

SmoothError relplot_smooth_ece(const ConfidenceProfile& profile) {
  if (profile.empty()) return {Measured::none("the set is empty"), 0.0};
  std::int64_t n_nodes = 0;
  RelplotGrid grid;
  const auto error_at = [&](double width) {
    const auto wanted = std::max<std::int64_t>(2000, std::llrint(20.0 / width)) / 2 + 1;
    if (wanted != n_nodes) grid = relplot_grid(profile, wanted);
    n_nodes = wanted;
    return relplot_error(grid, width);
  };
  double width = 1.0;
  double low = 0.0;
  if (!(width < error_at(width))) {
    for (int step = 0; step < 10; ++step) {
      const double middle = (low + width) / 2.0;
      (middle < 0.001 || middle < error_at(middle) ? low : width) = middle;
    }
  }
  return {Measured::of(error_at(width)), width};
}

}  // namespace calsweep::analysis
