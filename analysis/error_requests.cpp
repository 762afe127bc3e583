#include "analysis/error_requests.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "analysis/metrics/bin_finder.hpp"
#include "analysis/metrics/conventions.hpp"
#include "analysis/metrics/sorted_calibration_error.hpp"

namespace calsweep::analysis {
namespace {

constexpr std::int64_t kBins = 15;            // of the sorted errors in results.db
constexpr std::int64_t kHendrycksRows = 100;  // per bin

constexpr std::string_view kErrors[] = {"ece", "mce", "rmsce", "overconfidence_error"};

/// The bins of a convention, which each of its functionals shares.
GroupBins bins_of(const ConfidenceProfile& profile, const Convention& convention) {
  std::vector<std::int32_t> bin_of_group;
  const BinFinder finder(convention, convention.default_bins, profile.n_rows());
  for (const auto& group : profile.groups()) {
    bin_of_group.push_back(
        static_cast<std::int32_t>(finder.bin_of(static_cast<float>(group.confidence))));
  }
  return assigned_bins(bin_of_group, finder.n_bins());
}

/// calibration_error() with real numbers of correct rows, as intervals need them.
double error_of(const Convention& convention, std::string_view metric,
                std::span<const BinTally> bins, std::int64_t n_rows) {
  double n_binned = 0.0, gaps = 0.0, squares = 0.0, over = 0.0, largest = 0.0;
  const double width = 1.0 / static_cast<double>(bins.size());
  for (std::size_t b = 0; b < bins.size(); ++b) {
    const auto& bin = bins[b];
    n_binned += bin.count;
    if (bin.count <= 0.0 && convention.empty_bins == EmptyBins::Skipped) continue;
    const double accuracy = bin.count > 0.0 ? bin.correct / bin.count : 0.0;
    const double confidence = convention.confidence == BinConfidence::Mean
                                  ? bin.sum_confidence / bin.count
                                  : static_cast<double>(b) * width + width / 2.0;
    const double gap = std::abs(accuracy - confidence);
    gaps += bin.count * gap;
    squares += bin.count * gap * gap;
    over += bin.count * confidence * std::max(confidence - accuracy, 0.0);
    largest =
        std::max(largest, convention.maximum == Maximum::CountTimesGap ? bin.count * gap : gap);
  }
  const double n =
      convention.denominator == Denominator::BinnedRows ? n_binned : static_cast<double>(n_rows);
  if (metric == "mce") return largest;
  if (n <= 0.0) return 0.0;
  return metric == "ece" ? gaps / n : metric == "rmsce" ? std::sqrt(squares / n) : over / n;
}

/// What a convention's errors depend on, if nothing but the rows that share a bin; else empty.
std::string signature(const Convention& convention, const GroupBins& bins, std::size_t n_groups) {
  if (convention.confidence != BinConfidence::Mean || convention.empty_bins != EmptyBins::Skipped ||
      convention.maximum != Maximum::Gap) {
    return "";
  }
  std::string text;
  std::size_t n_binned = 0;
  for (const auto [begin, end] : bins) {
    if (begin == end) continue;
    text += fmt::format("{}-{} ", begin, end);
    n_binned += end - begin;
  }
  const bool by_all = n_binned == n_groups || convention.denominator == Denominator::AllRows;
  return text + (by_all ? "of all" : "of binned");
}

std::vector<std::int64_t> part_ranks(std::int64_t n, std::int64_t n_parts) {
  std::vector<std::int64_t> ranks;
  for (std::int64_t part = 0; part <= n_parts; ++part) {
    ranks.push_back(part * (n / n_parts) + std::min(part, n % n_parts));
  }
  return ranks;
}

}  // namespace

std::string uncertainty_name(std::string_view metric, std::string_view convention) {
  return fmt::format("{}|{}", metric, convention);
}

MetricValue* find_value(std::vector<MetricValue>& metrics, std::string_view name) {
  for (auto& m : metrics) {
    const auto bar = m.metric.size();
    if (name.size() == bar + 1 + m.convention.size() && name.starts_with(m.metric) &&
        name[bar] == '|' && name.substr(bar + 1) == m.convention) {
      return m.value.has_value() ? &m : nullptr;
    }
  }
  return nullptr;
}

std::vector<std::string> BinnedRequest::names_of(const std::string& name) const {
  std::vector<std::string> names = {name};
  if (const auto at = also.find(name); at != also.end()) {
    names.insert(names.end(), at->second.begin(), at->second.end());
  }
  return names;
}

namespace {

void request_equal_width(const ConfidenceProfile& profile, std::vector<MetricValue>& metrics,
                         BinnedRequest& request) {
  std::map<std::string, std::string> first_with;  // error and signature -> name
  for (const auto& convention : conventions()) {
    if (find_value(metrics, uncertainty_name("ece", convention.name)) == nullptr) continue;
    const auto bins = bins_of(profile, convention);
    const auto shared = signature(convention, bins, profile.size());
    for (const auto metric : kErrors) {
      const auto name = uncertainty_name(metric, convention.name);
      if (find_value(metrics, name) == nullptr) continue;
      if (!shared.empty()) {
        const auto [at, is_first] = first_with.emplace(fmt::format("{} {}", metric, shared), name);
        if (!is_first) {
          request.also[at->second].push_back(name);
          continue;
        }
      }
      request.functionals.push_back(
          {name, bins, [&convention, metric](std::span<const BinTally> tallies, std::int64_t n) {
             return error_of(convention, metric, tallies, n);
           }});
    }
  }
}

void request_sorted(const ConfidenceProfile& profile, std::vector<MetricValue>& metrics,
                    BinnedRequest& request) {
  const auto add = [&](std::string_view metric, std::string_view convention, const GroupBins& bins,
                       double BinnedErrors::*member) {
    auto name = uncertainty_name(metric, convention);
    if (find_value(metrics, name) == nullptr) return;
    request.functionals.push_back(binned_functional(std::move(name), bins, member));
  };
  const auto mass = equal_mass_bins(profile, kBins);
  add("ece", "equal-mass", mass, &BinnedErrors::l1);
  add("rmsce", "equal-mass", mass, &BinnedErrors::l2);
  add("mce", "equal-mass", mass, &BinnedErrors::max);
  add("debiased_l2", "equal-mass", mass, &BinnedErrors::debiased_l2);
  const auto kumar = kumar_equal_mass_bins(profile, kBins);
  add("ece", "kumar2019-em", kumar, &BinnedErrors::l1);
  add("debiased_l2", "kumar2019-em", kumar, &BinnedErrors::debiased_l2);
  add("debiased_l2", "equal-width", equal_width_bins(profile, kBins), &BinnedErrors::debiased_l2);
}

}  // namespace

BinnedRequest binned_request(const ConfidenceProfile& profile, std::vector<MetricValue>& metrics) {
  BinnedRequest request;
  request_equal_width(profile, metrics, request);
  request_sorted(profile, metrics, request);
  return request;
}

std::vector<CutFunctional> cut_errors(const ConfidenceProfile& profile,
                                      std::vector<MetricValue>& metrics) {
  std::vector<CutFunctional> made;
  const auto has = [&](const std::string& name) { return find_value(metrics, name) != nullptr; };
  const auto l1 = [](std::span<const BinTally> bins, std::int64_t n) {
    return binned_errors(bins, n).l1;
  };
  const auto l2 = [](std::span<const BinTally> bins, std::int64_t n) {
    return binned_errors(bins, n).l2;
  };
  const auto n = profile.n_rows();
  if (const auto name = uncertainty_name("ece", "tu-ace"); has(name)) {
    made.push_back(rank_cuts(name, profile, part_ranks(n, kBins), l1));
  }
  if (const auto name = uncertainty_name("rmsce", "hendrycks"); has(name)) {
    std::vector<std::int64_t> ranks(static_cast<std::size_t>(n / kHendrycksRows));
    std::iota(ranks.begin(), ranks.end(), 0);
    for (auto& rank : ranks) rank *= kHendrycksRows;
    made.push_back(rank_cuts(name, profile, ranks, l2));
  }
  if (const auto name = uncertainty_name("ece", "sweep"); has(name)) {
    made.push_back(sweep_cuts(name, profile));
  }
  if (const auto name = uncertainty_name("smece", ""); has(name)) {
    made.push_back(smooth_cuts(name, profile));
  }
  if (const auto name = uncertainty_name("mmce", ""); has(name)) {
    made.push_back(kernel_cuts(name, profile));
  }
  return made;
}

std::vector<ProfileFunctional> resampled_errors(std::vector<MetricValue>& metrics) {
  std::vector<ProfileFunctional> made;
  const auto add = [&](std::string_view metric, std::string_view convention, auto value) {
    auto name = uncertainty_name(metric, convention);
    if (find_value(metrics, name) == nullptr) return;
    made.push_back({std::move(name), value});
  };
  using Profile = const ConfidenceProfile&;
  add("ece", "tu-ace", [](Profile p) { return rank_split_errors(p).l1.value; });
  add("ece", "sweep", [](Profile p) { return sweep_error(p, 64).ece.value; });
  add("ks", "", [](Profile p) { return ks_error(p).value; });
  return made;
}

}  // namespace calsweep::analysis
