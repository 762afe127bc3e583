#include "analysis/metrics/metric_definitions.hpp"

#include <array>
#include <cctype>

namespace calsweep::analysis {
namespace {

constexpr auto kHigher = Direction::HigherIsBetter;
constexpr auto kLower = Direction::LowerIsBetter;

constexpr std::array kTestMetrics = {
    MetricDefinition{"accuracy", "accuracy", "", kHigher, true, true, "fraction",
                     "share of rows whose first largest output is the label", "-"},
    MetricDefinition{"nll", "nll", "", kLower, true, true, "nats",
                     "mean of -log p(label), by log-sum-exp in double", "-"},
    MetricDefinition{"brier", "brier", "", kLower, true, true, "squared probability, 0 to 2",
                     "mean over rows of the sum over classes of (p - one-hot)^2", "Brier 1950"},
    MetricDefinition{"ece_guo2017", "ece", "guo2017", kLower, true, true, "fraction",
                     "expected calibration error, 15 bins", "see convention"},
    MetricDefinition{"ece_noise2026", "ece", "noise2026", kLower, true, true, "fraction",
                     "expected calibration error, 10 bins", "see convention"},
    MetricDefinition{"mce_guo2017", "mce", "guo2017", kLower, true, true, "fraction",
                     "largest gap of a non-empty bin", "see convention"},
    MetricDefinition{"mce_noise2026", "mce", "noise2026", kLower, true, false, "fraction",
                     "largest gap of a bin, empty bins included", "see convention"},
    MetricDefinition{"confidence", "confidence", "", Direction::None, false, false, "fraction",
                     "mean of the largest class probability, in double", "-"},
    MetricDefinition{"saturated_fraction", "saturated_fraction", "", Direction::None, false, false,
                     "fraction", "share of rows whose confidence is exactly 1 in float32", "-"},
};

constexpr std::array kOodMetrics = {
    MetricDefinition{"auroc_*", "auroc", "", kHigher, true, false, "fraction",
                     "P(confidence of a test row > of an OOD row) + P(equal) / 2; "
                     "in-distribution positive, max-softmax confidence in double",
                     "Hendrycks & Gimpel 2017; Mann-Whitney U / (n1 n2)"},
    MetricDefinition{"confidence_*", "confidence", "", Direction::None, false, false, "fraction",
                     "mean of the largest class probability on the OOD set, in double", "-"},
};

}  // namespace

std::string_view to_string(Direction direction) {
  switch (direction) {
    case Direction::HigherIsBetter:
      return "higher";
    case Direction::LowerIsBetter:
      return "lower";
    case Direction::None:
      return "none";
  }
  return "";
}

std::span<const MetricDefinition> test_metric_definitions() { return kTestMetrics; }
std::span<const MetricDefinition> ood_metric_definitions() { return kOodMetrics; }

std::string ood_column_part(std::string_view set_name) {
  if (set_name.starts_with(kOodPrefix)) set_name.remove_prefix(kOodPrefix.size());
  std::string part;
  for (const char c : set_name) {
    const auto byte = static_cast<unsigned char>(c);
    part += std::isalnum(byte) != 0 ? static_cast<char>(std::tolower(byte)) : '_';
  }
  return part;
}

}  // namespace calsweep::analysis
