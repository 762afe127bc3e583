#include "analysis/calibrators/platt.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/calibrators/affine_scaling.hpp"
#include "analysis/calibrators/calibrated_outputs.hpp"
#include "analysis/calibrators/logistic_fit.hpp"

namespace calsweep::analysis {
namespace {

class PlattCalibrator : public FittedCalibrator {
 public:
  PlattCalibrator(double a, double b) : a_(a), b_(b) {}
  CalibratedOutputs calibrate(const LogitRows& rows) const override {
    CalibratedOutputs outputs;
    outputs.n_classes = 2;
    for (const auto& z : rows.blocks()) {
      LogitRows::Block scores = LogitRows::Block::Zero(z.rows(), 2);
      scores.col(1) = a_ * (z.col(1) - z.col(0)) + b_;
      append_probabilities(outputs, softmax(scores));
    }
    return outputs;
  }

 private:
  double a_, b_;
};

}  // namespace

CalibratorFit fit_platt(const LogitRows& rows, std::span<const std::int32_t> labels) {
  if (rows.n_classes() != 2) {
    return CalibratorFit::none(
        fmt::format("Platt scaling is for 2 classes; there are {}", rows.n_classes()));
  }
  if (const auto absent = first_absent_class(labels, 2); absent >= 0) {
    return CalibratorFit::none(fmt::format("class {} has no validation row", absent));
  }
  const auto n = static_cast<Eigen::Index>(labels.size());
  const auto n_ones = static_cast<double>(std::count(labels.begin(), labels.end(), 1));
  const double n_zeros = static_cast<double>(n) - n_ones;
  Eigen::MatrixXd score(n, 1);
  Eigen::ArrayXd targets(n);
  for (Eigen::Index i = 0; i < n; ++i) {
    score(i, 0) = rows.at(i, 1) - rows.at(i, 0);
    const bool one = labels[static_cast<std::size_t>(i)] == 1;
    targets(i) = one ? (n_ones + 1.0) / (n_ones + 2.0) : 1.0 / (n_zeros + 2.0);
  }
  if (score.minCoeff() == score.maxCoeff()) {
    return CalibratorFit::none("all logit differences are equal: slope and intercept are one");
  }
  const LogisticFit fit = fit_logistic(score, targets, Eigen::Vector2d(1.0, 0.0));
  auto calibrator = std::make_unique<PlattCalibrator>(fit.coefficients(0), fit.coefficients(1));
  calibrator->parameters = {{"a", Measured::of(fit.coefficients(0))},
                            {"b", Measured::of(fit.coefficients(1))},
                            {"smoothed_cross_entropy", Measured::of(fit.cross_entropy)},
                            {"nll_before", mean_nll(rows, labels)},
                            {"nll_after", mean_nll(calibrator->calibrate(rows), labels)},
                            {"gradient_norm", Measured::of(fit.gradient_norm)},
                            {"evaluations", Measured::of(static_cast<double>(fit.evaluations))},
                            {"converged", Measured::of(fit.converged ? 1.0 : 0.0)}};
  return {std::move(calibrator), ""};
}

}  // namespace calsweep::analysis
