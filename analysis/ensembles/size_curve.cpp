#include "analysis/ensembles/size_curve.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "sweeps/errors.hpp"
#include "sweeps/random.hpp"

namespace calsweep::analysis {
namespace {

using Subset = std::vector<std::size_t>;

std::vector<Subset> all_subsets(std::size_t n, std::size_t m) {
  std::vector<Subset> made;
  Subset subset(m);
  std::iota(subset.begin(), subset.end(), std::size_t{0});
  while (true) {
    made.push_back(subset);
    std::size_t at = m;
    while (at > 0 && subset[at - 1] == n - m + at - 1) --at;
    if (at == 0) return made;
    ++subset[at - 1];
    for (std::size_t i = at; i < m; ++i) subset[i] = subset[i - 1] + 1;
  }
}

/// `count` different subsets of m of n, uniform without replacement (Floyd's algorithm for each).
std::vector<Subset> drawn_subsets(std::size_t n, std::size_t m, std::size_t count, Random& random) {
  std::set<Subset> drawn;
  while (drawn.size() < count) {
    std::set<std::size_t> chosen;
    for (std::size_t j = n - m; j < n; ++j) {
      const auto candidate = static_cast<std::size_t>(random.below(j + 1));
      if (!chosen.insert(candidate).second) chosen.insert(j);
    }
    drawn.insert(Subset(chosen.begin(), chosen.end()));
  }
  return {drawn.begin(), drawn.end()};
}

/// Sums of the members of one subset after the other; those of a common beginning are kept.
class SubsetSums {
 public:
  SubsetSums(const EnsembleView& ensemble, std::size_t m, std::size_t max_bytes)
      : ensemble_(ensemble), m_(m), n_values_(ensemble.n_rows() * ensemble.n_classes()) {
    const std::size_t bytes = std::max<std::size_t>(1, n_values_ * sizeof(double));
    kept_.resize(std::min(m - 1, max_bytes / bytes));
    pooled_.resize(n_values_);
  }

  /// Mean of the subset's members, as pooled_probabilities computes it.
  std::span<const double> pooled(const Subset& subset) {
    std::size_t depth = 0;  // sums of the first 1 ... depth members are still right
    while (depth < n_valid_ && before_[depth] == subset[depth]) ++depth;
    for (; depth < kept_.size(); ++depth) {
      kept_[depth].resize(n_values_);
      add(depth == 0 ? nullptr : kept_[depth - 1].data(), subset[depth], kept_[depth]);
    }
    n_valid_ = depth;
    before_ = subset;
    const double* sum = depth == 0 ? nullptr : kept_[depth - 1].data();
    for (; depth < m_; ++depth) {
      add(sum, subset[depth], pooled_);
      sum = pooled_.data();
    }
    const double members = static_cast<double>(m_);
    for (auto& p : pooled_) p = std::min(1.0, p / members);
    return pooled_;
  }

 private:
  void add(const double* sum, std::size_t member, std::vector<double>& to) const {
    const auto p = ensemble_.probabilities(member);
    for (std::size_t i = 0; i < n_values_; ++i) to[i] = (sum ? sum[i] : 0.0) + p[i];
  }

  const EnsembleView& ensemble_;
  std::size_t m_;
  std::size_t n_values_;
  std::vector<std::vector<double>> kept_;
  std::size_t n_valid_ = 0;
  Subset before_;
  std::vector<double> pooled_;
};

/// Collects one metric over the subsets of one size.
class Statistic {
 public:
  explicit Statistic(std::size_t n_members) : sum_with_(n_members), n_with_(n_members) {}

  void add(const Measured& value, const Subset& subset) {
    if (!value.has_value()) {
      ++n_missing_;
      reason_ = value.null_reason;
      return;
    }
    values_.push_back(value.value);
    for (const auto member : subset) {
      sum_with_[member] += value.value;
      ++n_with_[member];
    }
  }

  SizeCurveStatistic result(bool all) const {
    const std::size_t n = values_.size();
    if (n_missing_ > 0) {
      const auto none = Measured::none(
          fmt::format("missing for {} of {} subsets: {}", n_missing_, n + n_missing_, reason_));
      return {none, none, none, none, none};
    }
    const double sum = std::accumulate(values_.begin(), values_.end(), 0.0);
    const double mean = sum / static_cast<double>(n);
    SizeCurveStatistic made;
    made.mean = Measured::of(mean);
    made.deviation = n < 2 ? Measured::none("a single subset") : Measured::of(deviation(mean));
    made.minimum = Measured::of(*std::min_element(values_.begin(), values_.end()));
    made.maximum = Measured::of(*std::max_element(values_.begin(), values_.end()));
    made.standard_error = standard_error(sum, all);
    return made;
  }

 private:
  double deviation(double mean) const {
    double squares = 0.0;
    for (const double v : values_) squares += (v - mean) * (v - mean);
    return std::sqrt(squares / static_cast<double>(values_.size() - 1));
  }

  Measured standard_error(double sum, bool all) const {
    if (!all) return Measured::none("needs every subset");
    const double members = static_cast<double>(n_with_.size());
    std::vector<double> without;  // the mean over the subsets without each member
    for (std::size_t j = 0; j < n_with_.size(); ++j) {
      const std::size_t n = values_.size() - n_with_[j];
      if (n == 0) return Measured::none("no subset leaves a member out");
      without.push_back((sum - sum_with_[j]) / static_cast<double>(n));
    }
    const double center = std::accumulate(without.begin(), without.end(), 0.0) / members;
    double squares = 0.0;
    for (const double v : without) squares += (v - center) * (v - center);
    return Measured::of(std::sqrt(squares * (members - 1.0) / members));
  }

  std::vector<double> values_;
  std::vector<double> sum_with_;  ///< per member, over the subsets that hold it
  std::vector<std::size_t> n_with_;
  std::size_t n_missing_ = 0;
  std::string reason_;
};

SizeCurvePoint curve_point(const EnsembleView& ensemble, std::size_t m,
                           const PooledMetrics& metrics, const SizeCurveOptions& options) {
  const auto subsets = member_subsets(ensemble.n_members(), m, options);
  SubsetSums sums(ensemble, m, options.max_partial_sum_bytes);
  std::vector<Statistic> statistics;
  for (const auto& subset : subsets) {
    const auto values = metrics(sums.pooled(subset));
    if (statistics.empty()) statistics.assign(values.size(), Statistic(ensemble.n_members()));
    CALSWEEP_CHECK(values.size() == statistics.size(), "every subset has the same metrics");
    for (std::size_t i = 0; i < values.size(); ++i) statistics[i].add(values[i], subset);
  }
  SizeCurvePoint point;
  point.n_members = static_cast<std::int64_t>(m);
  point.n_subsets = static_cast<std::int64_t>(subsets.size());
  point.all_subsets = bounded_binomial(static_cast<std::int64_t>(ensemble.n_members()),
                                       point.n_members, options.max_subsets) == point.n_subsets;
  for (const auto& s : statistics) point.of.push_back(s.result(point.all_subsets));
  return point;
}

}  // namespace

std::int64_t bounded_binomial(std::int64_t n, std::int64_t m, std::int64_t limit) {
  if (m < 0 || m > n) return 0;
  m = std::min(m, n - m);
  __extension__ __int128 value = 1;
  for (std::int64_t i = 1; i <= m; ++i) {
    value = value * (n - m + i) / i;  // exact: C(n - m + i, i)
    if (value > limit) return limit + 1;
  }
  return static_cast<std::int64_t>(value);
}

std::vector<std::vector<std::size_t>> member_subsets(std::size_t n, std::size_t m,
                                                     const SizeCurveOptions& options) {
  if (options.max_subsets < 1) {
    throw UsageError(fmt::format("ensemble-size curve: at most {} subsets; give at least 1",
                                 options.max_subsets));
  }
  const auto possible = bounded_binomial(static_cast<std::int64_t>(n), static_cast<std::int64_t>(m),
                                         options.max_subsets);
  if (possible <= options.max_subsets) return all_subsets(n, m);
  Random random(random_key(options.seed, static_cast<std::int64_t>(m),
                           fmt::format("ensemble-size|{}", options.key)));
  return drawn_subsets(n, m, static_cast<std::size_t>(options.max_subsets), random);
}

std::vector<SizeCurvePoint> ensemble_size_curve(const EnsembleView& ensemble,
                                                const PooledMetrics& metrics,
                                                const SizeCurveOptions& options) {
  std::vector<SizeCurvePoint> curve;
  for (std::size_t m = 1; m <= ensemble.n_members(); ++m) {
    curve.push_back(curve_point(ensemble, m, metrics, options));
  }
  return curve;
}

}  // namespace calsweep::analysis
