// Minimises a smooth convex function by NLopt's L-BFGS in coordinates in which it is well rounded.
//
// The caller gives a linear change of variables x = start + P u for which P' H P is about the
// identity (H: the Hessian at the start). Then L-BFGS needs few steps, and the gradient norm in u
// is about the Newton decrement: half its square bounds how far the value is above the minimum.
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <functional>

namespace calsweep::analysis {

/// Value at x; writes the gradient. Sets `unbounded` if x proves that there is no minimiser.
using ConvexFunction =
    std::function<double(const Eigen::VectorXd& x, Eigen::VectorXd& gradient, bool& unbounded)>;

struct Coordinates {
  std::function<Eigen::VectorXd(const Eigen::VectorXd& u)> to_step;        ///< P u
  std::function<Eigen::VectorXd(const Eigen::VectorXd& g)> from_gradient;  ///< P' g
};
/// Made anew at the start of each round.
using MakeCoordinates = std::function<Coordinates(const Eigen::VectorXd& x)>;

struct ConvexMinimum {
  Eigen::VectorXd x;
  double value = 0.0;
  double gradient_norm = 0.0;  ///< largest absolute component, in x
  double decrement = 0.0;      ///< Euclidean norm in u
  std::int64_t evaluations = 0;
  bool converged = false;  ///< decrement <= kConvexTolerance
  bool unbounded = false;
};

inline constexpr double kConvexTolerance = 1e-6;

/// The best point seen, never worse than `start`. Coordinates are made anew after every
/// `evaluations_per_round`, until converged, without progress, or after 600 evaluations.
ConvexMinimum minimise_convex(const ConvexFunction& function, const MakeCoordinates& coordinates,
                              const Eigen::VectorXd& start, int evaluations_per_round);

/// With the exact Hessian short rounds converge quadratically; with an approximate one L-BFGS needs
/// its memory.
inline constexpr int kExactHessianRound = 5;
inline constexpr int kApproximateHessianRound = 100;

/// Coordinates from a Hessian [d, d], positive semidefinite, by Cholesky with a ridge of 1e-10 of
/// its mean diagonal.
Coordinates hessian_coordinates(Eigen::MatrixXd hessian);

/// Coordinates for parameters that are a matrix X [r, c], column-major, where the Hessian is about
/// right x left + ridge * identity: left [r, r] and right [c, c] positive semidefinite. Exact, by
/// the eigenvectors of both; a further ridge is 1e-10 of the mean eigenvalue.
Coordinates kronecker_coordinates(const Eigen::MatrixXd& left, const Eigen::MatrixXd& right,
                                  double ridge);

/// Lower Cholesky factor of m + ridge; the ridge is 1e-10 of the mean diagonal, or more if needed.
Eigen::MatrixXd ridged_cholesky(Eigen::MatrixXd m);

}  // namespace calsweep::analysis
