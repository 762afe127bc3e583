#include "analysis/metrics/row_kernel.hpp"

#include <cmath>
#include <limits>

#include "analysis/metrics/vector_math.hpp"

namespace calsweep::analysis {
namespace {

using namespace vec;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

template <class Real>
struct RowPointers {
  const Real* row[kLanes];
};

/// Rows past the end repeat the last one; scale_below() keeps them out of the sums.
template <class Real>
CALSWEEP_INLINE RowPointers<Real> rows_from(const Real* values, std::int64_t first,
                                            std::int64_t n_rows, std::int64_t k) {
  RowPointers<Real> rows{};
  for (std::int64_t lane = 0; lane < kLanes; ++lane) {
    const std::int64_t row = first + lane < n_rows ? first + lane : n_rows - 1;
    rows.row[lane] = values + row * k;
  }
  return rows;
}

struct GroupSums {
  Doubles squares, entropy;
};

/// What logits and probabilities share: the per-row arrays of one group of four rows.
CALSWEEP_INLINE void store_group(const RowArrays& to, std::int64_t first, Doubles confidence,
                                 Ints predicted, GroupSums sums) {
  const Floats rounded = __builtin_convertvector(confidence, Floats);
  store(to.confidence + first, confidence);
  store(to.confidence_f32 + first, rounded);
  store(to.predicted + first, predicted);
  store(to.squares + first, sums.squares);
  store(to.confidence_units + first, units_up_to_2(confidence));
  store(to.confidence_f32_units + first, units_up_to_2(widened(rounded)));
  const Doubles entropy = select(sums.entropy > all(0.0), sums.entropy, all(0.0));
  store(to.entropy_units + first, units_up_to_64(entropy));
}

/// `scale` in the lanes that hold rows, 0 in those past the end.
CALSWEEP_INLINE Doubles scale_below(std::int64_t n_left, Doubles scale) {
  const Longs inside = Longs{0, 1, 2, 3} < Longs{n_left, n_left, n_left, n_left};
  return from_bits(inside & bits(scale));
}

/// Class by class: scales the row's exponentials to probabilities, sums their units, and marks the
/// rows above the split.
CALSWEEP_INLINE void finish_classes(const RowArrays& arrays) {
  const RowArrays to = arrays;
  const Doubles split = all(to.split);
  for (std::int64_t k = 0; k < to.n_classes; ++k) {
    double* p = to.probability + k * to.stride;
    Longs units = load<Longs>(to.class_units + k * kLanes);
    Longs above = {0, 0, 0, 0}, row = {1, 2, 4, 8};
    for (std::int64_t r = 0; r < to.n_rows; r += kLanes) {
      const Doubles scaled = load<Doubles>(p + r) * load<Doubles>(to.scale + r);
      store(p + r, scaled);
      units += units_up_to_2(scaled);
      above |= (scaled > split) & row;
      row <<= kLanes;
    }
    store(to.class_units + k * kLanes, units);
    to.above[k] = static_cast<std::uint64_t>(above[0] | above[1] | above[2] | above[3]);
  }
}

CALSWEEP_INLINE void transpose_four(const RowPointers<float>& rows, std::int64_t k, float* to,
                                    std::int64_t stride) {
  const auto a = load<Floats>(rows.row[0] + k), b = load<Floats>(rows.row[1] + k);
  const auto c = load<Floats>(rows.row[2] + k), d = load<Floats>(rows.row[3] + k);
  const Floats ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
  const Floats cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5);
  const Floats ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
  const Floats cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  store(to + k * stride, __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5));
  store(to + (k + 1) * stride, __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7));
  store(to + (k + 2) * stride, __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5));
  store(to + (k + 3) * stride, __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7));
}

/// Four rows, class by class. The last four classes may overlap those before.
CALSWEEP_INLINE void transpose_rows(const RowPointers<float>& rows, std::int64_t n_classes,
                                    float* to, std::int64_t stride) {
  if (n_classes >= kLanes) {
    for (std::int64_t k = 0; k + kLanes < n_classes; k += kLanes) {
      transpose_four(rows, k, to, stride);
    }
    transpose_four(rows, n_classes - kLanes, to, stride);
    return;
  }
  for (std::int64_t k = 0; k < n_classes; ++k) {
    store(to + k * stride, Floats{rows.row[0][k], rows.row[1][k], rows.row[2][k], rows.row[3][k]});
  }
}

struct LargestLogits {
  Floats logit;
  Ints predicted;
};

/// z: four rows, class by class.
CALSWEEP_INLINE LargestLogits largest_of(const float* z, std::int64_t n_classes,
                                         std::int64_t stride) {
  LargestLogits largest = {load<Floats>(z), Ints{0, 0, 0, 0}};
  for (std::int64_t k = 1; k < n_classes; ++k) {
    const auto at = load<Floats>(z + k * stride);
    const Ints above = at > largest.logit;
    const auto index = static_cast<std::int32_t>(k);
    largest.logit = above ? at : largest.logit;
    largest.predicted = above ? Ints{index, index, index, index} : largest.predicted;
  }
  return largest;
}

/// A logit that is not finite makes `weighted` NaN: exp gives 0 or NaN for it, and 0 times it is
/// NaN.
CALSWEEP_INLINE bool softmax_body(const float* logits, const RowArrays& arrays) {
  const RowArrays to = arrays;  // a copy nothing else points to: its members stay in registers
  Doubles spoiled = all(0.0);
  for (std::int64_t first = 0; first < to.n_rows; first += kLanes) {
    float* z = to.transposed + first;
    double* p = to.probability + first;
    transpose_rows(rows_from(logits, first, to.n_rows, to.n_classes), to.n_classes, z, to.stride);
    const auto largest = largest_of(z, to.n_classes, to.stride);
    const Doubles shift = widened(largest.logit);
    Doubles sum = all(0.0), squares = all(0.0), weighted = all(0.0);
    for (std::int64_t k = 0; k < to.n_classes; ++k) {
      const Doubles d = widened(load<Floats>(z + k * to.stride)) - shift;
      const Doubles e = exp_nonpositive(d);
      sum += e;
      squares += e * e;
      weighted += e * d;
      store(p + k * to.stride, e);
    }
    spoiled += weighted * 0.0;
    const Doubles share = 1.0 / sum;
    const Doubles log_sum = log_positive(sum);
    store(to.scale + first, scale_below(to.n_rows - first, share));
    store(to.largest_logit + first, shift);
    store(to.log_sum + first, log_sum);
    store_group(to, first, share, largest.predicted,
                {squares * (share * share), log_sum - weighted * share});
  }
  finish_classes(to);
  return spoiled[0] + spoiled[1] + spoiled[2] + spoiled[3] == 0.0;
}

template <class Real>
CALSWEEP_INLINE bool probability_body(const Real* probabilities, const RowArrays& arrays) {
  const RowArrays to = arrays;
  Longs outside = {0, 0, 0, 0};
  for (std::int64_t first = 0; first < to.n_rows; first += kLanes) {
    const auto rows = rows_from(probabilities, first, to.n_rows, to.n_classes);
    double* p = to.probability + first;
    Doubles largest = all(-1.0), squares = all(0.0), entropy = all(0.0);
    Longs predicted = {0, 0, 0, 0};
    for (std::int64_t k = 0; k < to.n_classes; ++k) {
      const Doubles at = {static_cast<double>(rows.row[0][k]), static_cast<double>(rows.row[1][k]),
                          static_cast<double>(rows.row[2][k]), static_cast<double>(rows.row[3][k])};
      const Longs inside = (at >= all(0.0)) & (at <= all(1.0));
      outside |= ~inside;
      const Doubles kept = select(inside, at, all(0.0)) + 0.0;
      store(p + k * to.stride, kept);
      const Longs above = kept > largest;
      largest = select(above, kept, largest);
      predicted = (above & k) | (~above & predicted);
      squares += kept * kept;
      const Longs positive = kept > all(0.0);
      entropy -= kept * log_positive(select(positive, kept, all(1.0)));
    }
    store(to.scale + first, scale_below(to.n_rows - first, all(1.0)));
    store_group(to, first, largest, __builtin_convertvector(predicted, Ints), {squares, entropy});
  }
  finish_classes(to);
  return (outside[0] | outside[1] | outside[2] | outside[3]) == 0;
}

CALSWEEP_INLINE void label_body(const LabelArrays& a) {
  for (std::int64_t r = 0; r < a.n_rows; r += kLanes) {
    const Doubles p = load<Doubles>(a.label_probability + r);
    Doubles nll;
    if (a.log_sum != nullptr) {
      nll = load<Doubles>(a.log_sum + r) - load<Doubles>(a.label_margin + r);
    } else {
      const Longs positive = p > all(0.0);
      nll = -log_positive(select(positive, p, all(1.0)));
      nll = select(positive, nll + 0.0, all(kInfinity));
    }
    store(a.nll + r, nll);
    const Longs small = nll <= all(64.0);
    store(a.nll_units + r, units_up_to_64(select(small, nll, all(0.0))));
    const Doubles brier = (load<Doubles>(a.squares + r) - (p + p)) + 1.0;
    store(a.brier_units + r, units_up_to_2(select(brier > all(0.0), brier, all(0.0))));
  }
}

}  // namespace

CALSWEEP_CLONES bool softmax_block(const float* logits, const RowArrays& to) {
  return softmax_body(logits, to);
}
CALSWEEP_CLONES bool probability_block(const float* probabilities, const RowArrays& to) {
  return probability_body(probabilities, to);
}
CALSWEEP_CLONES bool probability_block(const double* probabilities, const RowArrays& to) {
  return probability_body(probabilities, to);
}
CALSWEEP_CLONES void label_block(const LabelArrays& arrays) { label_body(arrays); }

bool softmax_block_baseline(const float* logits, const RowArrays& to) {
  return softmax_body(logits, to);
}
bool probability_block_baseline(const float* probabilities, const RowArrays& to) {
  return probability_body(probabilities, to);
}
void label_block_baseline(const LabelArrays& arrays) { label_body(arrays); }

double kernel_exp(double x) { return exp_nonpositive(all(x))[0]; }
double kernel_log(double x) { return log_positive(all(x))[0]; }

}  // namespace calsweep::analysis
