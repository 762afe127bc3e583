// The temperature of the noise warm-up paper's published code: a grid, chosen by its ECE.
#include <algorithm>
#include <limits>
#include <vector>

#include "analysis/calibrators/calibrated_outputs.hpp"
#include "analysis/calibrators/temperature.hpp"
#include "analysis/metrics/calibration_error.hpp"

namespace calsweep::analysis {
namespace {

constexpr double kGrid[] = {1.0, 1.05, 1.1, 1.2, 1.5, 2.0, 3.0, 5.0};
constexpr std::int64_t kBins = 10;

Measured ece_at(const LogitRows& rows, std::span<const std::int32_t> labels, double temperature) {
  const CalibratedOutputs outputs = scale_by_beta(rows, 1.0 / temperature);
  std::vector<float> confidence(labels.size());
  std::vector<std::uint8_t> correct(labels.size());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    confidence[i] = std::min(1.0F, static_cast<float>(outputs.confidence[i]));
    correct[i] = outputs.predicted[i] == labels[i] ? 1 : 0;
  }
  const Convention& convention = find_convention("noise2026");
  const auto bins = reliability_bins(convention, kBins, confidence, correct);
  return calibration_error(convention, bins, rows.n_rows()).ece;
}

class GridTemperature : public FittedCalibrator {
 public:
  explicit GridTemperature(double temperature) : temperature_(temperature) {}
  CalibratedOutputs calibrate(const LogitRows& rows) const override {
    return scale_by_beta(rows, 1.0 / temperature_);
  }

 private:
  double temperature_;
};

}  // namespace

CalibratorFit fit_temperature_ece_grid(const LogitRows& rows,
                                       std::span<const std::int32_t> labels) {
  double best = 0.0;
  double least = std::numeric_limits<double>::infinity();
  for (const double temperature : kGrid) {
    const Measured ece = ece_at(rows, labels, temperature);
    if (!ece.has_value() || ece.value >= least) continue;
    least = ece.value;
    best = temperature;
  }
  if (best == 0.0) {
    return CalibratorFit::none(
        "every confidence is exactly 1 at every temperature of the grid: the convention drops all "
        "rows");
  }
  auto calibrator = std::make_unique<GridTemperature>(best);
  const Measured before = ece_at(rows, labels, 1.0);
  calibrator->parameters = {{"T", Measured::of(best)},
                            {"beta", Measured::of(1.0 / best)},
                            {"ece10_before", before},
                            {"ece10_after", Measured::of(least)},
                            {"nll_before", mean_nll(rows, labels)},
                            {"nll_after", mean_nll(calibrator->calibrate(rows), labels)}};
  return {std::move(calibrator), ""};
}

}  // namespace calsweep::analysis
