#include "analysis/metrics/row_kernel.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "analysis/metrics/fixed_sum.hpp"

namespace calsweep::analysis {
namespace {

/// Buffers of one block.
struct Block {
  std::vector<float> transposed, confidence_f32;
  std::vector<double> probability, scale, largest, log_sum, confidence, squares;
  std::vector<std::int32_t> predicted;
  std::vector<std::int64_t> c_units, f32_units, h_units, class_units;
  std::vector<std::uint64_t> above;
  RowArrays arrays;

  Block(std::int64_t n, std::int64_t k, std::int64_t stride) {
    const auto rows = static_cast<std::size_t>(stride);
    const auto cells = static_cast<std::size_t>(stride * k);
    transposed.resize(cells);
    probability.resize(cells);
    confidence_f32.resize(rows);
    predicted.resize(rows);
    for (auto* v : {&scale, &largest, &log_sum, &confidence, &squares}) v->resize(rows);
    for (auto* v : {&c_units, &f32_units, &h_units}) v->resize(rows);
    class_units.resize(static_cast<std::size_t>(4 * k));
    above.resize(static_cast<std::size_t>(k));
    arrays = {n,
              k,
              stride,
              transposed.data(),
              probability.data(),
              largest.data(),
              log_sum.data(),
              confidence.data(),
              confidence_f32.data(),
              predicted.data(),
              squares.data(),
              c_units.data(),
              f32_units.data(),
              h_units.data(),
              class_units.data(),
              scale.data(),
              0.25,
              above.data()};
  }
};

std::vector<float> random_logits(std::int64_t n, std::int64_t k, float scale) {
  std::mt19937 random(5);
  std::vector<float> z;
  for (std::int64_t i = 0; i < n * k; ++i) {
    z.push_back(scale * (static_cast<float>(random() >> 8) * 0x1p-24F - 0.5F));
  }
  return z;
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b, std::int64_t n) {
  return std::memcmp(a.data(), b.data(), static_cast<std::size_t>(n) * sizeof(T)) == 0;
}

void expect_same_bits(const Block& a, const Block& b) {
  const auto n = a.arrays.n_rows;
  EXPECT_TRUE(same_bits(a.probability, b.probability, a.arrays.stride * a.arrays.n_classes));
  EXPECT_TRUE(same_bits(a.log_sum, b.log_sum, n));
  EXPECT_TRUE(same_bits(a.confidence, b.confidence, n));
  EXPECT_TRUE(same_bits(a.confidence_f32, b.confidence_f32, n));
  EXPECT_TRUE(same_bits(a.predicted, b.predicted, n));
  EXPECT_TRUE(same_bits(a.squares, b.squares, n));
  EXPECT_TRUE(same_bits(a.c_units, b.c_units, n));
  EXPECT_TRUE(same_bits(a.f32_units, b.f32_units, n));
  EXPECT_TRUE(same_bits(a.h_units, b.h_units, n));
  EXPECT_TRUE(same_bits(a.class_units, b.class_units, 4 * a.arrays.n_classes));
  EXPECT_EQ(a.above, b.above);
}

TEST(RowKernelTest, gives_the_same_bits_with_and_without_avx2) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "sanitized builds hold one version only";
#endif
  if (!__builtin_cpu_supports("avx2")) GTEST_SKIP() << "this machine has no AVX2";
  for (const float scale : {0.01F, 8.0F, 60.0F, 3000.0F}) {
    for (const std::int64_t k : {1, 2, 10, 37}) {
      const auto z = random_logits(61, k, scale);
      Block fast(61, k, 64), plain(61, k, 64);
      ASSERT_TRUE(softmax_block(z.data(), fast.arrays));
      ASSERT_TRUE(softmax_block_baseline(z.data(), plain.arrays));
      expect_same_bits(fast, plain);
      std::vector<float> p(z.size());
      for (std::size_t i = 0; i < p.size(); ++i) p[i] = std::abs(z[i]) / scale;
      ASSERT_TRUE(probability_block(p.data(), fast.arrays));
      ASSERT_TRUE(probability_block_baseline(p.data(), plain.arrays));
      expect_same_bits(fast, plain);
    }
  }
}

TEST(RowKernelTest, label_terms_have_the_same_bits_with_and_without_avx2) {
  const auto z = random_logits(64, 10, 20.0F);
  Block block(64, 10, 64);
  ASSERT_TRUE(softmax_block(z.data(), block.arrays));
  std::vector<double> margin(64), nll_a(64), nll_b(64);
  std::vector<std::int64_t> n_a(64), n_b(64), b_a(64), b_b(64);
  for (std::size_t r = 0; r < 64; ++r)
    margin[r] = static_cast<double>(z[10 * r + 3]) - block.largest[r];
  const double* p = block.probability.data() + std::size_t{3} * 64;
  label_block({64, p, block.squares.data(), block.log_sum.data(), margin.data(), nll_a.data(),
               n_a.data(), b_a.data()});
  label_block_baseline({64, p, block.squares.data(), block.log_sum.data(), margin.data(),
                        nll_b.data(), n_b.data(), b_b.data()});
  EXPECT_TRUE(same_bits(nll_a, nll_b, 64));
  EXPECT_EQ(n_a, n_b);
  EXPECT_EQ(b_a, b_b);
  for (std::size_t r = 0; r < 64; ++r) {
    EXPECT_NEAR(nll_a[r], -std::log(p[r]), 1e-14);
    EXPECT_EQ(static_cast<Int128>(n_a[r]), units_of(nll_a[r]));
  }
}

double ulps_apart(double a, double b) {
  return std::abs(a - b) / (std::nextafter(std::abs(b), HUGE_VAL) - std::abs(b));
}

TEST(RowKernelTest, exp_is_within_two_ulp_of_the_standard_library) {
  std::mt19937_64 random(3);
  double worst = 0.0;
  for (int i = 0; i < 200000; ++i) {
    const double u = static_cast<double>(random() >> 11) * 0x1p-53;
    const double x = i % 3 == 0 ? -u : i % 3 == 1 ? -40.0 * u : -707.0 * u;
    worst = std::max(worst, ulps_apart(kernel_exp(x), std::exp(x)));
  }
  RecordProperty("ulp", std::to_string(worst));
  EXPECT_LE(worst, 2.0);
  EXPECT_EQ(kernel_exp(0.0), 1.0);
  EXPECT_EQ(kernel_exp(-0.0), 1.0);
  EXPECT_EQ(kernel_exp(-1e38), 0.0);
  EXPECT_EQ(kernel_exp(-709.0), 0.0);
}

TEST(RowKernelTest, log_is_within_two_ulp_of_the_standard_library) {
  std::mt19937_64 random(4);
  double worst = 0.0;
  for (int i = 0; i < 200000; ++i) {
    const double u = static_cast<double>((random() >> 11) + 1) * 0x1p-53;
    const double x = i % 3 == 0 ? u : i % 3 == 1 ? 1.0 + 1000.0 * u : std::exp2(-1080.0 * u);
    if (x <= 0.0) continue;
    worst = std::max(worst, ulps_apart(kernel_log(x), std::log(x)));
  }
  RecordProperty("ulp", std::to_string(worst));
  EXPECT_LE(worst, 2.0);
  EXPECT_EQ(kernel_log(1.0), 0.0);
  EXPECT_EQ(kernel_log(0x1p-1074), std::log(0x1p-1074));
}

TEST(RowKernelTest, rounds_terms_to_units_as_the_scalar_rule_does) {
  const auto z = random_logits(64, 10, 30.0F);
  Block block(64, 10, 64);
  ASSERT_TRUE(softmax_block(z.data(), block.arrays));
  Int128 of_class_7 = 0;
  for (std::size_t r = 0; r < 64; ++r) {
    EXPECT_EQ(static_cast<Int128>(block.c_units[r]), units_of(block.confidence[r]));
    EXPECT_EQ(static_cast<Int128>(block.f32_units[r]),
              units_of(static_cast<double>(block.confidence_f32[r])));
    of_class_7 += units_of(block.probability[std::size_t{7} * 64 + r]);
  }
  const auto* part = block.class_units.data() + 28;
  EXPECT_EQ(static_cast<Int128>(part[0] + part[1] + part[2] + part[3]), of_class_7);
}

TEST(RowKernelTest, marks_the_rows_above_the_split_and_none_past_the_end) {
  const auto z = random_logits(61, 3, 5.0F);
  Block block(61, 3, 64);
  ASSERT_TRUE(softmax_block(z.data(), block.arrays));
  for (std::size_t k = 0; k < 3; ++k) {
    std::uint64_t expected = 0;
    for (std::size_t r = 0; r < 61; ++r) {
      if (block.probability[64 * k + r] > 0.25) expected |= std::uint64_t{1} << r;
    }
    EXPECT_EQ(block.above[k], expected);
    EXPECT_NE(expected, 0U);
  }
}

TEST(RowKernelTest, says_which_blocks_hold_no_numbers) {
  for (const float bad : {std::nanf(""), HUGE_VALF, -HUGE_VALF}) {
    std::vector<float> z(30, 1.0F);
    z[17] = bad;
    Block block(3, 10, 4);
    EXPECT_FALSE(softmax_block(z.data(), block.arrays));
    EXPECT_FALSE(probability_block(z.data(), block.arrays));
  }
  std::vector<double> p(30, 0.5);
  Block block(3, 10, 4);
  EXPECT_TRUE(probability_block(p.data(), block.arrays));
  p[29] = 1.0000001;
  EXPECT_FALSE(probability_block(p.data(), block.arrays));
}

}  // namespace
}  // namespace calsweep::analysis
