#include "analysis/calibrators/affine_products.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "sweeps/random.hpp"

namespace calsweep::analysis {
namespace {

TEST(AffineProductsTest, equal_plain_loops_for_every_shape) {
  Random random(random_key(4, 0, "products"));
  for (const std::size_t k : {1U, 2U, 3U, 5U, 9U, 10U}) {
    for (const std::size_t rows : {1U, 3U, 4U, 15U, 16U, 17U, 50U, 256U}) {
      std::vector<double> z(rows * k), weights(k * k), biases(k), scores(rows * k, -1.0);
      for (auto* all : {&z, &weights, &biases}) {
        for (double& v : *all) v = random.normal();
      }
      multiply_rows(z.data(), rows, k, weights.data(), biases.data(), scores.data());
      std::vector<double> sums(k * k, 2.0);
      add_row_products(scores.data(), z.data(), rows, k, sums.data());
      for (std::size_t c = 0; c < k; ++c) {
        for (std::size_t row = 0; row < rows; ++row) {
          double score = biases[c];
          for (std::size_t j = 0; j < k; ++j) score += weights[j * k + c] * z[j * rows + row];
          EXPECT_NEAR(scores[c * rows + row], score, 1e-13);
        }
        for (std::size_t j = 0; j < k; ++j) {
          double sum = 2.0;
          for (std::size_t row = 0; row < rows; ++row) {
            sum += scores[c * rows + row] * z[j * rows + row];
          }
          EXPECT_NEAR(sums[j * k + c], sum, 1e-11);
        }
      }
    }
  }
}

}  // namespace
}  // namespace calsweep::analysis
