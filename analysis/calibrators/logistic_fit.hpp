// Logistic regression with targets in [0, 1], for the binary calibrators (Platt, beta).
#pragma once

#include <Eigen/Core>
#include <cstdint>

namespace calsweep::analysis {

struct LogisticFit {
  Eigen::VectorXd coefficients;  ///< [d + 1], the intercept last
  double cross_entropy = 0.0;    ///< mean, nats
  double gradient_norm = 0.0;
  std::int64_t evaluations = 0;
  bool converged = false;
};

/// Minimises the mean cross-entropy of sigma(x . a + b) against `targets`, from `start` [d + 1] and
/// never worse than it. features: [n, d], n >= 1. Whether a minimiser exists is the caller's care.
LogisticFit fit_logistic(const Eigen::MatrixXd& features, const Eigen::ArrayXd& targets,
                         const Eigen::VectorXd& start);

/// 1 / (1 + exp(-t)), without overflow.
double sigmoid(double t);

}  // namespace calsweep::analysis
