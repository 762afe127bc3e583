#include "analysis/calibrators/isotonic.hpp"

#include "analysis/calibrators/calibrated_outputs.hpp"

namespace calsweep::analysis {
namespace {

/// Mean of a >= mean of b, without dividing.
bool not_below(const ScoreGroup& a, const ScoreGroup& b) {
  return a.sum * b.count >= b.sum * a.count;
}

class TopLabelIsotonic : public FittedCalibrator {
 public:
  explicit TopLabelIsotonic(PiecewiseLinear function) : function_(std::move(function)) {}
  CalibratedOutputs calibrate(const LogitRows& rows) const override {
    CalibratedOutputs outputs = scale_none(rows);
    outputs.probabilities.clear();
    for (double& c : outputs.confidence) c = function_(c);
    return outputs;
  }

  static CalibratedOutputs scale_none(const LogitRows& rows) {
    CalibratedOutputs outputs;
    outputs.n_classes = rows.n_classes();
    for (const auto& z : rows.blocks()) append_probabilities(outputs, softmax(z), first_largest(z));
    return outputs;
  }

 private:
  PiecewiseLinear function_;
};

}  // namespace

PiecewiseLinear fit_isotonic(std::span<const double> x, std::span<const double> target) {
  std::vector<ScoreGroup> pools;
  for (ScoreGroup next : distinct_scores(x, target)) {
    while (!pools.empty() && not_below(pools.back(), next)) {
      next.first_x = pools.back().first_x;
      next.sum += pools.back().sum;
      next.count += pools.back().count;
      pools.pop_back();
    }
    pools.push_back(next);
  }
  PiecewiseLinear function;
  for (const ScoreGroup& pool : pools) {
    function.x.push_back(pool.first_x);
    function.y.push_back(pool.sum / pool.count);
    if (pool.last_x == pool.first_x) continue;
    function.x.push_back(pool.last_x);
    function.y.push_back(pool.sum / pool.count);
  }
  return function;
}

CalibratorFit fit_isotonic_top_label(const LogitRows& rows, std::span<const std::int32_t> labels) {
  const CalibratedOutputs before = TopLabelIsotonic::scale_none(rows);
  std::vector<double> correct(labels.size());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    correct[i] = before.predicted[i] == labels[i] ? 1.0 : 0.0;
  }
  PiecewiseLinear function = fit_isotonic(before.confidence, correct);
  const auto n_knots = static_cast<double>(function.x.size());
  auto calibrator = std::make_unique<TopLabelIsotonic>(std::move(function));
  calibrator->parameters = {{"n_knots", Measured::of(n_knots)},
                            {"nll_before", mean_nll(before, labels)},
                            {"nll_after", mean_nll(calibrator->calibrate(rows), labels)}};
  return {std::move(calibrator), ""};
}

}  // namespace calsweep::analysis
