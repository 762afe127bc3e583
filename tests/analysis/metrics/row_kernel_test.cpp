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
  std::vector<float> logit, confidence_f32;
  std::vector<double> probability, scale, weighted, largest, log_sum, confidence, squares;
  std::vector<std::int32_t> predicted;
  std::vector<std::int64_t> f32_units, class_units;
  std::vector<std::uint64_t> above;
  BlockUnits units{};
  RowArrays arrays;

  Block(std::int64_t n, std::int64_t k, std::int64_t stride) {
    const auto rows = static_cast<std::size_t>(stride);
    const auto cells = static_cast<std::size_t>(stride * k);
    logit.resize(cells);
    probability.resize(cells);
    confidence_f32.resize(rows);
    predicted.resize(rows);
    for (auto* v : {&scale, &weighted, &largest, &log_sum, &confidence, &squares}) v->resize(rows);
    f32_units.resize(rows);
    class_units.resize(static_cast<std::size_t>(4 * k));
    above.resize(static_cast<std::size_t>(k));
    arrays = {n,
              k,
              stride,
              logit.data(),
              probability.data(),
              largest.data(),
              log_sum.data(),
              confidence.data(),
              confidence_f32.data(),
              f32_units.data(),
              predicted.data(),
              squares.data(),
              class_units.data(),
              scale.data(),
              weighted.data(),
              &units,
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
  EXPECT_TRUE(same_bits(a.f32_units, b.f32_units, n));
  EXPECT_TRUE(same_bits(a.class_units, b.class_units, 4 * a.arrays.n_classes));
  EXPECT_EQ(a.units.confidence, b.units.confidence);
  EXPECT_EQ(a.units.entropy, b.units.entropy);
  EXPECT_EQ(a.above, b.above);
}

/// Null, with the reason, where there is only one set of instructions to compare.
const RowKernel* other_kernel() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return avx2_row_kernel();
#endif
  return nullptr;
}

TEST(RowKernelTest, gives_the_same_bits_with_and_without_avx2) {
  const RowKernel* fast_kernel = other_kernel();
  if (fast_kernel == nullptr) GTEST_SKIP() << "no AVX2 and FMA, in the machine or the build";
  EXPECT_EQ(&row_kernel(), fast_kernel);
  const RowKernel& plain_kernel = baseline_row_kernel();
  for (const float scale : {0.01F, 8.0F, 60.0F, 3000.0F}) {
    for (const std::int64_t k : {1, 2, 3, 4, 5, 10, 37}) {
      const auto z = random_logits(61, k, scale);
      Block fast(61, k, 64), plain(61, k, 64);
      ASSERT_TRUE(fast_kernel->softmax(z.data(), fast.arrays));
      ASSERT_TRUE(plain_kernel.softmax(z.data(), plain.arrays));
      expect_same_bits(fast, plain);
      std::vector<float> p(z.size());
      for (std::size_t i = 0; i < p.size(); ++i) p[i] = std::abs(z[i]) / scale;
      ASSERT_TRUE(fast_kernel->probabilities_f32(p.data(), fast.arrays));
      ASSERT_TRUE(plain_kernel.probabilities_f32(p.data(), plain.arrays));
      expect_same_bits(fast, plain);
      const std::vector<double> wide(p.begin(), p.end());
      ASSERT_TRUE(fast_kernel->probabilities_f64(wide.data(), fast.arrays));
      ASSERT_TRUE(plain_kernel.probabilities_f64(wide.data(), plain.arrays));
      expect_same_bits(fast, plain);
    }
  }
}

struct Labelled {
  std::vector<double> nll = std::vector<double>(64);
  std::vector<std::int64_t> nll_units = std::vector<std::int64_t>(64);
  LabelUnits sums{};
};

/// The first n rows of a block, all with the label k.
Labelled labelled(const RowKernel& kernel, const Block& block, std::int64_t n, std::int64_t k) {
  Labelled made;
  made.sums = kernel.labels({n, block.probability.data() + k * 64, block.logit.data() + k * 64,
                             block.largest.data(), block.log_sum.data(), block.squares.data(),
                             made.nll.data(), made.nll_units.data()});
  return made;
}

TEST(RowKernelTest, label_terms_have_the_same_bits_with_and_without_avx2) {
  const RowKernel* fast_kernel = other_kernel();
  if (fast_kernel == nullptr) GTEST_SKIP() << "no AVX2 and FMA, in the machine or the build";
  for (const float scale : {20.0F, 100.0F}) {
    const auto z = random_logits(64, 10, scale);
    Block block(64, 10, 64);
    ASSERT_TRUE(fast_kernel->softmax(z.data(), block.arrays));
    const auto fast = labelled(*fast_kernel, block, 61, 3);
    const auto plain = labelled(baseline_row_kernel(), block, 61, 3);
    EXPECT_TRUE(same_bits(fast.nll, plain.nll, 61));
    EXPECT_TRUE(same_bits(fast.nll_units, plain.nll_units, 61));
    EXPECT_EQ(fast.sums.nll, plain.sums.nll);
    EXPECT_EQ(fast.sums.brier, plain.sums.brier);
    EXPECT_EQ(fast.sums.large, plain.sums.large);
  }
}

TEST(RowKernelTest, sums_the_label_terms_and_marks_the_large_ones) {
  const auto z = random_logits(64, 10, 100.0F);
  Block block(64, 10, 64);
  ASSERT_TRUE(row_kernel().softmax(z.data(), block.arrays));
  const auto made = labelled(row_kernel(), block, 61, 3);
  Int128 nll = 0, brier = 0;
  std::uint64_t large = 0;
  for (std::size_t r = 0; r < 61; ++r) {
    const double p = block.probability[192 + r];
    EXPECT_NEAR(made.nll[r], -std::log(p), 1e-13);
    if (made.nll[r] <= 64.0) {
      EXPECT_EQ(static_cast<Int128>(made.nll_units[r]), units_of(made.nll[r]));
    }
    if (made.nll[r] > 32.0) large |= std::uint64_t{1} << r;
    if (made.nll[r] <= 32.0) nll += units_of(made.nll[r]);
    brier += units_of((block.squares[r] - 2.0 * p) + 1.0);
  }
  EXPECT_EQ(static_cast<Int128>(made.sums.nll), nll);
  EXPECT_EQ(static_cast<Int128>(made.sums.brier), brier);
  EXPECT_EQ(made.sums.large, large);
  EXPECT_NE(large, 0U);
}

double exp_of(double x) {
  row_kernel().exp(&x, 1);
  return x;
}
double log_of(double x) {
  row_kernel().log(&x, 1);
  return x;
}

/// Distance to the true value, computed with the 64-bit mantissa of long double, in units of the
/// last place of the double nearest to it.
double ulps_off(double made, long double expected) {
  const auto nearest = std::abs(static_cast<double>(expected));
  const double ulp = std::nextafter(nearest, HUGE_VAL) - nearest;
  return static_cast<double>(std::abs(static_cast<long double>(made) - expected)) / ulp;
}

TEST(RowKernelTest, exp_is_within_1_1_ulp_of_the_true_value) {
  std::mt19937_64 random(3);
  double worst = 0.0;
  for (int i = 0; i < 1'000'000; ++i) {
    const double u = static_cast<double>(random() >> 11) * 0x1p-53;
    const double x = i % 3 == 0 ? -u : i % 3 == 1 ? -40.0 * u : -707.0 * u;
    worst = std::max(worst, ulps_off(exp_of(x), std::exp(static_cast<long double>(x))));
  }
  RecordProperty("ulp", std::to_string(worst));
  EXPECT_LE(worst, 1.1);
  EXPECT_EQ(exp_of(0.0), 1.0);
  EXPECT_EQ(exp_of(-0.0), 1.0);
  EXPECT_EQ(exp_of(-1e38), 0.0);
  EXPECT_EQ(exp_of(-709.0), 0.0);
}

TEST(RowKernelTest, log_is_within_one_ulp_of_the_true_value) {
  std::mt19937_64 random(4);
  double worst = 0.0;
  for (int i = 0; i < 1'000'000; ++i) {
    const double u = static_cast<double>((random() >> 11) + 1) * 0x1p-53;
    const double x = i % 3 == 0 ? u : i % 3 == 1 ? 1.0 + 1000.0 * u : std::exp2(-1080.0 * u);
    if (x <= 0.0) continue;
    worst = std::max(worst, ulps_off(log_of(x), std::log(static_cast<long double>(x))));
  }
  RecordProperty("ulp", std::to_string(worst));
  EXPECT_LE(worst, 1.0);
  EXPECT_EQ(log_of(1.0), 0.0);
  EXPECT_EQ(log_of(0x1p-1074), std::log(0x1p-1074));
}

TEST(RowKernelTest, exp_and_log_have_the_same_bits_with_and_without_avx2) {
  const RowKernel* fast_kernel = other_kernel();
  if (fast_kernel == nullptr) GTEST_SKIP() << "no AVX2 and FMA, in the machine or the build";
  std::mt19937_64 random(5);
  std::vector<double> x(99'999), y(99'999);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double u = static_cast<double>((random() >> 11) + 1) * 0x1p-53;
    x[i] = (i % 2 == 0 ? -1.0 : -720.0) * u;
    y[i] = i % 2 == 0 ? 4.0 * u : std::exp2(-1070.0 * u);
  }
  auto plain_x = x, plain_y = y;
  fast_kernel->exp(x.data(), x.size());
  fast_kernel->log(y.data(), y.size());
  baseline_row_kernel().exp(plain_x.data(), plain_x.size());
  baseline_row_kernel().log(plain_y.data(), plain_y.size());
  EXPECT_TRUE(same_bits(x, plain_x, 99'999));
  EXPECT_TRUE(same_bits(y, plain_y, 99'999));
}

TEST(RowKernelTest, rounds_terms_to_units_as_the_scalar_rule_does) {
  const auto z = random_logits(61, 10, 30.0F);
  Block block(61, 10, 64);
  ASSERT_TRUE(row_kernel().softmax(z.data(), block.arrays));
  Int128 of_class_7 = 0, confidence = 0, entropy = 0;
  for (std::size_t r = 0; r < 61; ++r) {
    confidence += units_of(block.confidence[r]);
    double row_entropy = 0.0;
    for (std::size_t k = 0; k < 10; ++k) {
      const double p = block.probability[64 * k + r];
      if (p > 0.0) row_entropy -= p * std::log(p);
    }
    entropy += units_of(row_entropy);
    EXPECT_EQ(static_cast<Int128>(block.f32_units[r]),
              units_of(static_cast<double>(block.confidence_f32[r])));
    of_class_7 += units_of(block.probability[std::size_t{7} * 64 + r]);
  }
  const auto* part = block.class_units.data() + 28;
  EXPECT_EQ(static_cast<Int128>(part[0] + part[1] + part[2] + part[3]), of_class_7);
  EXPECT_EQ(static_cast<Int128>(block.units.confidence), confidence);
  EXPECT_NEAR(static_cast<double>(block.units.entropy), static_cast<double>(entropy), 1e5);
}

TEST(RowKernelTest, marks_the_rows_above_the_split_and_none_past_the_end) {
  const auto z = random_logits(61, 3, 5.0F);
  Block block(61, 3, 64);
  ASSERT_TRUE(row_kernel().softmax(z.data(), block.arrays));
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
    Block block(3, 10, 8);
    EXPECT_FALSE(row_kernel().softmax(z.data(), block.arrays));
    EXPECT_FALSE(row_kernel().probabilities_f32(z.data(), block.arrays));
  }
  std::vector<double> p(30, 0.5);
  Block block(3, 10, 8);
  EXPECT_TRUE(row_kernel().probabilities_f64(p.data(), block.arrays));
  p[29] = 1.0000001;
  EXPECT_FALSE(row_kernel().probabilities_f64(p.data(), block.arrays));
}

}  // namespace
}  // namespace calsweep::analysis
