#include "analysis/calibrators/convex_fit.hpp"

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <cmath>
#include <nlopt.hpp>
#include <utility>
#include <vector>

namespace calsweep::analysis {
namespace {

constexpr int kMostEvaluations = 600;

/// One round: what NLopt calls, in u, and the best point so far.
struct Round {
  const ConvexFunction& function;
  Coordinates coordinates;
  Eigen::VectorXd start;
  ConvexMinimum& best;

  /// Throws forced_stop when there is nothing left to gain.
  double evaluate(const std::vector<double>& u, std::vector<double>& gradient_u) {
    const Eigen::Map<const Eigen::VectorXd> step(u.data(), static_cast<Eigen::Index>(u.size()));
    const Eigen::VectorXd x = start + coordinates.to_step(step);
    Eigen::VectorXd gradient(x.size());
    bool unbounded = false;
    const double value = function(x, gradient, unbounded);
    const Eigen::VectorXd transformed = coordinates.from_gradient(gradient);
    ++best.evaluations;
    if (value <= best.value || best.evaluations == 1) {
      best.x = x;
      best.value = value;
      best.gradient_norm = gradient.lpNorm<Eigen::Infinity>();
      best.decrement = transformed.norm();
      best.unbounded = unbounded;
      best.converged = best.decrement <= kConvexTolerance;
    }
    if (best.unbounded || best.converged) throw nlopt::forced_stop();
    if (!gradient_u.empty()) {
      Eigen::Map<Eigen::VectorXd>(gradient_u.data(), x.size()) = transformed;
    }
    return value;
  }
};

double call_round(const std::vector<double>& u, std::vector<double>& gradient, void* round) {
  return static_cast<Round*>(round)->evaluate(u, gradient);
}

void run_round(Round& round, int evaluations) {
  const auto size = static_cast<unsigned>(round.start.size());
  nlopt::opt optimiser(nlopt::LD_LBFGS, size);
  optimiser.set_min_objective(call_round, &round);
  optimiser.set_maxeval(evaluations);
  std::vector<double> u(size, 0.0);
  double value = 0.0;
  try {
    optimiser.optimize(u, value);
  } catch (const nlopt::forced_stop&) {
    // converged, or unbounded
  } catch (const nlopt::roundoff_limited&) {
    // the best point is kept; its decrement says how good it is
  } catch (const std::runtime_error&) {
    // a line search that found nothing: the same
  }
}

}  // namespace

ConvexMinimum minimise_convex(const ConvexFunction& function, const MakeCoordinates& coordinates,
                              const Eigen::VectorXd& start, int evaluations_per_round) {
  ConvexMinimum best;
  best.x = start;
  while (!best.converged && !best.unbounded && best.evaluations < kMostEvaluations) {
    const double before = best.value;
    const bool first = best.evaluations == 0;
    Round round{function, coordinates(best.x), best.x, best};
    run_round(round, evaluations_per_round);
    if (!first && best.value >= before) break;
  }
  return best;
}

Eigen::MatrixXd ridged_cholesky(Eigen::MatrixXd m) {
  const double scale = m.diagonal().mean();
  const double unit = scale > 0.0 ? scale : 1.0;
  for (double ridge = 1e-10;; ridge *= 100.0) {
    Eigen::MatrixXd ridged = m;
    ridged.diagonal().array() += ridge * unit;
    const Eigen::LLT<Eigen::MatrixXd> cholesky(ridged);
    if (cholesky.info() == Eigen::Success || ridge > 1e6) return cholesky.matrixL();
  }
}

Coordinates kronecker_coordinates(const Eigen::MatrixXd& left, const Eigen::MatrixXd& right,
                                  double ridge) {
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> of_left(left), of_right(right);
  const Eigen::MatrixXd u = of_left.eigenvectors(), v = of_right.eigenvectors();
  Eigen::ArrayXXd curvature =
      (of_left.eigenvalues().cwiseMax(0.0) * of_right.eigenvalues().cwiseMax(0.0).transpose());
  curvature += ridge;
  curvature += 1e-10 * (curvature.mean() > 0.0 ? curvature.mean() : 1.0);
  const Eigen::ArrayXXd scale = curvature.sqrt().inverse();
  return {[u, v, scale](const Eigen::VectorXd& x) -> Eigen::VectorXd {
            const Eigen::Map<const Eigen::ArrayXXd> in(x.data(), scale.rows(), scale.cols());
            const Eigen::MatrixXd step = u * (in * scale).matrix() * v.transpose();
            return Eigen::Map<const Eigen::VectorXd>(step.data(), step.size());
          },
          [u, v, scale](const Eigen::VectorXd& g) -> Eigen::VectorXd {
            const Eigen::Map<const Eigen::MatrixXd> in(g.data(), scale.rows(), scale.cols());
            const Eigen::MatrixXd out = ((u.transpose() * in * v).array() * scale).matrix();
            return Eigen::Map<const Eigen::VectorXd>(out.data(), out.size());
          }};
}

Coordinates hessian_coordinates(Eigen::MatrixXd hessian) {
  const Eigen::MatrixXd lower = ridged_cholesky(std::move(hessian));
  return {[lower](const Eigen::VectorXd& u) -> Eigen::VectorXd {
            return lower.triangularView<Eigen::Lower>().transpose().solve(u);
          },
          [lower](const Eigen::VectorXd& g) -> Eigen::VectorXd {
            return lower.triangularView<Eigen::Lower>().solve(g);
          }};
}

}  // namespace calsweep::analysis
