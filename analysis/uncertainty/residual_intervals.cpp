#include "analysis/uncertainty/residual_intervals.hpp"

#include <algorithm>
#include <cmath>

#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

constexpr int kBisections = 5;
constexpr double kLargestFactor = 8.0;  // of the observed residuals; beyond it the end is this

/// The errors of resamples whose true residuals are t times the observed ones.
class Family {
 public:
  Family(std::span<const double> observed, std::span<const double> noise, std::int64_t n_resamples,
         const std::function<double(std::span<const double>)>& value,
         const std::function<double(std::span<const double>)>& estimand)
      : observed_(observed),
        noise_(noise),
        n_resamples_(static_cast<std::size_t>(n_resamples)),
        value_(value),
        estimand_(estimand),
        residuals_(observed.size()),
        errors_(n_resamples_),
        error_(value(observed)) {}

  double truth(double t) {
    for (std::size_t i = 0; i < observed_.size(); ++i) residuals_[i] = t * observed_[i];
    return estimand_(residuals_);
  }
  /// How far the `rank`-th largest (from 0), or smallest, error of all resamples lies above the
  /// observed one.
  double largest(double t, std::size_t rank) { return ranked(t, n_resamples_ - 1 - rank); }
  double smallest(double t, std::size_t rank) { return ranked(t, rank); }
  std::size_t n_resamples() const { return n_resamples_; }

 private:
  double ranked(double t, std::size_t position) {
    for (std::size_t r = 0; r < n_resamples_; ++r) {
      const double* noise = &noise_[r * observed_.size()];
      for (std::size_t i = 0; i < observed_.size(); ++i) {
        residuals_[i] = t * observed_[i] + noise[i];
      }
      errors_[r] = value_(residuals_);
    }
    const auto at = errors_.begin() + static_cast<std::ptrdiff_t>(position);
    std::nth_element(errors_.begin(), at, errors_.end());
    return *at - error_;
  }

  std::span<const double> observed_, noise_;
  std::size_t n_resamples_;
  const std::function<double(std::span<const double>)>& value_;
  const std::function<double(std::span<const double>)>& estimand_;
  std::vector<double> residuals_, errors_;
  double error_;
};

struct End {
  double t, above;  // how far a ranked error lies above the observed one there
};

/// Where the line through both ends is 0.
double crossing(const End& low, const End& high) {
  const double rise = high.above - low.above;
  return rise > 0.0 ? low.t + (high.t - low.t) * std::clamp(-low.above / rise, 0.0, 1.0) : low.t;
}

constexpr double kRounding = 1e-12;  // what differs by less is equal

/// The largest t at which so large an error is still rare (at most `rank` resamples reach it); 0 if
/// it is not rare at 0.
double lower_factor(Family& family, std::size_t rank) {
  End low{0.0, family.largest(0.0, rank)};
  if (low.above >= -kRounding) return 0.0;
  End high{1.0, family.largest(1.0, rank)};
  for (int step = 0; step < kBisections; ++step) {
    const double t = (low.t + high.t) / 2.0;
    const End middle{t, family.largest(t, rank)};
    (middle.above >= -kRounding ? high : low) = middle;
  }
  return crossing(low, high);
}

/// The smallest t at which so small an error is rare.
double upper_factor(Family& family, std::size_t rank) {
  End low{0.0, family.smallest(0.0, rank)}, high{1.0, family.smallest(1.0, rank)};
  while (high.t < kLargestFactor && high.above <= kRounding) {
    low = high;
    high = {2.0 * high.t, family.smallest(2.0 * high.t, rank)};
  }
  for (int step = 0; step < kBisections; ++step) {
    const double t = (low.t + high.t) / 2.0;
    const End middle{t, family.smallest(t, rank)};
    (middle.above <= kRounding ? low : high) = middle;
  }
  return low.above > kRounding ? low.t : crossing(low, high);
}

}  // namespace

std::vector<std::size_t> cuts_of(const std::vector<BinnedFunctional>& errors) {
  std::vector<std::size_t> cuts;
  for (const auto& error : errors) {
    for (const auto [begin, end] : error.bins) {
      cuts.push_back(begin);
      cuts.push_back(end);
    }
  }
  std::sort(cuts.begin(), cuts.end());
  cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
  return cuts;
}

Interval inverted_interval(std::span<const double> observed, std::span<const double> noise,
                           std::int64_t n_resamples,
                           const std::function<double(std::span<const double>)>& value,
                           const std::function<double(std::span<const double>)>& estimand,
                           double level) {
  if (!(level > 0.0 && level < 1.0)) throw UsageError("a confidence level must lie in (0, 1)");
  if (n_resamples < 1) return {Measured::none("no resample"), Measured::none("no resample")};
  CALSWEEP_CHECK(noise.size() == observed.size() * static_cast<std::size_t>(n_resamples),
                 "a row of noise per resample");
  Family family(observed, noise, n_resamples, value, estimand);
  const double tail = (1.0 - level) / 2.0;
  const auto rank = static_cast<std::size_t>(tail * static_cast<double>(n_resamples));
  return {Measured::of(family.truth(lower_factor(family, rank))),
          Measured::of(family.truth(upper_factor(family, rank)))};
}

Interval inverted_interval(const BinnedFunctional& error, const ConfidenceProfile& profile,
                           const ResidualDraws& draws, double level) {
  auto tallies = bin_tallies(profile, error.bins);
  const auto n_bins = tallies.size();
  std::vector<std::size_t> begins, ends;
  std::vector<double> observed, noise;
  const auto position = [&](std::size_t cut) {
    const auto at = std::lower_bound(draws.cuts.begin(), draws.cuts.end(), cut);
    CALSWEEP_CHECK(at != draws.cuts.end() && *at == cut, "a cut that was asked for");
    return static_cast<std::size_t>(at - draws.cuts.begin());
  };
  for (std::size_t b = 0; b < n_bins; ++b) {
    begins.push_back(position(error.bins[b].begin));
    ends.push_back(position(error.bins[b].end));
    observed.push_back(tallies[b].sum_confidence - tallies[b].correct);
  }
  for (std::int64_t r = 0; r < draws.n_resamples; ++r) {
    const double* of = &draws.noise[static_cast<std::size_t>(r) * draws.cuts.size()];
    for (std::size_t b = 0; b < n_bins; ++b) noise.push_back(of[ends[b]] - of[begins[b]]);
  }
  const auto of = [&](const auto& function) -> std::function<double(std::span<const double>)> {
    return [&](std::span<const double> residuals) {
      for (std::size_t b = 0; b < n_bins; ++b) {
        tallies[b].correct = tallies[b].sum_confidence - residuals[b];
      }
      return function(tallies, profile.n_rows());
    };
  };
  const auto& estimand = error.estimand ? error.estimand : error.value;  // both lvalues: no copy
  return inverted_interval(observed, noise, draws.n_resamples, of(error.value), of(estimand),
                           level);
}

}  // namespace calsweep::analysis
