#include "analysis/calibrators/affine_products.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "analysis/metrics/vector_math.hpp"

// A function with this in front is compiled twice: for the machine at hand and for every x86-64.
// The bits are the same: neither fuses multiplications and additions.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__)
#define CALSWEEP_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define CALSWEEP_CLONES
#endif

namespace calsweep::analysis {
namespace {

using vec::Doubles;

constexpr std::size_t kVectors = 4;  // of rows, in registers at once
constexpr std::size_t kStrip = kVectors * vec::kLanes;

CALSWEEP_INLINE Doubles load(const double* from) { return vec::load<Doubles>(from); }

/// Scores of n_classes classes from class c on, for a packed strip of rows [k][kStrip].
template <std::size_t n_classes>
CALSWEEP_INLINE void strip_scores(const double* strip, std::size_t k, const double* weights,
                                  const double* biases, double* scores, std::size_t stride) {
  Doubles sum[n_classes][kVectors];
  for (std::size_t c = 0; c < n_classes; ++c) {
    for (std::size_t v = 0; v < kVectors; ++v) sum[c][v] = vec::all(biases[c]);
  }
  for (std::size_t j = 0; j < k; ++j) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      const Doubles z = load(strip + j * kStrip + v * vec::kLanes);
      for (std::size_t c = 0; c < n_classes; ++c) sum[c][v] += vec::all(weights[j * k + c]) * z;
    }
  }
  for (std::size_t c = 0; c < n_classes; ++c) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      vec::store(scores + c * stride + v * vec::kLanes, sum[c][v]);
    }
  }
}

/// sums[c, j] of n_c residual and n_j logit columns.
template <std::size_t n_c, std::size_t n_j>
CALSWEEP_INLINE void tile_products(const double* residuals, const double* z, std::size_t rows,
                                   std::size_t k, double* sums) {
  Doubles sum[n_c][n_j] = {};
  std::size_t row = 0;
  for (; row + vec::kLanes <= rows; row += vec::kLanes) {
    for (std::size_t j = 0; j < n_j; ++j) {
      const Doubles of_z = load(z + j * rows + row);
      for (std::size_t c = 0; c < n_c; ++c) sum[c][j] += load(residuals + c * rows + row) * of_z;
    }
  }
  for (std::size_t c = 0; c < n_c; ++c) {
    for (std::size_t j = 0; j < n_j; ++j) {
      double total = (sum[c][j][0] + sum[c][j][1]) + (sum[c][j][2] + sum[c][j][3]);
      for (std::size_t r = row; r < rows; ++r) total += residuals[c * rows + r] * z[j * rows + r];
      sums[j * k + c] += total;
    }
  }
}

template <std::size_t n_c>
CALSWEEP_INLINE void column_products(const double* residuals, const double* z, std::size_t rows,
                                     std::size_t k, double* sums) {
  std::size_t j = 0;
  for (; j + 2 <= k; j += 2) {
    tile_products<n_c, 2>(residuals, z + j * rows, rows, k, sums + j * k);
  }
  if (j < k) tile_products<n_c, 1>(residuals, z + j * rows, rows, k, sums + j * k);
}

}  // namespace

CALSWEEP_CLONES void multiply_rows(const double* z, std::size_t rows, std::size_t k,
                                   const double* weights, const double* biases, double* scores) {
  std::vector<double> strip(k * kStrip, 0.0), last(k * kStrip);
  for (std::size_t row = 0; row < rows; row += kStrip) {
    const std::size_t here = std::min(kStrip, rows - row);
    for (std::size_t j = 0; j < k; ++j) {
      const double* from = z + j * rows + row;
      double* packed = strip.data() + j * kStrip;
      if (here == kStrip) {
        std::copy_n(from, kStrip, packed);
      } else {
        std::copy_n(from, here, packed);
      }
    }
    double* to = here == kStrip ? scores + row : last.data();
    const std::size_t stride = here == kStrip ? rows : kStrip;
    std::size_t c = 0;
    for (; c + 2 <= k; c += 2) {
      strip_scores<2>(strip.data(), k, weights + c, biases + c, to + c * stride, stride);
    }
    if (c < k) strip_scores<1>(strip.data(), k, weights + c, biases + c, to + c * stride, stride);
    if (here == kStrip) continue;
    for (c = 0; c < k; ++c) std::copy_n(to + c * stride, here, scores + c * rows + row);
  }
}

CALSWEEP_CLONES void add_row_products(const double* residuals, const double* z, std::size_t rows,
                                      std::size_t k, double* sums) {
  std::size_t c = 0;
  for (; c + 4 <= k; c += 4) {
    column_products<4>(residuals + c * rows, z, rows, k, sums + c);
  }
  for (; c < k; ++c) column_products<1>(residuals + c * rows, z, rows, k, sums + c);
}

}  // namespace calsweep::analysis
