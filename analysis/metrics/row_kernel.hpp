// The arithmetic of the one pass over the rows, in blocks of rows laid out class by class. Knows no
// counts: it turns logits or probabilities into per-row terms, already rounded to units of 2^-50
// (fixed_sum.hpp). Compiled for AVX2 with fused multiply-add and for any machine; the bits are the
// same (row_kernel_test).
#pragma once

#include <cstddef>
#include <cstdint>

namespace calsweep::analysis {

/// Sums over a block's rows, in units of 2^-50.
struct BlockUnits {
  std::int64_t confidence, entropy;
};

/// Where a block of `n_rows` rows of `n_classes` goes. Arrays over rows have `stride` elements,
/// arrays over classes and rows [n_classes, stride]; stride is a multiple of 8 and >= n_rows.
/// Elements from n_rows to the next multiple of 8 are filled with whatever. At most 64 rows.
struct RowArrays {
  std::int64_t n_rows, n_classes, stride;
  float* logit;           ///< [n_classes, stride]; logits only
  double* probability;    ///< [n_classes, stride]
  double* largest_logit;  ///< per row; logits only
  double* log_sum;        ///< log of the sum of exp(z - largest); logits only
  double* confidence;     ///< largest probability
  float* confidence_f32;  ///< rounded
  std::int64_t* confidence_f32_units;
  std::int32_t* predicted;    ///< first of the largest
  double* squares;            ///< sum of squared probabilities
  std::int64_t* class_units;  ///< [n_classes, 4]: sums of p are added, in four parts
  double* scale;              ///< scratch, per row
  double* weighted;           ///< scratch, per row
  BlockUnits* units;
  double split;
  std::uint64_t* above;  ///< per class: bit r is set where row r's p is above the split
};

/// What -log p of the label and the squared distance to the label's one-hot vector are made from.
/// All arrays have room for the next multiple of 4.
struct LabelArrays {
  std::int64_t n_rows;
  const double* label_probability;
  const float* label_logit;     ///< with log_sum
  const double* largest_logit;  ///< with log_sum
  const double* log_sum;        ///< null: -log of the label's probability itself
  const double* squares;        ///< of the row's probabilities
  double* nll;                  ///< infinite where the probability is 0
  std::int64_t* nll_units;      ///< meaningless where nll is above 64
};

/// Sums over a block's labelled rows, in units of 2^-50.
struct LabelUnits {
  std::int64_t brier;
  std::int64_t nll;     ///< of the rows that are not large
  std::uint64_t large;  ///< bit r is set where row r's nll is above 32: 64 rows below fit 64 bits
};

/// The kernel as compiled for one set of instructions.
struct RowKernel {
  /// Softmax in double with the row maximum subtracted. logits: [n_rows, n_classes] row-major.
  /// False if a logit is NaN or infinite; the arrays are then void.
  bool (*softmax)(const float* logits, const RowArrays& to);
  /// Probabilities as they are. False if one is not in [0, 1].
  bool (*probabilities_f32)(const float* probabilities, const RowArrays& to);
  bool (*probabilities_f64)(const double* probabilities, const RowArrays& to);
  LabelUnits (*labels)(const LabelArrays& arrays);
  /// Replaces each of n x <= 0 by exp(x): 0 below -708, 1 at 0.
  void (*exp)(double* x, std::size_t n);
  /// Replaces each of n finite x > 0 by its natural logarithm.
  void (*log)(double* x, std::size_t n);
};

/// The fastest one for this machine.
const RowKernel& row_kernel();
/// For any machine.
const RowKernel& baseline_row_kernel();
/// With AVX2 and fused multiply-add; null where the compiler's target has none. Only to be called
/// on a machine with both.
const RowKernel* avx2_row_kernel();

}  // namespace calsweep::analysis
