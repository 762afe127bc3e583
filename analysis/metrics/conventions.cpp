#include "analysis/metrics/conventions.hpp"

#include <fmt/format.h>

#include <array>
#include <string>

#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

constexpr std::array kConventions = {
    Convention{
        "guo2017", 15, BinInterval::LeftOpen, BinEdges::TorchLinspace, BinConfidence::Mean,
        Denominator::AllRows, EmptyBins::Skipped,
        "Equal-width bins (a, b]; a bin's confidence is the mean of its float32 confidences; "
        "edges are torch.linspace in float32; confidence 0 falls into no bin but stays in n; "
        "ECE = sum over bins of count / n * |accuracy - confidence|; MCE = maximum over "
        "non-empty bins.",
        "Guo et al. 2017 (ICML), eq. 3 and 5; _ECELoss of the authors' temperature_scaling"},
    Convention{
        "noise2026", 10, BinInterval::RightOpen, BinEdges::Products, BinConfidence::Midpoint,
        Denominator::BinnedRows, EmptyBins::AccuracyZero,
        "Equal-width bins [a, b); a bin's confidence is its midpoint; edges are the products "
        "i * (1 / B) compared as float32; rows whose float32 confidence is exactly 1 leave "
        "numerator and denominator; MCE counts an empty bin as |0 - midpoint|.",
        "Cheon & Paik 2026 (Nat. Mach. Intell. 8, 602-613), the published code"},
};

}  // namespace

std::span<const Convention> conventions() { return kConventions; }

const Convention& find_convention(std::string_view name) {
  std::string known;
  for (const auto& convention : kConventions) {
    if (convention.name == name) return convention;
    known += (known.empty() ? "" : ", ") + std::string(convention.name);
  }
  throw UsageError(
      fmt::format("no calibration-error convention is called \"{}\"; there are: {}", name, known));
}

std::vector<float> bin_edges(const Convention& convention, std::int64_t n_bins) {
  CALSWEEP_CHECK(n_bins >= 1, "at least one bin");
  std::vector<float> edges(static_cast<std::size_t>(n_bins) + 1);
  const float step = 1.0F / static_cast<float>(n_bins);
  const double width = 1.0 / static_cast<double>(n_bins);
  for (std::int64_t i = 0; i <= n_bins; ++i) {
    float& edge = edges[static_cast<std::size_t>(i)];
    if (convention.edges == BinEdges::Products) {
      edge = static_cast<float>(static_cast<double>(i) * width);
    } else if (i < (n_bins + 1) / 2) {
      edge = step * static_cast<float>(i);
    } else {
      const float below_one = step * static_cast<float>(n_bins - i);
      edge = 1.0F - below_one;
    }
  }
  return edges;
}

}  // namespace calsweep::analysis
