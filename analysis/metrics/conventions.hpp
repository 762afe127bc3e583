// The registry of calibration-error conventions: what exactly "ECE" means, by name.
//
// Libraries differ in interval side, bin edges and their precision, treatment of confidence 1 and
// 0, what stands for a bin's confidence, and empty bins. A convention is a row of answers to these
// questions; bin_finder.cpp and calibration_error.cpp only read the answers. The registry is
// written to results.db (`convention`). Every rule is a function of the float32 confidence of the
// predicted class and never falls when the confidence rises (confidence_cells.hpp builds on that).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace calsweep::analysis {

/// How the source finds the bin of a confidence c among B bins.
enum class BinRule {
  TorchLinspace,    ///< float32 edges of torch.linspace(0, 1, B + 1), compared in float32
  Linspace,         ///< double edges i * (1 / B) of numpy.linspace, compared in double
  LinspaceFloat32,  ///< the same edges rounded to float32, compared in float32
  Quotients,        ///< double edges i / B, compared in double
  RowsLinspace,     ///< B float32 thresholds from 1 / n to 1: they depend on the number of rows
  FloorProduct,     ///< floor(B * c) in float32
  CeilProduct,      ///< ceil(B * c - 1) in double
  FloorQuotient,    ///< floor(c / (1 / B)) in double
  Exact             ///< c against i / B without any rounding
};
enum class BinInterval { LeftOpen, RightOpen };  ///< (a, b] or [a, b)
enum class AtOne { LastBin, OwnBin, Dropped };   ///< a confidence of exactly 1
enum class AtZero { FirstBin, NoBin };           ///< a confidence of exactly 0
enum class BinConfidence { Mean, Midpoint };
enum class Denominator {
  AllRows,    ///< rows that fall into no bin still count
  BinnedRows  ///< only rows that fall into a bin
};
enum class EmptyBins { Skipped, AccuracyZero };  ///< in the maximum (MCE)
enum class Maximum { Gap, CountTimesGap };       ///< what MCE is the maximum of

struct Convention {
  std::string_view name;
  std::int64_t default_bins;
  BinRule bin_rule;
  BinInterval interval;
  AtOne at_one;
  AtZero at_zero;
  BinConfidence confidence;
  Denominator denominator;
  EmptyBins empty_bins;
  Maximum maximum;
  std::string_view rule;  ///< in words, for results.db and the documentation
  std::string_view source;
};

/// Sorted by name.
std::span<const Convention> conventions();
/// Throws UsageError listing the names there are.
const Convention& find_convention(std::string_view name);

/// The numbers of bins for which the fine cells serve a convention, ascending: 10, 15, 20 and its
/// default. Empty for a convention whose edges depend on the data.
std::vector<std::int64_t> registered_bins(const Convention& convention);

/// "(a, b], edges i / B in double": the bin rule in a few words.
std::string edges_in_words(const Convention& convention);

}  // namespace calsweep::analysis
