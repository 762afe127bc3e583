#include "analysis/calibrators/affine_scaling.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "analysis/calibrators/affine_objective.hpp"
#include "analysis/calibrators/calibrated_outputs.hpp"
#include "analysis/calibrators/temperature.hpp"

namespace calsweep::analysis {
namespace {

/// Enough bits of beta for a start.
constexpr int kStartBits = 3;

/// What an affine calibrator is, but for its weights.
struct AffineKind {
  AffineMap map;
  bool of_log_p;  ///< of ln softmax(z), not of z
  AffinePenalty penalty;
};

LogitRows::Block features_of(const AffineKind& kind, const LogitRows::Block& z) {
  return kind.of_log_p ? log_softmax(z) : z;
}

class AffineCalibrator : public FittedCalibrator {
 public:
  AffineCalibrator(AffineKind kind, Eigen::VectorXd x) : kind_(kind), x_(std::move(x)) {}
  CalibratedOutputs calibrate(const LogitRows& rows) const override {
    CalibratedOutputs outputs;
    outputs.n_classes = rows.n_classes();
    for (const auto& z : rows.blocks()) {
      append_probabilities(outputs, softmax(affine_scores(kind_.map, x_, features_of(kind_, z))));
    }
    return outputs;
  }

 private:
  AffineKind kind_;
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

/// The NLL falls for ever along a weight of class c itself, if c is no label and its feature has
/// one sign.
bool has_one_sign(const LogitRows& features, Eigen::Index c) {
  bool positive = false, negative = false;
  for (const auto& block : features.blocks()) {
    positive = positive || (block.col(c) > 0.0).any();
    negative = negative || (block.col(c) < 0.0).any();
  }
  return positive != negative;
}

std::string why_no_minimiser(const AffineKind& kind, const LogitRows& features,
                             std::span<const std::int32_t> labels) {
  const std::int64_t absent = first_absent_class(labels, features.n_classes());
  if (absent < 0) return "";
  if (kind.penalty.bias == 0.0) {
    return fmt::format("class {} has no validation row: the NLL falls for ever as its bias falls",
                       absent);
  }
  if (!has_one_sign(features, absent)) return "";
  return fmt::format(
      "class {} has no validation row: the NLL falls for ever as its diagonal weight, which is not "
      "penalised, takes it away",
      absent);
}

CalibratorFit fit_features(const AffineKind& kind, const LogitRows& features,
                           std::span<const std::int32_t> labels) {
  if (const auto why = why_no_minimiser(kind, features, labels); !why.empty()) {
    return CalibratorFit::none(why);
  }
  const AffineObjective objective(kind.map, features, labels, kind.penalty);
  // The diagonal is never penalised, so a scaled start is never worse than no change.
  const TemperatureOptimum temperature = find_temperature(features, labels, kStartBits);
  const double beta = temperature.reason.empty() ? temperature.beta : 1.0;
  const ConvexMinimum minimum = minimise_convex(
      [&](const Eigen::VectorXd& x, Eigen::VectorXd& g, bool& u) {
        return objective.value(x, g, u);
      },
      [&](const Eigen::VectorXd& x) { return objective.coordinates(x); }, objective.start(beta),
      kind.map == AffineMap::Vector ? kExactHessianRound : kApproximateHessianRound);
  if (minimum.unbounded) {
    return CalibratorFit::none(
        "the map separates the validation rows: the NLL falls to 0 as its weights grow for ever");
  }
  const Eigen::VectorXd x = objective.gauge_fixed(minimum.x);
  const double k = static_cast<double>(features.n_classes());
  auto calibrator = std::make_unique<AffineCalibrator>(kind, x);
  calibrator->parameters = {
      {"nll_before", Measured::of(temperature.nll_before)},
      {"nll_after", Measured::of(objective.nll(x))},
      {"gradient_norm", Measured::of(minimum.gradient_norm)},
      {"newton_decrement", Measured::of(minimum.decrement)},
      {"evaluations",
       Measured::of(static_cast<double>(minimum.evaluations + temperature.evaluations))},
      {"converged", Measured::of(minimum.converged ? 1.0 : 0.0)},
      {"off_diagonal_penalty", Measured::of(kind.penalty.weight * k * (k - 1.0))},
      {"bias_penalty", Measured::of(kind.penalty.bias * k)}};
  calibrator->weights = named_weights(kind.map, x, features.n_classes());
  return {std::move(calibrator), ""};
}

/// Penalties as in the options, where those are set.
AffinePenalty penalty_of(AffineMap map, const LogitRows& rows, const CalibratorOptions& options,
                         AffinePenalty otherwise) {
  const double k = static_cast<double>(rows.n_classes());
  if (options.off_diagonal_penalty)
    otherwise.weight = *options.off_diagonal_penalty / k / (k - 1.0);
  if (options.bias_penalty) otherwise.bias = *options.bias_penalty / k;
  if (map == AffineMap::Vector) otherwise.weight = 0.0;
  return otherwise;
}

CalibratorFit fit_full(bool of_log_p, const LogitRows& rows, std::span<const std::int32_t> labels,
                       AffinePenalty penalty) {
  if (rows.n_classes() > kMatrixClassLimit) {
    return CalibratorFit::none(fmt::format(
        "a matrix for {} classes would have {} weights; it is offered up to {} classes",
        rows.n_classes(), rows.n_classes() * (rows.n_classes() + 1), kMatrixClassLimit));
  }
  const AffineKind kind{AffineMap::Matrix, of_log_p, penalty};
  if (!of_log_p) return fit_features(kind, rows, labels);
  LogitRows features = rows;
  for (auto& block : features.blocks()) block = log_softmax(block);
  return fit_features(kind, features, labels);
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
  const AffinePenalty penalty = penalty_of(AffineMap::Vector, rows, options, {});
  return fit_features({AffineMap::Vector, false, penalty}, rows, labels);
}

CalibratorFit fit_matrix(const LogitRows& rows, std::span<const std::int32_t> labels,
                         const CalibratorOptions& options) {
  return fit_full(false, rows, labels, penalty_of(AffineMap::Matrix, rows, options, {}));
}

CalibratorFit fit_matrix_odir(const LogitRows& rows, std::span<const std::int32_t> labels,
                              const CalibratorOptions& options) {
  return fit_full(false, rows, labels,
                  penalty_of(AffineMap::Matrix, rows, options, {kOdirWeight, kOdirBias}));
}

CalibratorFit fit_dirichlet(const LogitRows& rows, std::span<const std::int32_t> labels,
                            const CalibratorOptions& options) {
  return fit_full(true, rows, labels,
                  penalty_of(AffineMap::Matrix, rows, options, {kOdirWeight, kOdirBias}));
}

}  // namespace calsweep::analysis
