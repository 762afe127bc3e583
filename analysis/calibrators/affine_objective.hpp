// The mean NLL of softmax(A(z)) for the affine maps A of vector and matrix scaling, its gradient
// and coordinates that round it (convex_fit.hpp), in one pass over blocks of rows.
//
// Parameters: vector [w (K), b (K)]; matrix [W (K x K, column-major), b (K)].
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <span>

#include "analysis/calibrators/calibrator.hpp"
#include "analysis/calibrators/convex_fit.hpp"
#include "analysis/calibrators/logit_rows.hpp"

namespace calsweep::analysis {

enum class AffineMap { Vector, Matrix };

/// What is added to the mean NLL.
struct AffinePenalty {
  double weight = 0.0;  ///< times the sum of squared off-diagonal weights (Matrix)
  double bias = 0.0;    ///< times the sum of squared biases
  bool none() const { return weight == 0.0 && bias == 0.0; }
};

class AffineObjective {
 public:
  /// Keeps references: rows and labels must outlive it.
  AffineObjective(AffineMap map, const LogitRows& rows, std::span<const std::int32_t> labels,
                  AffinePenalty penalty);

  Eigen::Index n_parameters() const;
  /// beta times the identity, no bias.
  Eigen::VectorXd start(double beta) const;
  /// Mean NLL plus penalties. `unbounded`: what of the map is not penalised gets every row right,
  /// so that scaling it up lowers the NLL to 0 at no cost.
  double value(const Eigen::VectorXd& x, Eigen::VectorXd& gradient, bool& unbounded) const;
  /// Mean NLL alone.
  double nll(const Eigen::VectorXd& x) const;
  /// Vector: from the Hessian at x. Matrix: from the Kronecker product of the mean softmax
  /// covariance with the second moments of (z, 1), which is the Hessian if the two are independent,
  /// plus the penalty as if it were on every weight.
  Coordinates coordinates(const Eigen::VectorXd& x) const;
  /// x with what softmax cannot see, and no penalty fixes, fixed (see affine_scaling.hpp).
  Eigen::VectorXd gauge_fixed(const Eigen::VectorXd& x) const;

 private:
  bool separates_for_free(const Eigen::VectorXd& x) const;
  double add_penalties(const Eigen::VectorXd& x, Eigen::VectorXd& gradient) const;
  Coordinates vector_coordinates(const Eigen::VectorXd& x) const;
  Coordinates matrix_coordinates(const Eigen::VectorXd& x) const;

  AffineMap map_;
  const LogitRows& rows_;
  std::span<const std::int32_t> labels_;
  Eigen::Index k_;
  AffinePenalty penalty_;
};

/// A(z) for a block [rows, K].
LogitRows::Block affine_scores(AffineMap map, const Eigen::VectorXd& x, const LogitRows::Block& z);

}  // namespace calsweep::analysis
