// The few numbers recorded while training: accuracy, NLL, mean confidence, ECE in two conventions.
//
// They show how a network developed; the numbers to cite come from analysis/, out of the logits.
// Confidences are float32 softmax maxima, as the two conventions' own codes see them
// (CALIBRATION.md 3.1); sums are in double.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace calsweep::worker {

struct EpochMetrics {
  double accuracy, nll, confidence, ece_guo2017, ece_noise2026;
};

/// logits: [n, n_classes] row-major; labels: [n] in [0, n_classes). Ties of the largest logit go to
/// the first. NLL in nats. All NaN for n = 0; NaN logits make NLL and confidence NaN.
EpochMetrics epoch_metrics(std::span<const float> logits, std::span<const std::int32_t> labels,
                           std::int64_t n_classes);

/// sum_b n_b/n |accuracy_b - confidence_b|, bins (a, b] with the edges of torch.linspace in float32
/// (Guo et al. 2017 and their code). A confidence of 0 is in no bin but counts in n. NaN for n = 0.
double ece_guo2017(std::span<const float> confidences, std::span<const std::uint8_t> correct,
                   int n_bins = 15);

/// sum_b n_b |accuracy_b - midpoint_b| / sum_b n_b, bins [a, b), as the noise warm-up paper's code
/// has it: a confidence of exactly 1 is in no bin and leaves the denominator. NaN if none is left.
double ece_noise2026(std::span<const float> confidences, std::span<const std::uint8_t> correct,
                     int n_bins = 10);

/// torch.linspace(0, 1, n) in float32, which rounds otherwise than i / (n - 1).
std::vector<float> linspace_edges(int n);

}  // namespace calsweep::worker
