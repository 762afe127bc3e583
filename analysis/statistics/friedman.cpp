#include "analysis/statistics/friedman.hpp"

#include <cmath>

namespace calsweep::analysis {
namespace {

/// chi2 reaches N (k - 1) up to rounding exactly if all blocks agree.
constexpr double kRounding = 1e-12;

FriedmanVersion version_of(double chi2, double n, double k) {
  FriedmanVersion made;
  made.chi2 = {Measured::of(chi2), chi_squared_tail(chi2, k - 1.0)};
  const double room = n * (k - 1.0) - chi2;
  if (room <= kRounding * n * (k - 1.0)) {
    made.iman_davenport.statistic =
        Measured::none("all blocks order the methods alike: F is infinite");
    made.iman_davenport.tail = TailProbability::of(std::exp(
        -static_cast<long double>(n - 1.0) * std::lgamma(static_cast<long double>(k) + 1.0L)));
    return made;
  }
  const double f = (n - 1.0) * chi2 / room;
  made.iman_davenport = {Measured::of(f), f_tail(f, k - 1.0, (k - 1.0) * (n - 1.0))};
  return made;
}

FriedmanVersion no_test(const std::string& reason) {
  const UpperTailTest none{Measured::none(reason), TailProbability::none(reason)};
  return {none, none};
}

double squared_deviation(const std::vector<double>& average_ranks) {
  const double middle = (static_cast<double>(average_ranks.size()) + 1.0) / 2.0;
  double sum = 0.0;
  for (const double rank : average_ranks) sum += (rank - middle) * (rank - middle);
  return sum;
}

}  // namespace

FriedmanVersion friedman_from_average_ranks(const std::vector<double>& average_ranks,
                                            std::int64_t n_blocks) {
  const auto n = static_cast<double>(n_blocks);
  const auto k = static_cast<double>(average_ranks.size());
  if (average_ranks.size() < 2) return no_test("fewer than two methods");
  if (n_blocks < 2) return no_test("fewer than two blocks");
  return version_of(12.0 * n / (k * (k + 1.0)) * squared_deviation(average_ranks), n, k);
}

FriedmanTest friedman_test(const Blocks& blocks, double tolerance) {
  check_blocks(blocks, "Friedman's test");
  FriedmanTest test;
  test.n_blocks = static_cast<std::int64_t>(blocks.n_blocks());
  test.n_treatments = static_cast<std::int64_t>(blocks.n_treatments);
  const auto n = static_cast<double>(test.n_blocks);
  const auto k = static_cast<double>(test.n_treatments);
  test.average_ranks.assign(blocks.n_treatments, 0.0);
  double tie_term = 0.0;
  for (std::size_t b = 0; b < blocks.n_blocks(); ++b) {
    const auto ranked = mean_ranks(blocks.block(b), tolerance);
    tie_term += ranked.tie_term;
    for (std::size_t t = 0; t < ranked.ranks.size(); ++t) test.average_ranks[t] += ranked.ranks[t];
  }
  if (n > 0.0) {
    for (double& rank : test.average_ranks) rank /= n;
  }
  test.uncorrected = friedman_from_average_ranks(test.average_ranks, test.n_blocks);
  test.tie_corrected = test.uncorrected;
  if (!test.uncorrected.chi2.statistic.has_value()) return test;
  const double kept = 1.0 - tie_term / (n * (k * k * k - k));
  if (kept <= kRounding) {
    test.tie_corrected = no_test("all methods are equal in every block");
    return test;
  }
  test.tie_corrected = version_of(test.uncorrected.chi2.statistic.value / kept, n, k);
  return test;
}

}  // namespace calsweep::analysis
