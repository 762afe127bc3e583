// The maps of one class against the rest: histogram binning, Bayesian binning, isotonic and
// near-isotonic regression, beta calibration.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>

#include "analysis/calibrators/bayesian_binning.hpp"
#include "analysis/calibrators/isotonic.hpp"
#include "analysis/calibrators/logistic_fit.hpp"
#include "analysis/calibrators/near_isotonic.hpp"
#include "analysis/calibrators/one_vs_rest.hpp"

namespace calsweep::analysis {
namespace {

class HistogramMap : public BinaryMap {
 public:
  explicit HistogramMap(std::int64_t n_bins)
      : ones_(static_cast<std::size_t>(n_bins), 0), rows_(ones_) {
    for (std::int64_t m = 1; m <= n_bins; ++m) {
      upper_edges_.push_back(static_cast<double>(m) / static_cast<double>(n_bins));
    }
  }
  void add(double p, bool one) {
    rows_[bin(p)] += 1;
    ones_[bin(p)] += one ? 1 : 0;
  }
  double value(std::size_t bin) const {
    return static_cast<double>(ones_[bin]) / static_cast<double>(rows_[bin]);
  }
  bool empty(std::size_t bin) const { return rows_[bin] == 0; }
  Eigen::ArrayXd apply(const ClassScores& scores) const override {
    return scores.p.unaryExpr([this](double p) { return empty(bin(p)) ? p : value(bin(p)); });
  }

 private:
  std::size_t bin(double p) const {
    const auto edge = std::lower_bound(upper_edges_.begin(), upper_edges_.end(), p);
    return std::min(static_cast<std::size_t>(edge - upper_edges_.begin()), rows_.size() - 1);
  }
  std::vector<std::int64_t> ones_, rows_;
  std::vector<double> upper_edges_;
};

/// A function of p alone.
template <class Function>
class ScoreMap : public BinaryMap {
 public:
  explicit ScoreMap(Function function) : function_(std::move(function)) {}
  Eigen::ArrayXd apply(const ClassScores& scores) const override {
    return scores.p.unaryExpr([this](double p) { return function_(p); });
  }

 private:
  Function function_;
};

std::span<const double> values_of(const Eigen::ArrayXd& column) {
  return {column.data(), static_cast<std::size_t>(column.size())};
}

struct BetaWeights {
  double a = 1.0, b = 1.0, c = 0.0;
};

class BetaMap : public BinaryMap {
 public:
  explicit BetaMap(BetaWeights w) : w_(w) {}
  Eigen::ArrayXd apply(const ClassScores& s) const override {
    const Eigen::ArrayXd t = w_.a * s.log_p - w_.b * s.log_rest + w_.c;
    return t.unaryExpr([](double logit) { return sigmoid(logit); });
  }

 private:
  BetaWeights w_;
};

/// Why beta calibration has no optimum, or "". A threshold separates exactly if no row of the rest
/// scores above a row of the class; all scores equal is no separation, they only tell nothing.
std::string why_no_beta(const ClassScores& scores, const Eigen::ArrayXd& targets) {
  if ((targets == 1.0).all()) return "no validation row of another class";
  if ((targets == 0.0).all()) return "no validation row of this class";
  const Eigen::ArrayXd odds = scores.log_p - scores.log_rest;
  if (odds.minCoeff() == odds.maxCoeff()) return "all validation rows have the same probability";
  const double highest = odds.maxCoeff(), lowest = odds.minCoeff();
  const double least_of_class = (targets == 1.0).select(odds, highest).minCoeff();
  const double most_of_rest = (targets == 0.0).select(odds, lowest).maxCoeff();
  if (most_of_rest <= least_of_class) {
    return "a threshold separates the validation rows: the NLL falls for ever as the map steepens";
  }
  return "";
}

struct BetaFit {
  BetaWeights weights;
  double cross_entropy = 0.0;
  bool converged = false;
};

/// The optimum with only the features in use; the others' weights are 0.
BetaFit fit_active(const ClassScores& s, const Eigen::ArrayXd& targets, bool use_a, bool use_b) {
  Eigen::MatrixXd features(targets.size(), (use_a ? 1 : 0) + (use_b ? 1 : 0));
  if (use_a) features.col(0) = s.log_p.matrix();
  if (use_b) features.col(use_a ? 1 : 0) = -s.log_rest.matrix();
  Eigen::VectorXd start = Eigen::VectorXd::Ones(features.cols() + 1);
  start(features.cols()) = 0.0;
  if (features.cols() == 0) start(0) = std::log(targets.mean() / (1.0 - targets.mean()));
  const LogisticFit fit = fit_logistic(features, targets, start);
  const auto& x = fit.coefficients;
  return {{use_a ? x(0) : 0.0, use_b ? x(use_a ? 1 : 0) : 0.0, x(features.cols())},
          fit.cross_entropy,
          fit.converged};
}

}  // namespace

BinaryMapFit fit_histogram_map(const ClassScores& scores, const Eigen::ArrayXd& targets,
                               std::int64_t n_bins) {
  auto map = std::make_unique<HistogramMap>(n_bins);
  for (Eigen::Index i = 0; i < targets.size(); ++i) map->add(scores.p(i), targets(i) == 1.0);
  BinaryMapFit fit;
  for (std::size_t m = 0; m < static_cast<std::size_t>(n_bins); ++m) {
    fit.weights.push_back(
        {fmt::format("bin[{}]", m), map->empty(m) ? Measured::none("no validation row in this bin")
                                                  : Measured::of(map->value(m))});
  }
  fit.map = std::move(map);
  return fit;
}

BinaryMapFit fit_isotonic_map(const ClassScores& scores, const Eigen::ArrayXd& targets) {
  PiecewiseLinear function = fit_isotonic(values_of(scores.p), values_of(targets));
  BinaryMapFit fit;
  fit.weights = {{"n_knots", Measured::of(static_cast<double>(function.x.size()))}};
  fit.map = std::make_unique<ScoreMap<PiecewiseLinear>>(std::move(function));
  return fit;
}

BinaryMapFit fit_near_isotonic_map(const ClassScores& scores, const Eigen::ArrayXd& targets) {
  NearIsotonicEnsemble made = fit_near_isotonic(values_of(scores.p), values_of(targets));
  BinaryMapFit fit;
  fit.weights = {{"n_knots", Measured::of(static_cast<double>(made.function.x.size()))},
                 {"n_models", Measured::of(static_cast<double>(made.n_models))},
                 {"effective_models", Measured::of(made.effective_models)}};
  fit.map = std::make_unique<ScoreMap<PiecewiseLinear>>(std::move(made.function));
  return fit;
}

BinaryMapFit fit_bayesian_binning_map(const ClassScores& scores, const Eigen::ArrayXd& targets) {
  BayesianBinning made = fit_bayesian_binning(values_of(scores.p), values_of(targets));
  BinaryMapFit fit;
  fit.weights = {{"best_bins", Measured::of(static_cast<double>(made.best_bins))},
                 {"best_log_score", Measured::of(made.best_log_score)},
                 {"effective_models", Measured::of(made.effective_models)}};
  fit.map = std::make_unique<ScoreMap<StepFunction>>(std::move(made.function));
  return fit;
}

BinaryMapFit fit_beta_map(const ClassScores& scores, const Eigen::ArrayXd& targets) {
  BinaryMapFit none;
  none.reason = why_no_beta(scores, targets);
  if (!none.reason.empty()) return none;
  // Convex with two bounds: the optimum is the unbounded one if that is feasible, else it lies on a
  // bound and is the best feasible one of those.
  std::optional<BetaFit> best;
  for (const int bounded : {0b00, 0b01, 0b10, 0b11}) {
    const bool use_a = (bounded & 0b01) == 0, use_b = (bounded & 0b10) == 0;
    const BetaFit fit = fit_active(scores, targets, use_a, use_b);
    if (fit.weights.a < 0.0 || fit.weights.b < 0.0) continue;
    if (!best || fit.cross_entropy < best->cross_entropy) best = fit;
    if (use_a && use_b) break;
  }
  BinaryMapFit fit;
  fit.map = std::make_unique<BetaMap>(best->weights);
  fit.weights = {{"a", Measured::of(best->weights.a)},
                 {"b", Measured::of(best->weights.b)},
                 {"c", Measured::of(best->weights.c)},
                 {"converged", Measured::of(best->converged ? 1.0 : 0.0)}};
  return fit;
}

}  // namespace calsweep::analysis
