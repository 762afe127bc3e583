#include "analysis/calibrators/affine_objective.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "analysis/calibrators/affine_products.hpp"
#include "analysis/metrics/vector_exp.hpp"

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
  for (Eigen::Index c = 0; c < k; ++c) scores.col(c) -= largest;
  exp_of_nonpositive(scores.data(), static_cast<std::size_t>(scores.size()));
  const Eigen::ArrayXd sum = row_sums(scores);
  result.sum_nll += (sum.log() - at_label).sum();
  const Eigen::ArrayXd scale = sum.inverse();
  for (Eigen::Index c = 0; c < k; ++c) scores.col(c) *= scale;
  for (Eigen::Index i = 0; i < scores.rows(); ++i) {
    double& p = scores(i, labels[first + static_cast<std::size_t>(i)]);
    result.all_above_half = result.all_above_half && p > 0.5;
    p -= 1.0;
  }
}

}  // namespace

AffineObjective::AffineObjective(AffineMap map, const LogitRows& rows,
                                 std::span<const std::int32_t> labels, AffinePenalty penalty)
    : map_(map), rows_(rows), labels_(labels), k_(rows.n_classes()), penalty_(penalty) {
  if (map == AffineMap::Vector) penalty_.weight = 0.0;
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
  const double* weights = x.data();
  multiply_rows(z.data(), static_cast<std::size_t>(z.rows()), static_cast<std::size_t>(k), weights,
                weights + k * k, scores.data());
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
      add_row_products(d.data(), z.data(), static_cast<std::size_t>(z.rows()),
                       static_cast<std::size_t>(k_), gradient.data());
    }
  }
  const double n = static_cast<double>(rows_.n_rows());
  gradient /= n;
  unbounded = pass.all_above_half && (penalty_.none() || separates_for_free(x));
  return pass.sum_nll / n + add_penalties(x, gradient);
}

bool AffineObjective::separates_for_free(const Eigen::VectorXd& x) const {
  Eigen::VectorXd free = x;
  if (penalty_.bias > 0.0) free.tail(k_).setZero();
  for (Eigen::Index i = 0; penalty_.weight > 0.0 && i < k_ * k_; ++i) {
    if (i % (k_ + 1) != 0) free(i) = 0.0;
  }
  std::size_t row = 0;
  for (const auto& z : rows_.blocks()) {
    Block scores = affine_scores(map_, free, z);
    for (Eigen::Index i = 0; i < z.rows(); ++i) {
      double& at_label = scores(i, labels_[row++]);
      const double score = at_label;
      at_label = -std::numeric_limits<double>::infinity();
      if (!(scores.row(i).maxCoeff() < score)) return false;
    }
  }
  return true;
}

double AffineObjective::add_penalties(const Eigen::VectorXd& x, Eigen::VectorXd& gradient) const {
  double penalty = penalty_.bias * x.tail(k_).squaredNorm();
  gradient.tail(k_) += 2.0 * penalty_.bias * x.tail(k_);
  if (penalty_.weight == 0.0) return penalty;
  for (Eigen::Index i = 0; i < k_ * k_; ++i) {
    if (i % (k_ + 1) == 0) continue;
    penalty += penalty_.weight * x(i) * x(i);
    gradient(i) += 2.0 * penalty_.weight * x(i);
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
  hessian.bottomRightCorner(k_, k_).diagonal().array() += 2.0 * penalty_.bias;
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
  // A penalty on the biases alone has no Kronecker form; put it on their second moment.
  const double mean_curvature = covariance.trace() / static_cast<double>(k_);
  moments(k_, k_) += 2.0 * std::max(penalty_.bias - penalty_.weight, 0.0) / mean_curvature;
  return kronecker_coordinates(covariance, moments, 2.0 * penalty_.weight);
}

Eigen::VectorXd AffineObjective::gauge_fixed(const Eigen::VectorXd& x) const {
  Eigen::VectorXd fixed = x;
  const double k = static_cast<double>(k_);
  if (penalty_.bias == 0.0) fixed.tail(k_).array() -= x.tail(k_).mean();
  if (map_ == AffineMap::Matrix && penalty_.weight == 0.0) {
    Eigen::Map<Eigen::MatrixXd> w(fixed.data(), k_, k_);
    const Eigen::RowVectorXd excess = (w.colwise().sum().array() - 1.0) / k;
    w.rowwise() -= excess;
  }
  return fixed;
}

}  // namespace calsweep::analysis
