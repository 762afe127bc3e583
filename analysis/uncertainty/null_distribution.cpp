#include "analysis/uncertainty/null_distribution.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "analysis/metrics/sorted_calibration_error.hpp"

namespace calsweep::analysis {
namespace {

std::vector<NullSummary> of_empty_set(const NullRequest& request) {
  const auto none = Measured::none("the set is empty");
  std::vector<NullSummary> summaries;
  const auto add = [&](const std::string& name) {
    summaries.push_back({name, none, none, none, none, 0});
  };
  for (const auto& functional : request.binned) add(functional.name);
  if (request.ks) add("ks");
  if (request.brier_top) add("brier_top");
  for (const auto& functional : request.whole) add(functional.name);
  for (const auto& functional : request.cut) add(functional.name);
  return summaries;
}

std::vector<double> binned_null(const ConfidenceProfile& profile, const NullResamples& resamples,
                                const BinnedFunctional& functional) {
  auto tallies = bin_tallies(profile, functional.bins);
  std::vector<std::span<const double>> begins, ends;
  for (const auto [begin, end] : functional.bins) {
    begins.push_back(resamples.correct_before(begin));
    ends.push_back(resamples.correct_before(end));
  }
  std::vector<double> values(static_cast<std::size_t>(resamples.size()));
  for (std::size_t r = 0; r < values.size(); ++r) {
    for (std::size_t b = 0; b < tallies.size(); ++b) tallies[b].correct = ends[b][r] - begins[b][r];
    values[r] = functional.value(tallies, profile.n_rows());
  }
  return values;
}

void add_whole(const NullRequest& request, const NullResamples& resamples,
               std::vector<NullSummary>& summaries) {
  if (request.whole.empty()) return;
  std::vector<std::vector<double>> values(request.whole.size());
  resamples.visit_profiles(request.whole_resamples,
                           [&](std::int64_t, const ConfidenceProfile& profile) {
                             for (std::size_t f = 0; f < values.size(); ++f) {
                               values[f].push_back(request.whole[f].value(profile));
                             }
                           });
  for (std::size_t f = 0; f < values.size(); ++f) {
    const auto& functional = request.whole[f];
    summaries.push_back(
        null_summary(functional.name, functional.value(resamples.cells()), std::move(values[f])));
  }
}

void add_cut(const ConfidenceProfile& profile, const NullRequest& request,
             const NullResamples& resamples, std::vector<NullSummary>& summaries) {
  for (const auto& functional : request.cut) {
    auto sums = cut_sums(profile, functional.cuts);
    const double observed = functional.value(sums);
    std::vector<std::span<const double>> correct;
    for (const auto cut : functional.cuts) correct.push_back(resamples.correct_before(cut));
    std::vector<double> values(static_cast<std::size_t>(resamples.n_sparse()));
    for (std::size_t r = 0; r < values.size(); ++r) {
      for (std::size_t c = 0; c < sums.size(); ++c) sums[c].correct = correct[c][r];
      values[r] = functional.value(sums);
    }
    summaries.push_back(null_summary(functional.name, observed, std::move(values)));
  }
}

std::vector<std::size_t> sparse_cuts(const NullRequest& request) {
  std::vector<std::size_t> cuts;
  for (const auto& functional : request.cut) {
    cuts.insert(cuts.end(), functional.cuts.begin(), functional.cuts.end());
  }
  return cuts;
}

double sum_of_squares(const ConfidenceProfile& profile) {
  double sum = 0.0;
  for (const auto& group : profile.groups()) {
    sum += static_cast<double>(group.count) * group.confidence * group.confidence +
           static_cast<double>(group.correct) * (1.0 - 2.0 * group.confidence);
  }
  return sum;
}

std::vector<double> per_row(std::span<const double> sums, std::int64_t n_rows) {
  std::vector<double> means(sums.begin(), sums.end());
  for (auto& mean : means) mean /= static_cast<double>(n_rows);
  return means;
}

}  // namespace

NullSummary null_summary(std::string name, double observed, std::vector<double> null) {
  const auto n = null.size();
  // Observed and null values come from one arithmetic; what differs by rounding only is equal.
  const double bound = observed - 1e-12 * std::max(1.0, std::abs(observed));
  const auto at_least =
      std::count_if(null.begin(), null.end(), [bound](double value) { return value >= bound; });
  const double sum = std::accumulate(null.begin(), null.end(), 0.0);
  const auto rank = static_cast<std::size_t>(std::ceil(0.95 * static_cast<double>(n) - 1e-9));
  const auto at = null.begin() + static_cast<std::ptrdiff_t>(std::max<std::size_t>(rank, 1) - 1);
  std::nth_element(null.begin(), at, null.end());
  return {std::move(name),
          Measured::of(observed),
          Measured::of(sum / static_cast<double>(n)),
          Measured::of(*at),
          Measured::of((1.0 + static_cast<double>(at_least)) / static_cast<double>(n + 1)),
          static_cast<std::int64_t>(n)};
}

std::vector<NullSummary> null_distribution(const ConfidenceProfile& profile,
                                           const NullRequest& request, const NullOptions& options) {
  if (profile.empty()) return of_empty_set(request);
  std::vector<std::size_t> cuts;
  for (const auto& functional : request.binned) {
    for (const auto [begin, end] : functional.bins) {
      cuts.push_back(begin);
      cuts.push_back(end);
    }
  }
  const NullResamples resamples(profile, std::move(cuts), options, sparse_cuts(request),
                                request.cut_resamples);
  std::vector<NullSummary> summaries;
  for (const auto& functional : request.binned) {
    summaries.push_back(null_summary(
        functional.name, functional.value(bin_tallies(profile, functional.bins), profile.n_rows()),
        binned_null(profile, resamples, functional)));
  }
  const auto n = profile.n_rows();
  if (request.ks) {
    summaries.push_back(null_summary("ks", ks_error(resamples.cells()).value,
                                     per_row(resamples.largest_gaps(), n)));
  }
  if (request.brier_top) {
    summaries.push_back(null_summary("brier_top",
                                     sum_of_squares(resamples.cells()) / static_cast<double>(n),
                                     per_row(resamples.sums_of_squares(), n)));
  }
  add_whole(request, resamples, summaries);
  add_cut(profile, request, resamples, summaries);
  return summaries;
}

BinnedFunctional binned_functional(std::string name, const GroupBins& bins,
                                   double BinnedErrors::*error) {
  const auto of = [](double BinnedErrors::*part) {
    return [part](std::span<const BinTally> tallies, std::int64_t n_rows) {
      return binned_errors(tallies, n_rows).*part;
    };
  };
  BinnedFunctional made{std::move(name), bins, of(error)};
  if (error == &BinnedErrors::debiased_l2) made.estimand = of(&BinnedErrors::l2);
  return made;
}

std::vector<BinnedFunctional> binned_functionals(const std::string& prefix, const GroupBins& bins) {
  const auto make = [&](const char* suffix, double BinnedErrors::*part) {
    return binned_functional(prefix + suffix, bins, part);
  };
  return {make("_l1", &BinnedErrors::l1), make("_l2", &BinnedErrors::l2),
          make("_max", &BinnedErrors::max), make("_overconfidence", &BinnedErrors::overconfidence),
          make("_debiased_l2", &BinnedErrors::debiased_l2)};
}

}  // namespace calsweep::analysis
