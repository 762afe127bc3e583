#include "analysis/metrics/row_kernel.hpp"

#include <cmath>
#include <limits>

#include "analysis/metrics/vector_math.hpp"

// One body per kernel, compiled twice: for the machine at hand and for every x86-64.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__)
#define CALSWEEP_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define CALSWEEP_CLONES
#endif

namespace calsweep::analysis {
namespace {

using namespace vec;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// All ones in the lanes that hold rows.
CALSWEEP_INLINE Longs lanes_below(std::int64_t n_left) {
  return Longs{0, 1, 2, 3} < Longs{n_left, n_left, n_left, n_left};
}

template <class Real>
struct RowPointers {
  const Real* row[kLanes];
};

/// Rows past the end repeat the last one; lanes_below() keeps them out of the sums.
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

CALSWEEP_INLINE void add_class_units(const RowArrays& to, std::int64_t k, Doubles p, Longs lanes) {
  std::int64_t* at = to.class_units + k * kLanes;
  store(at, load<Longs>(at) + (units_up_to_2(p) & lanes));
}

CALSWEEP_INLINE bool softmax_body(const float* logits, const RowArrays& arrays) {
  const RowArrays to = arrays;  // a copy nothing else points to: its members stay in registers
  Floats spoiled = {0.0F, 0.0F, 0.0F, 0.0F};
  for (std::int64_t first = 0; first < to.n_rows; first += kLanes) {
    const auto rows = rows_from(logits, first, to.n_rows, to.n_classes);
    const Longs lanes = lanes_below(to.n_rows - first);
    float* z = to.transposed + first;
    double* p = to.probability + first;
    Floats largest = {rows.row[0][0], rows.row[1][0], rows.row[2][0], rows.row[3][0]};
    Ints predicted = {0, 0, 0, 0};
    for (std::int64_t k = 0; k < to.n_classes; ++k) {
      const Floats at = {rows.row[0][k], rows.row[1][k], rows.row[2][k], rows.row[3][k]};
      store(z + k * to.stride, at);
      const Ints above = at > largest;
      const auto index = static_cast<std::int32_t>(k);
      largest = reinterpret_cast<Floats>((above & reinterpret_cast<Ints>(at)) |
                                         (~above & reinterpret_cast<Ints>(largest)));
      predicted = (above & index) | (~above & predicted);
      spoiled += at * 0.0F;
    }
    const Doubles shift = widened(largest);
    Doubles sum = all(0.0), squares = all(0.0), weighted = all(0.0);
    for (std::int64_t k = 0; k < to.n_classes; ++k) {
      const Doubles d = widened(load<Floats>(z + k * to.stride)) - shift;
      const Doubles e = exp_nonpositive(d);
      sum += e;
      squares += e * e;
      weighted += e * d;
      store(p + k * to.stride, e);
    }
    const Doubles share = 1.0 / sum;
    for (std::int64_t k = 0; k < to.n_classes; ++k) {
      const Doubles scaled = load<Doubles>(p + k * to.stride) * share;
      store(p + k * to.stride, scaled);
      add_class_units(to, k, scaled, lanes);
    }
    const Doubles log_sum = log_positive(sum);
    store(to.largest_logit + first, shift);
    store(to.log_sum + first, log_sum);
    store_group(to, first, share, predicted,
                {squares * (share * share), log_sum - weighted * share});
  }
  return spoiled[0] + spoiled[1] + spoiled[2] + spoiled[3] == 0.0F;
}

template <class Real>
CALSWEEP_INLINE bool probability_body(const Real* probabilities, const RowArrays& arrays) {
  const RowArrays to = arrays;
  Longs outside = {0, 0, 0, 0};
  for (std::int64_t first = 0; first < to.n_rows; first += kLanes) {
    const auto rows = rows_from(probabilities, first, to.n_rows, to.n_classes);
    const Longs lanes = lanes_below(to.n_rows - first);
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
      add_class_units(to, k, kept, lanes);
      const Longs above = kept > largest;
      largest = select(above, kept, largest);
      predicted = (above & k) | (~above & predicted);
      squares += kept * kept;
      const Longs positive = kept > all(0.0);
      entropy -= kept * log_positive(select(positive, kept, all(1.0)));
    }
    store_group(to, first, largest, __builtin_convertvector(predicted, Ints), {squares, entropy});
  }
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
