#include "analysis/calibrators/logistic_fit.hpp"

#include <cmath>

#include "analysis/calibrators/convex_fit.hpp"

namespace calsweep::analysis {
namespace {

struct Logits {
  Eigen::ArrayXd t;      // x . a + b
  Eigen::ArrayXd small;  // exp(-|t|)
  Eigen::ArrayXd q() const {
    return (t >= 0.0).select((1.0 + small).inverse(), small / (1.0 + small));
  }
};

Logits logits_at(const Eigen::MatrixXd& features, const Eigen::VectorXd& x) {
  const Eigen::Index d = features.cols();
  Logits logits;
  logits.t = (features * x.head(d)).array() + x(d);
  logits.small = (-logits.t.abs()).exp();
  return logits;
}

double value(const Eigen::MatrixXd& features, const Eigen::ArrayXd& targets,
             const Eigen::VectorXd& x, Eigen::VectorXd& gradient) {
  const Logits logits = logits_at(features, x);
  const double n = static_cast<double>(targets.size());
  const Eigen::VectorXd residual = (logits.q() - targets).matrix();
  gradient.head(features.cols()) = features.transpose() * residual / n;
  gradient(features.cols()) = residual.sum() / n;
  // -target ln q - (1 - target) ln(1 - q) = max(t, 0) - target t + ln(1 + exp(-|t|))
  return (logits.t.max(0.0) - targets * logits.t + logits.small.log1p()).sum() / n;
}

Coordinates coordinates_at(const Eigen::MatrixXd& features, const Eigen::VectorXd& x) {
  const Eigen::Index d = features.cols();
  const Eigen::ArrayXd q = logits_at(features, x).q();
  const Eigen::ArrayXd root = (q * (1.0 - q)).sqrt();
  Eigen::MatrixXd weighted(features.rows(), d + 1);
  weighted.leftCols(d) = (features.array().colwise() * root).matrix();
  weighted.col(d) = root.matrix();
  return hessian_coordinates(weighted.transpose() * weighted /
                             static_cast<double>(features.rows()));
}

}  // namespace

LogisticFit fit_logistic(const Eigen::MatrixXd& features, const Eigen::ArrayXd& targets,
                         const Eigen::VectorXd& start) {
  const ConvexMinimum minimum =
      minimise_convex([&](const Eigen::VectorXd& x, Eigen::VectorXd& gradient,
                          bool&) { return value(features, targets, x, gradient); },
                      [&](const Eigen::VectorXd& x) { return coordinates_at(features, x); }, start,
                      kExactHessianRound);
  return {minimum.x, minimum.value, minimum.gradient_norm, minimum.evaluations, minimum.converged};
}

double sigmoid(double t) {
  const double small = std::exp(-std::abs(t));
  return t >= 0.0 ? 1.0 / (1.0 + small) : small / (1.0 + small);
}

}  // namespace calsweep::analysis
