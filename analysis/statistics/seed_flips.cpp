#include "analysis/statistics/seed_flips.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>
#include <vector>

#include "sweeps/random.hpp"

namespace calsweep::analysis {
namespace {

/// All 2^n signed sums, ascending.
std::vector<std::int64_t> signed_sums(std::span<const std::int64_t> values) {
  std::vector<std::int64_t> sums = {0};
  for (const auto value : values) {
    std::vector<std::int64_t> next(2 * sums.size());
    std::vector<std::int64_t> minus(sums.size());
    const auto step = std::abs(value);
    std::transform(sums.begin(), sums.end(), minus.begin(), [&](auto s) { return s - step; });
    for (auto& s : sums) s += step;
    std::merge(minus.begin(), minus.end(), sums.begin(), sums.end(), next.begin());
    sums = std::move(next);
  }
  return sums;
}

/// P(sum of signed values >= limit) over all patterns.
long double exact_upper_tail(std::span<const std::int64_t> values, std::int64_t limit) {
  const auto low = signed_sums(values.first(values.size() / 2));
  const auto high = signed_sums(values.subspan(values.size() / 2));
  std::uint64_t count = 0;
  std::size_t first = high.size();  // high[first …] suffice together with the sum at hand
  for (const auto sum : low) {
    while (first > 0 && high[first - 1] + sum >= limit) --first;
    count += high.size() - first;
  }
  return std::ldexp(static_cast<long double>(count), -static_cast<int>(values.size()));
}

SeedFlipTest sampled(std::span<const std::int64_t> values, std::int64_t limit,
                     std::string_view key) {
  Random random(random_key(0, 0, key));
  std::int64_t extreme = 0;
  for (std::int64_t draw = 0; draw < kSampledFlips; ++draw) {
    std::int64_t sum = 0;
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < values.size(); ++i, bits >>= 1) {
      if (i % 64 == 0) bits = random.next();
      sum += (bits & 1U) != 0 ? values[i] : -values[i];
    }
    if (std::abs(sum) >= limit) ++extreme;
  }
  const auto drawn = static_cast<double>(kSampledFlips);
  const double p = (1.0 + static_cast<double>(extreme)) / (1.0 + drawn);
  SeedFlipTest test;
  test.is_exact = false;
  test.n_flips = kSampledFlips;
  test.two_sided = TailProbability::of(p);
  test.monte_carlo_error = Measured::of(std::sqrt(p * (1.0 - p) / drawn));
  return test;
}

}  // namespace

SeedFlipTest seed_flip_test(std::span<const std::int64_t> contributions, std::int64_t slack,
                            std::string_view key) {
  std::vector<std::int64_t> values;
  std::int64_t sum = 0;
  for (const auto value : contributions) {
    sum += value;
    if (value != 0) values.push_back(std::abs(value));
  }
  SeedFlipTest test;
  test.monte_carlo_error = Measured::none("all sign patterns were counted");
  if (values.empty()) {
    test.two_sided = TailProbability::none("all differences are zero");
    return test;
  }
  std::sort(values.begin(), values.end());
  const std::int64_t limit = std::abs(sum) - slack;
  if (values.size() > kExactFlipLimit) return sampled(values, limit, key);
  const long double tail = limit <= 0 ? 1.0L : 2.0L * exact_upper_tail(values, limit);
  test.two_sided = TailProbability::of(std::min(1.0L, tail));
  return test;
}

}  // namespace calsweep::analysis
