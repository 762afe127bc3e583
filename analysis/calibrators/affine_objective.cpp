#include "analysis/calibrators/affine_objective.hpp"

#include <cmath>

namespace calsweep::analysis {
namespace {

using Block = LogitRows::Block;

struct PassResult {
  double sum_nll = 0.0;
  bool all_above_half = true;
};

/// Turns scores into softmax minus one-hot, in place; adds the rows' NLL.
void residuals(Block& scores, std::span<const std::int32_t> labels, std::size_t first,
               PassResult& result) {
  const Eigen::Index k = scores.cols();
  Eigen::ArrayXd largest = scores.col(0);
  for (Eigen::Index c = 1; c < k; ++c) largest = largest.max(scores.col(c));
  Eigen::ArrayXd at_label(scores.rows());
  for (Eigen::Index i = 0; i < scores.rows(); ++i) {
    at_label(i) = scores(i, labels[first + static_cast<std::size_t>(i)]) - largest(i);
  }
  scores = exponential(scores.colwise() - largest);
  const Eigen::ArrayXd sum = row_sums(scores);
  result.sum_nll += (sum.log() - at_label).sum();
  scores.colwise() *= sum.inverse();
  for (Eigen::Index i = 0; i < scores.rows(); ++i) {
    double& p = scores(i, labels[first + static_cast<std::size_t>(i)]);
    result.all_above_half = result.all_above_half && p > 0.5;
    p -= 1.0;
  }
}

}  // namespace

AffineObjective::AffineObjective(AffineMap map, const LogitRows& rows,
                                 std::span<const std::int32_t> labels,
                                 const CalibratorOptions& options)
    : map_(map), rows_(rows), labels_(labels), k_(rows.n_classes()) {
  const double k = static_cast<double>(k_);
  off_diagonal_ = map == AffineMap::Matrix ? options.off_diagonal_penalty / (k * (k - 1.0)) : 0.0;
  bias_ = options.bias_penalty / k;
}

Eigen::Index AffineObjective::n_parameters() const {
  return map_ == AffineMap::Vector ? 2 * k_ : k_ * (k_ + 1);
}

Eigen::VectorXd AffineObjective::start(double beta) const {
  Eigen::VectorXd x = Eigen::VectorXd::Zero(n_parameters());
  for (Eigen::Index c = 0; c < k_; ++c) x(map_ == AffineMap::Vector ? c : c * k_ + c) = beta;
  return x;
}

Block affine_scores(AffineMap map, const Eigen::VectorXd& x, const Block& z) {
  const Eigen::Index k = z.cols();
  Block scores(z.rows(), k);
  if (map == AffineMap::Vector) {
    for (Eigen::Index c = 0; c < k; ++c) scores.col(c) = z.col(c) * x(c) + x(k + c);
    return scores;
  }
  for (Eigen::Index c = 0; c < k; ++c) {
    scores.col(c) = x(k * k + c);
    for (Eigen::Index j = 0; j < k; ++j) scores.col(c) += x(j * k + c) * z.col(j);
  }
  return scores;
}

double AffineObjective::value(const Eigen::VectorXd& x, Eigen::VectorXd& gradient,
                              bool& unbounded) const {
  gradient.setZero();
  PassResult pass;
  std::size_t first = 0;
  for (const auto& z : rows_.blocks()) {
    Block d = affine_scores(map_, x, z);
    residuals(d, labels_, first, pass);
    first += static_cast<std::size_t>(z.rows());
    gradient.tail(k_) += d.colwise().sum().matrix().transpose();
    if (map_ == AffineMap::Vector) {
      gradient.head(k_) += (d * z).colwise().sum().matrix().transpose();
    } else {
      Eigen::Map<Eigen::MatrixXd>(gradient.data(), k_, k_).noalias() +=
          d.matrix().transpose() * z.matrix();
    }
  }
  const double n = static_cast<double>(rows_.n_rows());
  gradient /= n;
  unbounded = pass.all_above_half && off_diagonal_ == 0.0 && bias_ == 0.0;
  return pass.sum_nll / n + add_penalties(x, gradient);
}

double AffineObjective::add_penalties(const Eigen::VectorXd& x, Eigen::VectorXd& gradient) const {
  double penalty = bias_ * x.tail(k_).squaredNorm();
  gradient.tail(k_) += 2.0 * bias_ * x.tail(k_);
  if (off_diagonal_ == 0.0) return penalty;
  for (Eigen::Index i = 0; i < k_ * k_; ++i) {
    if (i % (k_ + 1) == 0) continue;
    penalty += off_diagonal_ * x(i) * x(i);
    gradient(i) += 2.0 * off_diagonal_ * x(i);
  }
  return penalty;
}

double AffineObjective::nll(const Eigen::VectorXd& x) const {
  PassResult pass;
  std::size_t first = 0;
  for (const auto& z : rows_.blocks()) {
    Block d = affine_scores(map_, x, z);
    residuals(d, labels_, first, pass);
    first += static_cast<std::size_t>(z.rows());
  }
  return pass.sum_nll / static_cast<double>(rows_.n_rows());
}

Coordinates AffineObjective::coordinates(const Eigen::VectorXd& x) const {
  return map_ == AffineMap::Vector ? vector_coordinates(x) : matrix_coordinates(x);
}

Coordinates AffineObjective::vector_coordinates(const Eigen::VectorXd& x) const {
  Eigen::MatrixXd gram = Eigen::MatrixXd::Zero(2 * k_, 2 * k_);
  Eigen::VectorXd diagonal_w = Eigen::VectorXd::Zero(k_), diagonal_b = diagonal_w;
  Eigen::VectorXd diagonal_wb = diagonal_w;
  for (const auto& z : rows_.blocks()) {
    const Block p = softmax(affine_scores(map_, x, z));
    Eigen::MatrixXd both(z.rows(), 2 * k_);
    both.leftCols(k_) = (p * z).matrix();
    both.rightCols(k_) = p.matrix();
    gram.noalias() += both.transpose() * both;
    diagonal_w += (p * z.square()).colwise().sum().matrix().transpose();
    diagonal_wb += (p * z).colwise().sum().matrix().transpose();
    diagonal_b += p.colwise().sum().matrix().transpose();
  }
  Eigen::MatrixXd hessian = -gram;
  hessian.topLeftCorner(k_, k_).diagonal() += diagonal_w;
  hessian.topRightCorner(k_, k_).diagonal() += diagonal_wb;
  hessian.bottomLeftCorner(k_, k_).diagonal() += diagonal_wb;
  hessian.bottomRightCorner(k_, k_).diagonal() += diagonal_b;
  hessian /= static_cast<double>(rows_.n_rows());
  hessian.bottomRightCorner(k_, k_).diagonal().array() += 2.0 * bias_;
  // Adding one number to all biases changes nothing: give that direction an ordinary scale.
  hessian.bottomRightCorner(k_, k_).array() += 1.0 / static_cast<double>(k_ * k_);
  return hessian_coordinates(std::move(hessian));
}

Coordinates AffineObjective::matrix_coordinates(const Eigen::VectorXd& x) const {
  Eigen::MatrixXd covariance = Eigen::MatrixXd::Zero(k_, k_);
  Eigen::VectorXd sum_p = Eigen::VectorXd::Zero(k_);
  Eigen::MatrixXd moments = Eigen::MatrixXd::Zero(k_ + 1, k_ + 1);
  Eigen::MatrixXd extended(0, 0);
  for (const auto& z : rows_.blocks()) {
    const Block p = softmax(affine_scores(map_, x, z));
    covariance.noalias() -= p.matrix().transpose() * p.matrix();
    sum_p += p.colwise().sum().matrix().transpose();
    // Rows that are surely right or wrong have no curvature: weigh by 1 - sum of squares.
    const Eigen::ArrayXd weight = (1.0 - row_sums(p.square())).max(1e-12).sqrt();
    extended.resize(z.rows(), k_ + 1);
    extended.leftCols(k_) = (z.colwise() * weight).matrix();
    extended.col(k_) = weight.matrix();
    moments.noalias() += extended.transpose() * extended;
  }
  covariance.diagonal() += sum_p;
  const double n = static_cast<double>(rows_.n_rows());
  const double trace = std::max(covariance.trace(), 1e-12 * n);
  moments /= trace;  // so that covariance x moments has the Hessian's trace
  covariance /= n;
  covariance.array() += trace / n / static_cast<double>(k_ * k_);
  const Eigen::MatrixXd left = ridged_cholesky(std::move(covariance));
  const Eigen::MatrixXd right = ridged_cholesky(std::move(moments));
  const Eigen::Index k = k_;
  // Parameters are the matrix [W b] (K x (K + 1)): the step is L^-T U R^-1, for H = (R R') x (L
  // L').
  return {[left, right, k](const Eigen::VectorXd& u) -> Eigen::VectorXd {
            Eigen::MatrixXd step = Eigen::Map<const Eigen::MatrixXd>(u.data(), k, k + 1);
            left.triangularView<Eigen::Lower>().transpose().solveInPlace(step);
            right.triangularView<Eigen::Lower>().solveInPlace<Eigen::OnTheRight>(step);
            return Eigen::Map<const Eigen::VectorXd>(step.data(), step.size());
          },
          [left, right, k](const Eigen::VectorXd& g) -> Eigen::VectorXd {
            Eigen::MatrixXd step = Eigen::Map<const Eigen::MatrixXd>(g.data(), k, k + 1);
            left.triangularView<Eigen::Lower>().solveInPlace(step);
            right.triangularView<Eigen::Lower>().transpose().solveInPlace<Eigen::OnTheRight>(step);
            return Eigen::Map<const Eigen::VectorXd>(step.data(), step.size());
          }};
}

Eigen::VectorXd AffineObjective::gauge_fixed(const Eigen::VectorXd& x) const {
  Eigen::VectorXd fixed = x;
  const double k = static_cast<double>(k_);
  if (bias_ == 0.0) fixed.tail(k_).array() -= x.tail(k_).mean();
  if (map_ == AffineMap::Matrix && off_diagonal_ == 0.0) {
    Eigen::Map<Eigen::MatrixXd> w(fixed.data(), k_, k_);
    const Eigen::RowVectorXd excess = (w.colwise().sum().array() - 1.0) / k;
    w.rowwise() -= excess;
  }
  return fixed;
}

}  // namespace calsweep::analysis
