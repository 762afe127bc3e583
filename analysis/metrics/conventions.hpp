// The registry of calibration-error conventions: what exactly "ECE" means, by name.
//
// Libraries differ in interval side, bin edges, treatment of confidence 1, what stands for a bin's
// confidence, and empty bins. A convention is a row of answers to these questions; the arithmetic
// in calibration_error.cpp only reads the answers. The registry is written to results.db
// (`convention`).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace calsweep::analysis {

enum class BinInterval { LeftOpen, RightOpen };  ///< (a, b] or [a, b)
enum class BinEdges {
  TorchLinspace,  ///< torch.linspace(0, 1, B + 1) in float32: filled from both ends
  Products        ///< i * (1 / B) in double, compared as float32
};
enum class BinConfidence { Mean, Midpoint };
enum class Denominator {
  AllRows,    ///< rows that fall into no bin still count
  BinnedRows  ///< only rows that fall into a bin
};
enum class EmptyBins { Skipped, AccuracyZero };  ///< in the maximum (MCE)

struct Convention {
  std::string_view name;
  std::int64_t default_bins;
  BinInterval interval;
  BinEdges edges;
  BinConfidence confidence;
  Denominator denominator;
  EmptyBins empty_bins;
  std::string_view rule;  ///< in words, for results.db and the documentation
  std::string_view source;
};

/// Sorted by name.
std::span<const Convention> conventions();
/// Throws UsageError listing the names there are.
const Convention& find_convention(std::string_view name);

/// The n_bins + 1 edges as the convention's source has them, in float32. n_bins >= 1.
std::vector<float> bin_edges(const Convention& convention, std::int64_t n_bins);

}  // namespace calsweep::analysis
