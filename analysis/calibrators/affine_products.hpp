// The two matrix products of a fit of affine maps, on a block of rows. Four doubles at a time in a
// fixed order of additions without fused multiply-add: the same bits whatever instructions the
// machine has, and those of a row of scores depend on that row only.
#pragma once

#include <cstddef>

namespace calsweep::analysis {

/// scores = z W' + 1 b'. z, scores: [rows, k]; weights W: [k, k]; biases b: [k]; all column-major.
/// A score is b_c + W_c0 z_0 + W_c1 z_1 + ..., added in that order.
void multiply_rows(const double* z, std::size_t rows, std::size_t k, const double* weights,
                   const double* biases, double* scores);

/// sums += residuals' z. residuals, z: [rows, k]; sums: [k, k]; all column-major.
void add_row_products(const double* residuals, const double* z, std::size_t rows, std::size_t k,
                      double* sums);

}  // namespace calsweep::analysis
