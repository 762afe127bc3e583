// The arithmetic of the one pass over the rows, in blocks of rows laid out class by class. Knows no
// counts: it turns logits or probabilities into per-row terms, already rounded to units of 2^-50
// (fixed_sum.hpp). Compiled for AVX2 and for any x86-64; the bits are the same (row_kernel_test).
#pragma once

#include <cstdint>

namespace calsweep::analysis {

/// Where a block of `n_rows` rows of `n_classes` goes. Arrays over rows have `stride` elements,
/// arrays over classes and rows [n_classes, stride]; stride is a multiple of 4 and >= n_rows.
/// Elements from n_rows to the next multiple of 4 are filled with whatever. At most 64 rows.
struct RowArrays {
  std::int64_t n_rows = 0, n_classes = 0, stride = 0;
  float* transposed = nullptr;        ///< scratch, [n_classes, stride]
  double* probability = nullptr;      ///< [n_classes, stride]
  double* largest_logit = nullptr;    ///< per row; logits only
  double* log_sum = nullptr;          ///< log of the sum of exp(z - largest); logits only
  double* confidence = nullptr;       ///< largest probability
  float* confidence_f32 = nullptr;    ///< rounded
  std::int32_t* predicted = nullptr;  ///< first of the largest
  double* squares = nullptr;          ///< sum of squared probabilities
  std::int64_t* confidence_units = nullptr;
  std::int64_t* confidence_f32_units = nullptr;
  std::int64_t* entropy_units = nullptr;
  std::int64_t* class_units = nullptr;  ///< [n_classes, 4]: sums of p are added, in four parts
  double* scale = nullptr;              ///< scratch, per row
  double split = 0.0;
  std::uint64_t* above = nullptr;  ///< per class: bit r is set where row r's p is above the split
};

/// Softmax in double with the row maximum subtracted. logits: [n_rows, n_classes] row-major.
/// False if a logit is NaN or infinite; the arrays are then void.
bool softmax_block(const float* logits, const RowArrays& to);
/// Probabilities as they are. False if one is not in [0, 1].
bool probability_block(const float* probabilities, const RowArrays& to);
bool probability_block(const double* probabilities, const RowArrays& to);

/// -log p of the label and the squared distance to the label's one-hot vector, as units.
struct LabelArrays {
  std::int64_t n_rows = 0;
  const double* label_probability = nullptr;
  const double* squares = nullptr;       ///< of the row's probabilities
  const double* log_sum = nullptr;       ///< null: -log of the label's probability itself
  const double* label_margin = nullptr;  ///< logit of the label minus the largest; with log_sum
  double* nll = nullptr;                 ///< infinite where the probability is 0
  std::int64_t* nll_units = nullptr;     ///< meaningless where nll is above 64
  std::int64_t* brier_units = nullptr;
};
/// All arrays have room for the next multiple of 4.
void label_block(const LabelArrays& arrays);

/// The same without AVX2, so that a test can compare the bits.
bool softmax_block_baseline(const float* logits, const RowArrays& to);
bool probability_block_baseline(const float* probabilities, const RowArrays& to);
void label_block_baseline(const LabelArrays& arrays);

/// exp and log of the kernel, for tests. x <= 0; x > 0 and finite.
double kernel_exp(double x);
double kernel_log(double x);

}  // namespace calsweep::analysis
