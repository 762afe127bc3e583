#include "analysis/calibrators/affine_scaling.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/calibrators/affine_objective.hpp"
#include "analysis/calibrators/calibrated_outputs.hpp"
#include "analysis/calibrators/temperature.hpp"

namespace calsweep::analysis {
namespace {

/// Enough bits of beta for a start.
constexpr int kStartBits = 3;

class AffineCalibrator : public FittedCalibrator {
 public:
  AffineCalibrator(AffineMap map, Eigen::VectorXd x) : map_(map), x_(std::move(x)) {}
  CalibratedOutputs calibrate(const LogitRows& rows) const override {
    CalibratedOutputs outputs;
    outputs.n_classes = rows.n_classes();
    for (const auto& z : rows.blocks()) {
      append_probabilities(outputs, softmax(affine_scores(map_, x_, z)));
    }
    return outputs;
  }

 private:
  AffineMap map_;
  Eigen::VectorXd x_;
};

std::vector<CalibratorParameter> named_weights(AffineMap map, const Eigen::VectorXd& x,
                                               Eigen::Index k) {
  std::vector<CalibratorParameter> named;
  for (Eigen::Index c = 0; c < k; ++c) {
    if (map == AffineMap::Vector) named.push_back({fmt::format("w[{}]", c), Measured::of(x(c))});
    for (Eigen::Index j = 0; map == AffineMap::Matrix && j < k; ++j) {
      named.push_back({fmt::format("W[{},{}]", c, j), Measured::of(x(j * k + c))});
    }
  }
  for (Eigen::Index c = 0; c < k; ++c) {
    named.push_back({fmt::format("b[{}]", c), Measured::of(x(x.size() - k + c))});
  }
  return named;
}

CalibratorFit fit_affine(AffineMap map, const LogitRows& rows, std::span<const std::int32_t> labels,
                         const CalibratorOptions& options) {
  const std::int64_t absent = first_absent_class(labels, rows.n_classes());
  if (absent >= 0 && options.bias_penalty == 0.0) {
    return CalibratorFit::none(fmt::format(
        "class {} has no validation row: the NLL falls for ever as its bias falls", absent));
  }
  const AffineObjective objective(map, rows, labels, options);
  const TemperatureOptimum temperature = find_temperature(rows, labels, kStartBits);
  // Penalties could make a scaled start worse than no change at all: then start from that.
  const bool penalised = options.off_diagonal_penalty > 0.0 || options.bias_penalty > 0.0;
  const double beta = temperature.reason.empty() && !penalised ? temperature.beta : 1.0;
  const ConvexMinimum minimum = minimise_convex(
      [&](const Eigen::VectorXd& x, Eigen::VectorXd& g, bool& u) {
        return objective.value(x, g, u);
      },
      [&](const Eigen::VectorXd& x) { return objective.coordinates(x); }, objective.start(beta),
      map == AffineMap::Vector ? kExactHessianRound : kApproximateHessianRound);
  if (minimum.unbounded) {
    return CalibratorFit::none(
        "the map separates the validation rows: the NLL falls to 0 as its weights grow for ever");
  }
  const Eigen::VectorXd x = objective.gauge_fixed(minimum.x);
  auto calibrator = std::make_unique<AffineCalibrator>(map, x);
  calibrator->parameters = {
      {"nll_before", Measured::of(temperature.nll_before)},
      {"nll_after", Measured::of(objective.nll(x))},
      {"gradient_norm", Measured::of(minimum.gradient_norm)},
      {"newton_decrement", Measured::of(minimum.decrement)},
      {"evaluations",
       Measured::of(static_cast<double>(minimum.evaluations + temperature.evaluations))},
      {"converged", Measured::of(minimum.converged ? 1.0 : 0.0)},
      {"off_diagonal_penalty", Measured::of(options.off_diagonal_penalty)},
      {"bias_penalty", Measured::of(options.bias_penalty)}};
  calibrator->weights = named_weights(map, x, rows.n_classes());
  return {std::move(calibrator), ""};
}

}  // namespace

std::int64_t first_absent_class(std::span<const std::int32_t> labels, std::int64_t n_classes) {
  std::vector<bool> present(static_cast<std::size_t>(n_classes), false);
  for (const std::int32_t label : labels) present[static_cast<std::size_t>(label)] = true;
  const auto absent = std::find(present.begin(), present.end(), false);
  return absent == present.end() ? -1 : static_cast<std::int64_t>(absent - present.begin());
}

CalibratorFit fit_vector(const LogitRows& rows, std::span<const std::int32_t> labels,
                         const CalibratorOptions& options) {
  return fit_affine(AffineMap::Vector, rows, labels, options);
}

CalibratorFit fit_matrix(const LogitRows& rows, std::span<const std::int32_t> labels,
                         const CalibratorOptions& options) {
  if (rows.n_classes() > kMatrixClassLimit) {
    return CalibratorFit::none(fmt::format(
        "matrix scaling of {} classes would have {} weights; it is offered up to {} "
        "classes",
        rows.n_classes(), rows.n_classes() * (rows.n_classes() + 1), kMatrixClassLimit));
  }
  return fit_affine(AffineMap::Matrix, rows, labels, options);
}

}  // namespace calsweep::analysis
