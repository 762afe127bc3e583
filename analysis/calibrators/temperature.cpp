#include "analysis/calibrators/temperature.hpp"

#include <fmt/format.h>

#include <boost/math/tools/toms748_solve.hpp>
#include <cmath>
#include <vector>

#include "analysis/calibrators/calibrated_outputs.hpp"

namespace calsweep::analysis {
namespace {

struct Derivatives {
  double nll = 0.0, curvature = 0.0;
};

/// The mean NLL of softmax(beta z) as a function of beta >= 0.
class TemperatureObjective {
 public:
  TemperatureObjective(const LogitRows& rows, std::span<const std::int32_t> labels)
      : n_(static_cast<double>(rows.n_rows())) {
    std::size_t row = 0;
    for (const auto& block : rows.blocks()) {
      shifted_.push_back(minus_row_maximum(block));
      const auto& m = shifted_.back();
      Eigen::ArrayXd& at_label = label_.emplace_back(m.rows());
      for (Eigen::Index i = 0; i < m.rows(); ++i) at_label(i) = m(i, labels[row++]);
    }
  }

  /// d NLL / d beta = mean of (E_q[z] - z_label).
  double gradient(double beta) const {
    double sum = 0.0;
    for (std::size_t b = 0; b < shifted_.size(); ++b) {
      const auto& m = shifted_[b];
      const LogitRows::Block e = exponential(beta * m);
      sum += (row_sums(e * m) / row_sums(e) - label_[b]).sum();
    }
    return sum / n_;
  }

  Derivatives value_and_curvature(double beta) const {
    Derivatives sum;
    for (std::size_t b = 0; b < shifted_.size(); ++b) {
      const auto& m = shifted_[b];
      const LogitRows::Block e = exponential(beta * m);
      const Eigen::ArrayXd total = row_sums(e);
      const Eigen::ArrayXd mean = row_sums(e * m) / total;
      const LogitRows::Block distance = m.colwise() - mean;
      sum.curvature += (row_sums(e * distance.square()) / total).sum();
      sum.nll += (total.log() - beta * label_[b]).sum();
    }
    return {sum.nll / n_, sum.curvature / n_};
  }

  bool every_row_constant() const {
    for (const auto& m : shifted_) {
      if ((m != 0.0).any()) return false;
    }
    return true;
  }
  bool every_label_largest() const {
    for (const auto& at_label : label_) {
      if ((at_label != 0.0).any()) return false;
    }
    return true;
  }

 private:
  double n_;
  std::vector<LogitRows::Block> shifted_;  // z - row maximum
  std::vector<Eigen::ArrayXd> label_;      // the same at the label, <= 0
};

/// Why the NLL has no minimum over 0 < beta < infinity, or "".
std::string why_no_optimum(const TemperatureObjective& objective) {
  if (objective.every_row_constant()) {
    return "all logits of a row are equal in every validation row: no temperature has an effect";
  }
  if (objective.every_label_largest()) {
    return "every validation row is right: the NLL falls for ever as T -> 0";
  }
  if (objective.gradient(0.0) >= 0.0) {
    return "the logits are uninformative: the NLL is least at beta <= 0, where T is infinite or "
           "negative";
  }
  return "";
}

struct Bracket {
  double lower, upper, gradient_lower, gradient_upper;
};

/// A factor of 2 that holds the root. The gradient is negative at 0 and positive for large beta.
Bracket bracket_root(const TemperatureObjective& objective, std::int64_t& evaluations) {
  double beta = 1.0;
  double gradient = objective.gradient(beta);
  ++evaluations;
  const double factor = gradient < 0.0 ? 2.0 : 0.5;
  while (true) {
    const double next = beta * factor;
    const double gradient_next = objective.gradient(next);
    ++evaluations;
    const bool crossed = factor > 1.0 ? gradient_next >= 0.0 : gradient_next <= 0.0;
    if (crossed || next == 0.0 || !std::isfinite(next)) {
      if (factor > 1.0) return {beta, next, gradient, gradient_next};
      return {next, beta, gradient_next, gradient};
    }
    beta = next;
    gradient = gradient_next;
  }
}

/// The narrowest of the intervals beta (1 -+ 10^-d), d = 14 ... 4, whose ends have the right signs.
void certify(const TemperatureObjective& objective, TemperatureOptimum& optimum) {
  optimum.beta_lower = optimum.beta_upper = optimum.beta;
  for (double width = 1e-14; width < 1e-3; width *= 10.0) {
    const double lower = optimum.beta * (1.0 - width);
    const double upper = optimum.beta * (1.0 + width);
    optimum.evaluations += 2;
    if (objective.gradient(lower) < 0.0 && objective.gradient(upper) > 0.0) {
      optimum.beta_lower = lower;
      optimum.beta_upper = upper;
      return;
    }
  }
}

class TemperatureCalibrator : public FittedCalibrator {
 public:
  explicit TemperatureCalibrator(double beta) : beta_(beta) {}
  CalibratedOutputs calibrate(const LogitRows& rows) const override {
    return scale_by_beta(rows, beta_);
  }

 private:
  double beta_;
};

}  // namespace

TemperatureOptimum find_temperature(const LogitRows& rows, std::span<const std::int32_t> labels,
                                    int n_bits) {
  const TemperatureObjective objective(rows, labels);
  TemperatureOptimum optimum;
  optimum.nll_before = optimum.nll_after = objective.value_and_curvature(1.0).nll;
  optimum.reason = why_no_optimum(objective);
  optimum.evaluations = 2;
  if (!optimum.reason.empty()) return optimum;
  const Bracket bracket = bracket_root(objective, optimum.evaluations);
  std::uintmax_t iterations = 200;
  const auto root = boost::math::tools::toms748_solve(
      [&](double beta) { return objective.gradient(beta); }, bracket.lower, bracket.upper,
      bracket.gradient_lower, bracket.gradient_upper,
      boost::math::tools::eps_tolerance<double>(n_bits), iterations);
  optimum.evaluations += static_cast<std::int64_t>(iterations);
  optimum.beta = root.first + 0.5 * (root.second - root.first);
  if (n_bits >= 50) certify(objective, optimum);
  const Derivatives at_optimum = objective.value_and_curvature(optimum.beta);
  optimum.nll_after = at_optimum.nll;
  optimum.beta_standard_error =
      1.0 / std::sqrt(static_cast<double>(rows.n_rows()) * at_optimum.curvature);
  return optimum;
}

CalibratorFit fit_temperature(const LogitRows& rows, std::span<const std::int32_t> labels) {
  const TemperatureOptimum optimum = find_temperature(rows, labels);
  if (!optimum.reason.empty()) return CalibratorFit::none(optimum.reason);
  auto calibrator = std::make_unique<TemperatureCalibrator>(optimum.beta);
  calibrator->parameters = {{"T", Measured::of(1.0 / optimum.beta)},
                            {"beta", Measured::of(optimum.beta)},
                            {"beta_lower", Measured::of(optimum.beta_lower)},
                            {"beta_upper", Measured::of(optimum.beta_upper)},
                            {"beta_standard_error", Measured::of(optimum.beta_standard_error)},
                            {"nll_before", Measured::of(optimum.nll_before)},
                            {"nll_after", Measured::of(optimum.nll_after)},
                            {"evaluations", Measured::of(static_cast<double>(optimum.evaluations))},
                            {"converged", Measured::of(optimum.certified() ? 1.0 : 0.0)}};
  return {std::move(calibrator), ""};
}

CalibratedOutputs scale_by_beta(const LogitRows& rows, double beta) {
  CalibratedOutputs outputs;
  outputs.n_classes = rows.n_classes();
  for (const auto& z : rows.blocks()) {
    append_probabilities(outputs, softmax(beta * z), first_largest(z));
  }
  return outputs;
}

}  // namespace calsweep::analysis
