// The kernel's functions (row_kernel.hpp), compiled once in each unit that includes this file:
// every one has internal linkage. For row_kernel*.cpp only.
//
// A block is gone through in phases, each over all its rows: few values are alive at a time, and
// the steps of different rows, which do not wait for each other, lie close together.
#pragma once

#include "analysis/metrics/row_kernel.hpp"
#include "analysis/metrics/vector_math.hpp"

namespace calsweep::analysis {
namespace {

using namespace vec;

template <class Real, int n>
struct RowPointers {
  const Real* row[n];
};

/// Rows past the end repeat the last one; inside() keeps them out of the sums.
template <int n, class Real>
CALSWEEP_INLINE RowPointers<Real, n> rows_from(const Real* values, std::int64_t first,
                                               std::int64_t n_rows, std::int64_t k) {
  RowPointers<Real, n> rows{};
  for (std::int64_t lane = 0; lane < n; ++lane) {
    const std::int64_t row = first + lane < n_rows ? first + lane : n_rows - 1;
    rows.row[lane] = values + row * k;
  }
  return rows;
}

/// All ones in the lanes that hold rows, 0 in those past the end.
CALSWEEP_INLINE Longs inside(std::int64_t n_left) {
  return Longs{0, 1, 2, 3} < Longs{n_left, n_left, n_left, n_left};
}
CALSWEEP_INLINE std::int64_t sum_of(Longs x) { return x[0] + x[1] + x[2] + x[3]; }

struct UnitSums {
  Longs confidence = {0, 0, 0, 0}, entropy = {0, 0, 0, 0};
};

/// What logits and probabilities share: the per-row arrays of one group of four rows.
CALSWEEP_INLINE void store_group(const RowArrays& to, std::int64_t first, Doubles confidence,
                                 Doubles entropy, UnitSums& sums) {
  const Longs rows = inside(to.n_rows - first);
  const Floats in_f32 = rounded(confidence);
  store(to.confidence + first, confidence);
  store(to.confidence_f32 + first, in_f32);
  store(to.confidence_f32_units + first, units_up_to_2(widened(in_f32)));
  sums.confidence += rows & units_up_to_2(confidence);
  sums.entropy += rows & units_up_to_64(select(entropy > all(0.0), entropy, all(0.0)));
}

/// Class by class: scales the row's exponentials to probabilities, sums their units, and marks the
/// rows above the split.
CALSWEEP_INLINE void finish_classes(const RowArrays& to) {
  const Doubles split = all(to.split);
  for (std::int64_t k = 0; k < to.n_classes; ++k) {
    double* p = to.probability + k * to.stride;
    Longs units = load<Longs>(to.class_units + k * kLanes);
    std::uint64_t above = 0;
    for (std::int64_t r = 0; r < to.n_rows; r += kLanes) {
      const Doubles scaled = load<Doubles>(p + r) * load<Doubles>(to.scale + r);
      store(p + r, scaled);
      units += units_up_to_2(scaled);
      above |= signs(scaled > split) << r;
    }
    store(to.class_units + k * kLanes, units);
    to.above[k] = above;
  }
}

/// Four classes of eight rows.
CALSWEEP_INLINE void transpose_four(const RowPointers<float, kWideLanes>& rows, std::int64_t k,
                                    float* to, std::int64_t stride) {
  WideFloats four[4];
  for (int r = 0; r < 4; ++r) {
    four[r] = __builtin_shufflevector(load<Floats>(rows.row[r] + k),
                                      load<Floats>(rows.row[r + 4] + k), 0, 1, 2, 3, 4, 5, 6, 7);
  }
  const auto& [a, b, c, d] = four;
  const WideFloats ab_low = __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13);
  const WideFloats cd_low = __builtin_shufflevector(c, d, 0, 8, 1, 9, 4, 12, 5, 13);
  const WideFloats ab_high = __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15);
  const WideFloats cd_high = __builtin_shufflevector(c, d, 2, 10, 3, 11, 6, 14, 7, 15);
  store(to + k * stride, __builtin_shufflevector(ab_low, cd_low, 0, 1, 8, 9, 4, 5, 12, 13));
  store(to + (k + 1) * stride, __builtin_shufflevector(ab_low, cd_low, 2, 3, 10, 11, 6, 7, 14, 15));
  store(to + (k + 2) * stride, __builtin_shufflevector(ab_high, cd_high, 0, 1, 8, 9, 4, 5, 12, 13));
  store(to + (k + 3) * stride,
        __builtin_shufflevector(ab_high, cd_high, 2, 3, 10, 11, 6, 7, 14, 15));
}

/// Eight rows, class by class. The last four classes may overlap those before.
CALSWEEP_INLINE void transpose_rows(const RowPointers<float, kWideLanes>& rows,
                                    std::int64_t n_classes, float* to, std::int64_t stride) {
  if (n_classes >= 4) {
    for (std::int64_t k = 0; k + 4 < n_classes; k += 4) transpose_four(rows, k, to, stride);
    transpose_four(rows, n_classes - 4, to, stride);
    return;
  }
  for (std::int64_t k = 0; k < n_classes; ++k) {
    for (std::int64_t r = 0; r < kWideLanes; ++r) to[k * stride + r] = rows.row[r][k];
  }
}

/// The next block's logits, so that they arrive while this block is computed: a block is read in
/// one go, then not at all for a while, which the hardware's own prefetching does not see through.
CALSWEEP_INLINE void ask_for_next(const float* logits, const RowArrays& to) {
  const std::int64_t size = to.n_rows * to.n_classes;
  for (std::int64_t i = 0; i < size; i += 16) __builtin_prefetch(logits + size + i);
}

/// Turns the rows and finds the largest logit of each.
CALSWEEP_INLINE void find_largest(const float* logits, const RowArrays& to) {
  for (std::int64_t first = 0; first < to.n_rows; first += kWideLanes) {
    float* z = to.logit + first;
    transpose_rows(rows_from<kWideLanes>(logits, first, to.n_rows, to.n_classes), to.n_classes, z,
                   to.stride);
    auto largest = load<WideFloats>(z);
    WideInts predicted = {0, 0, 0, 0, 0, 0, 0, 0};
    for (std::int64_t k = 1; k < to.n_classes; ++k) {
      const auto at = load<WideFloats>(z + k * to.stride);
      const WideInts above = at > largest;
      largest = above ? at : largest;
      predicted = above ? WideInts{} + static_cast<std::int32_t>(k) : predicted;
    }
    store(to.largest_logit + first, widened(__builtin_shufflevector(largest, largest, 0, 1, 2, 3)));
    store(to.largest_logit + first + kLanes,
          widened(__builtin_shufflevector(largest, largest, 4, 5, 6, 7)));
    store(to.predicted + first, predicted);
  }
}

/// exp(z - largest) of every class, and per row their sum (into scale), the sum of their squares
/// and their sum weighted by z - largest.
CALSWEEP_INLINE void sum_exponentials(const RowArrays& to) {
  for (std::int64_t first = 0; first < to.n_rows; first += kLanes) {
    const float* z = to.logit + first;
    double* p = to.probability + first;
    const auto largest = load<Doubles>(to.largest_logit + first);
    Doubles sum = all(0.0), squares = all(0.0), weighted = all(0.0);
    for (std::int64_t k = 0; k < to.n_classes; ++k) {
      const Doubles d = widened(load<Floats>(z + k * to.stride)) - largest;
      const Doubles e = exp_nonpositive(d);
      sum += e;
      squares = fused(e, e, squares);
      weighted = fused(e, d, weighted);
      store(p + k * to.stride, e);
    }
    store(to.scale + first, sum);
    store(to.squares + first, squares);
    store(to.weighted + first, weighted);
  }
}

/// A logit that is not finite makes `weighted` NaN: exp gives 0 or NaN for it, and 0 times it is
/// NaN.
CALSWEEP_INLINE bool finish_rows(const RowArrays& to) {
  Doubles spoiled = all(0.0);
  UnitSums sums;
  for (std::int64_t first = 0; first < to.n_rows; first += kLanes) {
    const auto sum = load<Doubles>(to.scale + first);
    const auto weighted = load<Doubles>(to.weighted + first);
    spoiled += weighted * 0.0;
    const Doubles share = 1.0 / sum;
    const Doubles log_sum = log_normal(sum, all(0.0));
    store(to.squares + first, load<Doubles>(to.squares + first) * (share * share));
    store(to.log_sum + first, log_sum);
    store(to.scale + first, from_bits(inside(to.n_rows - first) & bits(share)));
    store_group(to, first, share, log_sum - weighted * share, sums);
  }
  *to.units = {sum_of(sums.confidence), sum_of(sums.entropy)};
  return spoiled[0] + spoiled[1] + spoiled[2] + spoiled[3] == 0.0;
}

bool softmax(const float* logits, const RowArrays& arrays) {
  const RowArrays to = arrays;  // a copy nothing else points to: its members stay in registers
  find_largest(logits, to);
  ask_for_next(logits, to);
  sum_exponentials(to);
  const bool fine = finish_rows(to);
  finish_classes(to);
  return fine;
}

template <class Real>
bool probabilities(const Real* values, const RowArrays& arrays) {
  const RowArrays to = arrays;
  Longs outside = {0, 0, 0, 0};
  UnitSums sums;
  for (std::int64_t first = 0; first < to.n_rows; first += kLanes) {
    const auto rows = rows_from<kLanes>(values, first, to.n_rows, to.n_classes);
    double* p = to.probability + first;
    Doubles largest = all(-1.0), squares = all(0.0), entropy = all(0.0);
    Longs predicted = {0, 0, 0, 0};
    for (std::int64_t k = 0; k < to.n_classes; ++k) {
      const Doubles at = {static_cast<double>(rows.row[0][k]), static_cast<double>(rows.row[1][k]),
                          static_cast<double>(rows.row[2][k]), static_cast<double>(rows.row[3][k])};
      const Longs allowed = (at >= all(0.0)) & (at <= all(1.0));
      outside |= ~allowed;
      const Doubles kept = select(allowed, at, all(0.0)) + 0.0;
      store(p + k * to.stride, kept);
      const Longs above = kept > largest;
      largest = select(above, kept, largest);
      predicted = (above & k) | (~above & predicted);
      squares = fused(kept, kept, squares);
      const Longs positive = kept > all(0.0);
      entropy -= kept * log_positive(select(positive, kept, all(1.0)));
    }
    store(to.scale + first, from_bits(inside(to.n_rows - first) & all_bits(1.0)));
    store(to.predicted + first, __builtin_convertvector(predicted, Ints));
    store(to.squares + first, squares);
    store_group(to, first, largest, entropy, sums);
  }
  *to.units = {sum_of(sums.confidence), sum_of(sums.entropy)};
  finish_classes(to);
  return (outside[0] | outside[1] | outside[2] | outside[3]) == 0;
}

CALSWEEP_INLINE Doubles nll_of(const LabelArrays& a, std::int64_t first, Doubles p) {
  if (a.log_sum != nullptr) {
    const Doubles margin =
        widened(load<Floats>(a.label_logit + first)) - load<Doubles>(a.largest_logit + first);
    return load<Doubles>(a.log_sum + first) - margin;
  }
  const Longs positive = p > all(0.0);
  const Doubles nll = 0.0 - log_positive(select(positive, p, all(1.0)));
  return select(positive, nll, all(__builtin_inf()));
}

LabelUnits labels(const LabelArrays& arrays) {
  const LabelArrays a = arrays;
  Longs brier_sum = {0, 0, 0, 0}, nll_sum = {0, 0, 0, 0}, large = {0, 0, 0, 0};
  Longs bit = {1, 2, 4, 8};
  for (std::int64_t first = 0; first < a.n_rows; first += kLanes) {
    const Longs rows = inside(a.n_rows - first);
    const Doubles p = load<Doubles>(a.label_probability + first);
    const Doubles nll = nll_of(a, first, p);
    store(a.nll + first, nll);
    const Longs nll_units = units_up_to_64(select(nll <= all(64.0), nll, all(0.0)));
    store(a.nll_units + first, nll_units);
    const Longs is_large = nll > all(32.0);
    nll_sum += rows & ~is_large & nll_units;
    large |= rows & is_large & bit;
    bit <<= kLanes;
    const Doubles brier = (load<Doubles>(a.squares + first) - (p + p)) + 1.0;
    brier_sum += rows & units_up_to_2(select(brier > all(0.0), brier, all(0.0)));
  }
  return {sum_of(brier_sum), sum_of(nll_sum),
          static_cast<std::uint64_t>(large[0] | large[1] | large[2] | large[3])};
}

/// Replaces every x by function(x), four at a time; the last ones beside copies of the last.
template <class Function>
CALSWEEP_INLINE void replace_each(double* x, std::size_t n, Function function) {
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(x + i, function(load<Doubles>(x + i)));
  if (i == n) return;
  double last[kLanes] = {x[n - 1], x[n - 1], x[n - 1], x[n - 1]};
  for (std::size_t lane = 0; i + lane < n; ++lane) last[lane] = x[i + lane];
  store(last, function(load<Doubles>(last)));
  for (std::size_t lane = 0; i + lane < n; ++lane) x[i + lane] = last[lane];
}

void exp_of(double* x, std::size_t n) {
  replace_each(
      x, n, [](Doubles at) __attribute__((always_inline)) { return exp_nonpositive(at); });
}
void log_of(double* x, std::size_t n) {
  replace_each(
      x, n, [](Doubles at) __attribute__((always_inline)) { return log_positive(at); });
}

constexpr RowKernel kRowKernel = {
    softmax, probabilities<float>, probabilities<double>, labels, exp_of, log_of};

}  // namespace
}  // namespace calsweep::analysis
