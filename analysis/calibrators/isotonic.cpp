#include "analysis/calibrators/isotonic.hpp"

#include <algorithm>
#include <numeric>

#include "analysis/calibrators/calibrated_outputs.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

struct Pool {
  double first_x, last_x, sum, count;
};

/// Mean of a >= mean of b, without dividing.
bool not_below(const Pool& a, const Pool& b) { return a.sum * b.count >= b.sum * a.count; }

/// One pool per distinct x, ascending.
std::vector<Pool> distinct_points(std::span<const double> x, std::span<const double> target) {
  std::vector<std::size_t> order(x.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return x[a] != x[b] ? x[a] < x[b] : target[a] < target[b];
  });
  std::vector<Pool> points;
  for (const std::size_t i : order) {
    if (points.empty() || points.back().last_x != x[i]) points.push_back({x[i], x[i], 0.0, 0.0});
    points.back().sum += target[i];
    points.back().count += 1.0;
  }
  return points;
}

class TopLabelIsotonic : public FittedCalibrator {
 public:
  explicit TopLabelIsotonic(IsotonicFunction function) : function_(std::move(function)) {}
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
  IsotonicFunction function_;
};

}  // namespace

double IsotonicFunction::operator()(double at) const {
  const auto above = std::upper_bound(x.begin(), x.end(), at);
  if (above == x.begin()) return y.front();
  if (above == x.end()) return y.back();
  const auto right = static_cast<std::size_t>(above - x.begin());
  const std::size_t left = right - 1;
  const double slope = (y[right] - y[left]) / (x[right] - x[left]);
  return std::min(y[right], y[left] + slope * (at - x[left]));
}

IsotonicFunction fit_isotonic(std::span<const double> x, std::span<const double> target) {
  CALSWEEP_CHECK(!x.empty() && x.size() == target.size(), "one target per point, at least one");
  std::vector<Pool> pools;
  for (Pool next : distinct_points(x, target)) {
    while (!pools.empty() && not_below(pools.back(), next)) {
      next.first_x = pools.back().first_x;
      next.sum += pools.back().sum;
      next.count += pools.back().count;
      pools.pop_back();
    }
    pools.push_back(next);
  }
  IsotonicFunction function;
  for (const Pool& pool : pools) {
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
  IsotonicFunction function = fit_isotonic(before.confidence, correct);
  const auto n_knots = static_cast<double>(function.x.size());
  auto calibrator = std::make_unique<TopLabelIsotonic>(std::move(function));
  calibrator->parameters = {{"n_knots", Measured::of(n_knots)},
                            {"nll_before", mean_nll(before, labels)},
                            {"nll_after", mean_nll(calibrator->calibrate(rows), labels)}};
  return {std::move(calibrator), ""};
}

}  // namespace calsweep::analysis
