#include "sweeps/random.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "sweeps/ids.hpp"

namespace calsweep {
namespace {

// SHA-256("abc") from FIPS 180-4; the others from Python's hashlib.
TEST(IdsTest, content_id_is_the_start_of_sha256) {
  EXPECT_EQ(TrialId::of("abc").hex(), "ba7816bf8f01cfea4141");
  EXPECT_EQ(random_key(3, 0, "order"), 0x2e167cb36b2a14e1ULL);
}

// From an independent implementation of splitmix64 and xoshiro256** in Python.
TEST(RandomTest, generator_equals_reference) {
  Random random(42);
  EXPECT_EQ(random.next(), 0x15780b2e0c2ec716ULL);
  EXPECT_EQ(random.next(), 0x6104d9866d113a7eULL);
  EXPECT_EQ(random.next(), 0xae17533239e499a1ULL);
  EXPECT_EQ(random.next(), 0xecb8ad4703b360a1ULL);
}

TEST(RandomTest, keys_differ_by_seed_member_and_purpose) {
  const auto key = random_key(1, 0, "init");
  EXPECT_NE(key, random_key(2, 0, "init"));
  EXPECT_NE(key, random_key(1, 1, "init"));
  EXPECT_NE(key, random_key(1, 0, "order"));
  EXPECT_EQ(key, random_key(1, 0, "init"));
}

TEST(RandomTest, permutation_holds_every_number_once) {
  auto order = Random(7).permutation(1000);
  EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
  std::sort(order.begin(), order.end());
  for (std::int64_t i = 0; i < 1000; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
  EXPECT_TRUE(Random(7).permutation(0).empty());
}

struct Moments {
  double mean, variance;
};
template <class Draw>
Moments moments(Draw draw) {
  constexpr int kDraws = 200000;
  double sum = 0, squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double x = draw();
    sum += x;
    squares += x * x;
  }
  const double mean = sum / kDraws;
  return {mean, squares / kDraws - mean * mean};
}

// Means and variances in closed form; tolerances are five standard errors.
TEST(RandomTest, distributions_have_their_moments) {
  Random random(123);
  const auto normal = moments([&] { return random.normal(); });
  EXPECT_NEAR(normal.mean, 0.0, 0.0112);
  EXPECT_NEAR(normal.variance, 1.0, 0.0158);
  const auto below = moments([&] { return static_cast<double>(random.below(10)); });
  EXPECT_NEAR(below.mean, 4.5, 0.0322);
  EXPECT_NEAR(below.variance, 8.25, 0.09);
  const auto gamma = moments([&] { return random.gamma(0.5); });
  EXPECT_NEAR(gamma.mean, 0.5, 0.008);
  EXPECT_NEAR(gamma.variance, 0.5, 0.03);
  const auto beta = moments([&] { return random.beta(0.2, 0.2); });
  EXPECT_NEAR(beta.mean, 0.5, 0.005);
  EXPECT_NEAR(beta.variance, 0.25 / 1.4, 0.002);
}

TEST(RandomTest, beta_of_tiny_shapes_stays_in_the_unit_interval) {
  Random random(5);
  for (int i = 0; i < 1000; ++i) {
    const double x = random.beta(1e-6, 1e-6);
    EXPECT_TRUE(x >= 0.0 && x <= 1.0);
  }
}

}  // namespace
}  // namespace calsweep
