#include "analysis/calibrators/bayesian_binning.hpp"

#include <algorithm>
#include <boost/math/special_functions/gamma.hpp>
#include <cmath>
#include <vector>

namespace calsweep::analysis {
namespace {

double log_gamma(double x) {
  using Policy = boost::math::policies::policy<boost::math::policies::promote_double<false>>;
  return boost::math::lgamma(x, Policy());
}

double log_beta(double a, double b) { return log_gamma(a) + log_gamma(b) - log_gamma(a + b); }

/// Halfway between neighbouring scores, never at the upper one.
double cut_between(double below, double above) {
  const double middle = below + 0.5 * (above - below);
  return middle < above ? middle : below;
}

struct Histogram {
  std::vector<std::size_t> ends;  // of each bin, one past its last group of equal scores
  std::vector<double> values;     // of each bin
  double log_score = 0.0;
};

class HistogramFamily {
 public:
  explicit HistogramFamily(std::vector<ScoreGroup> groups) : groups_(std::move(groups)) {
    ones_.push_back(0.0);
    rows_.push_back(0.0);
    for (const ScoreGroup& group : groups_) {
      ones_.push_back(ones_.back() + group.sum);
      rows_.push_back(rows_.back() + group.count);
    }
  }

  std::int64_t n_rows() const { return static_cast<std::int64_t>(rows_.back()); }
  std::size_t n_groups() const { return groups_.size(); }

  /// Where a bin that ends before group g is cut.
  double cut_before(std::size_t g) const {
    return cut_between(groups_[g - 1].last_x, groups_[g].first_x);
  }

  Histogram with_bins(std::int64_t n_bins) const {
    Histogram made;
    std::size_t begin = 0;
    for (std::int64_t i = 1; i <= n_bins; ++i) {
      const auto rank = static_cast<double>(i * n_rows() / n_bins);
      const auto end = static_cast<std::size_t>(std::lower_bound(rows_.begin(), rows_.end(), rank) -
                                                rows_.begin());
      if (end <= begin) continue;
      add_bin(begin, end, made);
      begin = end;
    }
    return made;
  }

 private:
  void add_bin(std::size_t begin, std::size_t end, Histogram& histogram) const {
    const double lower = begin == 0 ? 0.0 : cut_before(begin);
    const double upper = end == n_groups() ? 1.0 : cut_before(end);
    const double prior = std::clamp(0.5 * (lower + upper), kPriorMargin, 1.0 - kPriorMargin);
    const double a = 2.0 * prior, b = 2.0 * (1.0 - prior);
    const double ones = ones_[end] - ones_[begin];
    const double rows = rows_[end] - rows_[begin];
    histogram.log_score += log_beta(ones + a, rows - ones + b) - log_beta(a, b);
    histogram.values.push_back((ones + a) / (rows + 2.0));
    histogram.ends.push_back(end);
  }

  std::vector<ScoreGroup> groups_;
  std::vector<double> ones_, rows_;  // of all groups before
};

/// The weighted mean of the histograms, on the finest common bins.
StepFunction averaged(const HistogramFamily& family, const std::vector<Histogram>& histograms,
                      const std::vector<double>& weights) {
  std::vector<double> of_group(family.n_groups(), 0.0);
  std::vector<bool> is_end(family.n_groups() + 1, false);
  for (std::size_t m = 0; m < histograms.size(); ++m) {
    std::size_t g = 0;
    for (std::size_t bin = 0; bin < histograms[m].ends.size(); ++bin) {
      is_end[histograms[m].ends[bin]] = true;
      const double share = weights[m] * histograms[m].values[bin];
      for (; g < histograms[m].ends[bin]; ++g) of_group[g] += share;
    }
  }
  StepFunction function;
  for (std::size_t end = 1; end <= family.n_groups(); ++end) {
    if (!is_end[end]) continue;
    function.values.push_back(std::clamp(of_group[end - 1], 0.0, 1.0));
    if (end < family.n_groups()) function.cuts.push_back(family.cut_before(end));
  }
  return function;
}

}  // namespace

BinRange bin_range(std::int64_t n_rows) {
  // floor(n^(1/3) / 10) and ceil(10 n^(1/3)) in integers.
  BinRange range{1, 1};
  const auto cube = [](std::int64_t b) { return b * b * b; };
  while (1000 * cube(range.least + 1) <= n_rows) ++range.least;
  while (cube(range.most) < 1000 * n_rows) ++range.most;
  range.most = std::min(range.most, (n_rows + 4) / 5);
  return range;
}

BayesianBinning fit_bayesian_binning(std::span<const double> x, std::span<const double> target) {
  const HistogramFamily family(distinct_scores(x, target));
  const BinRange range = bin_range(family.n_rows());
  std::vector<Histogram> histograms;
  BayesianBinning made;
  for (std::int64_t bins = range.least; bins <= range.most; ++bins) {
    histograms.push_back(family.with_bins(bins));
    const double score = histograms.back().log_score;
    if (made.best_bins != 0 && score <= made.best_log_score) continue;
    made.best_bins = bins;
    made.best_log_score = score;
  }
  std::vector<double> weights;
  double total = 0.0, entropy = 0.0;
  for (const Histogram& h : histograms) {
    total += weights.emplace_back(std::exp(h.log_score - made.best_log_score));
  }
  for (double& weight : weights) {
    weight /= total;
    if (weight > 0.0) entropy -= weight * std::log(weight);
  }
  made.effective_models = std::exp(entropy);
  made.function = averaged(family, histograms, weights);
  return made;
}

}  // namespace calsweep::analysis
