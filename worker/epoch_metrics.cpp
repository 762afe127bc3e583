#include "worker/epoch_metrics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace calsweep::worker {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Bin {
  std::int64_t count = 0, correct = 0;
  double confidence = 0.0;
};

struct Row {
  float confidence;
  double nll;
  bool correct;
};

Row assess(std::span<const float> logits, std::int32_t label) {
  const auto top = std::max_element(logits.begin(), logits.end());
  float sum = 0.0F;
  double sum_double = 0.0;
  for (const float logit : logits) {
    sum += std::exp(logit - *top);
    sum_double += std::exp(static_cast<double>(logit) - static_cast<double>(*top));
  }
  const auto index = static_cast<std::size_t>(label);
  const double margin = static_cast<double>(*top) - static_cast<double>(logits[index]);
  return {1.0F / sum, std::log(sum_double) + margin,
          static_cast<std::size_t>(top - logits.begin()) == index};
}

}  // namespace

std::vector<float> linspace_edges(int n) {
  const float step = 1.0F / static_cast<float>(n - 1);
  std::vector<float> edges;
  for (int i = 0; i < n; ++i) {
    edges.push_back(i < n / 2 ? step * static_cast<float>(i)
                              : 1.0F - step * static_cast<float>(n - 1 - i));
  }
  return edges;
}

double ece_guo2017(std::span<const float> confidences, std::span<const std::uint8_t> correct,
                   int n_bins) {
  if (confidences.empty()) return kNaN;
  const auto edges = linspace_edges(n_bins + 1);
  std::vector<Bin> bins(static_cast<std::size_t>(n_bins));
  for (std::size_t i = 0; i < confidences.size(); ++i) {
    // First edge not below the confidence: the upper edge of its bin; edge 0 belongs to none.
    const auto upper = std::lower_bound(edges.begin(), edges.end(), confidences[i]);
    if (upper == edges.begin() || upper == edges.end()) continue;
    Bin& bin = bins[static_cast<std::size_t>(upper - edges.begin()) - 1];
    ++bin.count;
    bin.correct += correct[i];
    bin.confidence += static_cast<double>(confidences[i]);
  }
  double error = 0.0;
  for (const Bin& bin : bins) error += std::abs(static_cast<double>(bin.correct) - bin.confidence);
  return error / static_cast<double>(confidences.size());
}

double ece_noise2026(std::span<const float> confidences, std::span<const std::uint8_t> correct,
                     int n_bins) {
  const double width = 1.0 / n_bins;
  std::vector<float> edges;
  for (int i = 0; i <= n_bins; ++i) edges.push_back(static_cast<float>(i * width));
  std::vector<Bin> bins(static_cast<std::size_t>(n_bins));
  std::int64_t kept = 0;
  for (std::size_t i = 0; i < confidences.size(); ++i) {
    const auto upper = std::upper_bound(edges.begin(), edges.end(), confidences[i]);
    if (upper == edges.begin() || upper == edges.end()) continue;
    Bin& bin = bins[static_cast<std::size_t>(upper - edges.begin()) - 1];
    ++bin.count;
    bin.correct += correct[i];
    ++kept;
  }
  if (kept == 0) return kNaN;
  double error = 0.0;
  for (std::size_t b = 0; b < bins.size(); ++b) {
    const double midpoint = static_cast<double>(b) * width + width / 2;
    error += std::abs(static_cast<double>(bins[b].correct) -
                      midpoint * static_cast<double>(bins[b].count));
  }
  return error / static_cast<double>(kept);
}

EpochMetrics epoch_metrics(std::span<const float> logits, std::span<const std::int32_t> labels,
                           std::int64_t n_classes) {
  const auto n = labels.size();
  if (n == 0) return {kNaN, kNaN, kNaN, kNaN, kNaN};
  const auto k = static_cast<std::size_t>(n_classes);
  std::vector<float> confidences(n);
  std::vector<std::uint8_t> correct(n);
  double nll = 0.0, confidence = 0.0;
  std::int64_t n_correct = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const Row row = assess(logits.subspan(i * k, k), labels[i]);
    confidences[i] = row.confidence;
    correct[i] = row.correct ? 1 : 0;
    nll += row.nll;
    confidence += static_cast<double>(row.confidence);
    n_correct += row.correct ? 1 : 0;
  }
  const auto count = static_cast<double>(n);
  return {static_cast<double>(n_correct) / count, nll / count, confidence / count,
          ece_guo2017(confidences, correct), ece_noise2026(confidences, correct)};
}

}  // namespace calsweep::worker
