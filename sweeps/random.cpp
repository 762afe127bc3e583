#include "sweeps/random.hpp"

#include <fmt/core.h>

#include <bit>
#include <cmath>
#include <numeric>
#include <string>

#include "sweeps/ids.hpp"

namespace calsweep {

std::uint64_t random_key(std::uint64_t seed, std::int64_t member, std::string_view purpose) {
  const std::string hex =
      sha256_hex(fmt::format("calsweep/1|seed={}|member={}|{}", seed, member, purpose));
  return std::stoull(hex.substr(0, 16), nullptr, 16);
}

Random::Random(std::uint64_t key) {
  for (auto& word : state_) {  // splitmix64
    key += 0x9e3779b97f4a7c15ULL;
    std::uint64_t z = key;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    word = z ^ (z >> 31);
  }
}

Random::State Random::state() const {
  return {state_[0],
          state_[1],
          state_[2],
          state_[3],
          std::bit_cast<std::uint64_t>(spare_normal_),
          static_cast<std::uint64_t>(has_spare_)};
}

void Random::set_state(const State& state) {
  for (std::size_t i = 0; i < 4; ++i) state_[i] = state[i];
  spare_normal_ = std::bit_cast<double>(state[4]);
  has_spare_ = state[5] != 0;
}

std::uint64_t Random::next() {
  const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const std::uint64_t t = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

double Random::uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

std::uint64_t Random::below(std::uint64_t bound) {
  __extension__ using Wide = unsigned __int128;
  Wide product = static_cast<Wide>(next()) * bound;
  if (static_cast<std::uint64_t>(product) < bound) {
    const std::uint64_t threshold = (0 - bound) % bound;
    while (static_cast<std::uint64_t>(product) < threshold) {
      product = static_cast<Wide>(next()) * bound;
    }
  }
  return static_cast<std::uint64_t>(product >> 64);
}

double Random::normal() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_normal_;
  }
  double u = 0.0, v = 0.0, s = 0.0;
  do {
    u = 2.0 * uniform() - 1.0;
    v = 2.0 * uniform() - 1.0;
    s = u * u + v * v;
  } while (s >= 1.0 || s == 0.0);
  const double scale = std::sqrt(-2.0 * std::log(s) / s);
  spare_normal_ = v * scale;
  has_spare_ = true;
  return u * scale;
}

double Random::gamma(double shape) {
  if (shape < 1.0) return gamma(shape + 1.0) * std::pow(1.0 - uniform(), 1.0 / shape);
  const double d = shape - 1.0 / 3.0;
  const double c = 1.0 / std::sqrt(9.0 * d);
  while (true) {
    const double x = normal();
    const double root = 1.0 + c * x;
    if (root <= 0.0) continue;
    const double v = root * root * root;
    if (std::log(1.0 - uniform()) < 0.5 * x * x + d * (1.0 - v + std::log(v))) return d * v;
  }
}

double Random::beta(double a, double b) {
  const double x = gamma(a);
  const double y = gamma(b);
  // Both can underflow for tiny shapes: the limit is a fair (a : b) coin.
  if (x + y <= 0.0) return uniform() < a / (a + b) ? 1.0 : 0.0;
  return x / (x + y);
}

std::vector<std::int64_t> Random::permutation(std::int64_t n) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  for (std::size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[below(i)]);
  }
  return order;
}

}  // namespace calsweep
