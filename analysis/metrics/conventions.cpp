#include "analysis/metrics/conventions.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

constexpr auto kLeftOpen = BinInterval::LeftOpen;
constexpr auto kRightOpen = BinInterval::RightOpen;

/// Mean confidences, all rows in the denominator, empty bins skipped, MCE the largest gap.
constexpr Convention usual(std::string_view name, std::int64_t default_bins, BinRule bin_rule,
                           BinInterval interval, AtOne at_one, AtZero at_zero,
                           std::string_view rule, std::string_view source) {
  return {name,
          default_bins,
          bin_rule,
          interval,
          at_one,
          at_zero,
          BinConfidence::Mean,
          Denominator::AllRows,
          EmptyBins::Skipped,
          Maximum::Gap,
          rule,
          source};
}

constexpr std::array kConventions = {
    usual("exact", 15, BinRule::Exact, kLeftOpen, AtOne::LastBin, AtZero::FirstBin,
          "Equal-width bins (a, b], the first closed at 0; the float32 confidence is compared with "
          "the rational i / B, without rounding; a bin's confidence is its mean; every row is in a "
          "bin; empty bins are skipped.",
          "calsweep: the definition of Guo et al. 2017 (eq. 3 and 5) without rounded edges"),
    usual("exact-left-closed", 15, BinRule::Exact, kRightOpen, AtOne::LastBin, AtZero::FirstBin,
          "As `exact` with bins [a, b), the last closed at 1.",
          "calsweep: the same definition, closed on the other side"),
    usual("focal2020", 15, BinRule::CeilProduct, kLeftOpen, AtOne::LastBin, AtZero::FirstBin,
          "Bin ceil(B * c - 1) in double, hence (a, b]; mean confidence; empty bins are skipped; "
          "confidence 0, for which the source fails, goes into the first bin.",
          "Mukhoti et al. 2020 (NeurIPS), Metrics/metrics.py of focal_calibration"),
    Convention{
        "fortuna", 10, BinRule::RowsLinspace, kLeftOpen, AtOne::LastBin, AtZero::FirstBin,
        BinConfidence::Mean, Denominator::AllRows, EmptyBins::Skipped, Maximum::CountTimesGap,
        "B float32 thresholds evenly spaced from 1 / n to 1, n = number of rows: bins up to the "
        "first threshold, then (a, b]; mean confidence; the source's \"MCE\" is the largest "
        "product of a bin's count and gap, not a gap.",
        "fortuna/metric/classification.py; other releases space from 1 / K and square the gaps"},
    usual("guo2017", 15, BinRule::TorchLinspace, kLeftOpen, AtOne::LastBin, AtZero::NoBin,
          "Equal-width bins (a, b]; a bin's confidence is the mean of its float32 confidences; "
          "edges are torch.linspace in float32; confidence 0 falls into no bin but stays in n; "
          "ECE = sum over bins of count / n * |accuracy - confidence|; MCE = maximum over "
          "non-empty bins.",
          "Guo et al. 2017 (ICML), eq. 3 and 5; _ECELoss of the authors' temperature_scaling"),
    usual("keras-stream", 15, BinRule::FloorProduct, kRightOpen, AtOne::LastBin, AtZero::FirstBin,
          "Bin floor(B * c) in float32, hence [a, b) with the last closed; mean confidence; empty "
          "bins are skipped. The source adds up in float32, which stops at 2^24 rows; ours does "
          "not.",
          "robustness_metrics, _KerasECEMetric (as in edward2 and uncertainty-baselines)"),
    usual("kumar2019-ew", 15, BinRule::Quotients, kLeftOpen, AtOne::LastBin, AtZero::FirstBin,
          "Equal-width bins (a, b] with double edges i / B, the first closed at 0; mean "
          "confidence; empty bins are skipped.",
          "Kumar et al. 2019 (NeurIPS), get_ece of verified_calibration"),
    usual("netcal", 10, BinRule::Linspace, kRightOpen, AtOne::LastBin, AtZero::FirstBin,
          "Bins [a, b) with double edges i * (1 / B), the last closed; mean confidence; empty bins "
          "are skipped. The source counts rows with these edges but averages with float32 ones, so "
          "that float32 confidences on an edge are counted in one bin and averaged in another; "
          "here one partition serves both. Its clipping to [2.2e-16, 1 - 2.2e-16] changes no bin.",
          "Kueppers et al. 2020 (CVPR workshops), netcal/metrics/Miscalibration.py"),
    usual("nixon2019", 30, BinRule::Linspace, kRightOpen, AtOne::OwnBin, AtZero::FirstBin,
          "numpy.digitize on the upper edges i * (1 / B) in double, hence [a, b), and confidence 1 "
          "in a bin B + 1 of its own; mean confidence (the source adds 2.2e-16 to the counts); "
          "empty bins are skipped.",
          "Nixon et al. 2019 (CVPR workshops), GeneralCalibrationError of robustness_metrics"),
    Convention{
        "noise2026", 10, BinRule::LinspaceFloat32, kRightOpen, AtOne::Dropped, AtZero::FirstBin,
        BinConfidence::Midpoint, Denominator::BinnedRows, EmptyBins::AccuracyZero, Maximum::Gap,
        "Equal-width bins [a, b); a bin's confidence is its midpoint; edges are the products "
        "i * (1 / B) compared as float32; rows whose float32 confidence is exactly 1 leave "
        "numerator and denominator; MCE counts an empty bin as |0 - midpoint|.",
        "Cheon & Paik 2026 (Nat. Mach. Intell. 8, 602-613), the published code"},
    Convention{
        "openood", 15, BinRule::LinspaceFloat32, kRightOpen, AtOne::Dropped, AtZero::FirstBin,
        BinConfidence::Mean, Denominator::BinnedRows, EmptyBins::Skipped, Maximum::Gap,
        "Bins [a, b) with edges i * (1 / B) compared as float32; mean confidence; rows whose "
        "float32 confidence is exactly 1 leave numerator and denominator. The source applies this "
        "rule to the largest logit; here it is applied to the largest probability.",
        "Yang et al. 2022, OpenOOD, openood/evaluators/ece_evaluator.py"},
    usual("relplot-binned", 10, BinRule::FloorQuotient, kRightOpen, AtOne::OwnBin, AtZero::FirstBin,
          "Bin floor(c / (1 / B)) in double, hence [a, b), and confidence 1 in a bin of its own; "
          "sums of residuals, which is the mean confidence; empty bins contribute nothing.",
          "Blasiok & Nakkiran 2023, binnedECE of relplot"),
    usual("sklearn", 5, BinRule::Linspace, kLeftOpen, AtOne::LastBin, AtZero::FirstBin,
          "Bins (a, b] with double edges i * (1 / B), the first closed at 0; mean confidence; "
          "empty bins are removed. The source draws a curve; ECE and MCE here are those of its "
          "points.",
          "sklearn.calibration.calibration_curve, strategy \"uniform\""),
    usual("torchmetrics", 15, BinRule::TorchLinspace, kRightOpen, AtOne::OwnBin, AtZero::FirstBin,
          "Bins [a, b) with torch.linspace edges in float32, and confidence 1 in a bin B + 1 of "
          "its own; mean confidence; empty bins contribute 0. The source adds up in float32; ours "
          "does not.",
          "torchmetrics/functional/classification/calibration_error.py"),
};

std::string_view interval_in_words(const Convention& convention) {
  return convention.interval == kLeftOpen ? "(a, b]" : "[a, b)";
}

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

std::vector<std::int64_t> registered_bins(const Convention& convention) {
  if (convention.bin_rule == BinRule::RowsLinspace) return {};
  std::vector<std::int64_t> bins = {10, 15, 20};
  const auto at = std::lower_bound(bins.begin(), bins.end(), convention.default_bins);
  if (at == bins.end() || *at != convention.default_bins) bins.insert(at, convention.default_bins);
  return bins;
}

std::string edges_in_words(const Convention& convention) {
  const auto edges = [&]() -> std::string_view {
    switch (convention.bin_rule) {
      case BinRule::TorchLinspace:
        return "torch.linspace in float32";
      case BinRule::Linspace:
        return "i * (1 / B) in double";
      case BinRule::LinspaceFloat32:
        return "i * (1 / B) as float32";
      case BinRule::Quotients:
        return "i / B in double";
      case BinRule::RowsLinspace:
        return "B thresholds from 1 / n to 1 in float32";
      case BinRule::FloorProduct:
        return "floor(B * c) in float32";
      case BinRule::CeilProduct:
        return "ceil(B * c - 1) in double";
      case BinRule::FloorQuotient:
        return "floor(c / (1 / B)) in double";
      case BinRule::Exact:
        return "i / B exactly";
    }
    return "";
  }();
  return fmt::format("{}, {}", interval_in_words(convention), edges);
}

}  // namespace calsweep::analysis
