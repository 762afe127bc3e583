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

class AffineObjective {
 public:
  /// Keeps references: rows and labels must outlive it.
  AffineObjective(AffineMap map, const LogitRows& rows, std::span<const std::int32_t> labels,
                  const CalibratorOptions& options);

  Eigen::Index n_parameters() const;
  /// beta times the identity, no bias.
  Eigen::VectorXd start(double beta) const;
  /// Mean NLL plus penalties. `unbounded`: every row is right with probability above 1/2 and
  /// nothing is penalised, so that scaling the map up lowers the NLL for ever.
  double value(const Eigen::VectorXd& x, Eigen::VectorXd& gradient, bool& unbounded) const;
  /// Mean NLL alone.
  double nll(const Eigen::VectorXd& x) const;
  /// Vector: from the Hessian at x. Matrix: from the Kronecker product of the mean softmax
  /// covariance with the second moments of (z, 1), which is the Hessian if the two are independent.
  Coordinates coordinates(const Eigen::VectorXd& x) const;
  /// x with what softmax cannot see fixed (see affine_scaling.hpp). Only without penalties.
  Eigen::VectorXd gauge_fixed(const Eigen::VectorXd& x) const;

 private:
  double add_penalties(const Eigen::VectorXd& x, Eigen::VectorXd& gradient) const;
  Coordinates vector_coordinates(const Eigen::VectorXd& x) const;
  Coordinates matrix_coordinates(const Eigen::VectorXd& x) const;

  AffineMap map_;
  const LogitRows& rows_;
  std::span<const std::int32_t> labels_;
  Eigen::Index k_;
  double off_diagonal_;  // penalty per squared off-diagonal weight
  double bias_;          // and per squared bias
};

/// A(z) for a block [rows, K].
LogitRows::Block affine_scores(AffineMap map, const Eigen::VectorXd& x, const LogitRows::Block& z);

}  // namespace calsweep::analysis
