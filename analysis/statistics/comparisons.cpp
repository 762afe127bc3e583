#include "analysis/statistics/comparisons.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "analysis/statistics/multiplicity.hpp"

namespace calsweep::analysis {
namespace {

constexpr std::string_view kSharedNetworks =
    "replicates share member networks, so they are not independent";

void forbid_inference(Comparison& comparison) {
  auto& test = comparison.test;
  for (auto* field : {&test.z, &test.p_exact, &test.p_asymptotic, &test.log10_p_exact,
                      &test.log10_p_asymptotic, &test.r}) {
    *field = Measured::none(std::string(kSharedNetworks));
  }
}

void judge(Comparison& comparison, Direction direction, double alpha) {
  if (!comparison.p_holm.has_value()) {
    comparison.null_reason = comparison.p_holm.null_reason;
    return;
  }
  comparison.significant = comparison.p_holm.value <= alpha;
  if (!*comparison.significant) {
    comparison.verdict = "not significant";
    return;
  }
  const bool higher = comparison.test.rank_biserial.value > 0.0;
  comparison.verdict = higher == (direction == Direction::HigherIsBetter) ? "better" : "worse";
}

}  // namespace

SummaryStatistics summarize_sample(std::span<const double> values) {
  SummaryStatistics summary;
  summary.n = static_cast<std::int64_t>(values.size());
  if (values.empty()) return summary;
  const auto n = static_cast<double>(values.size());
  double sum = 0.0;
  for (const double v : values) sum += v;
  summary.mean = sum / n;
  summary.median = median(values).value;
  summary.minimum = *std::min_element(values.begin(), values.end());
  summary.maximum = *std::max_element(values.begin(), values.end());
  if (values.size() < 2) return summary;
  double squares = 0.0;
  for (const double v : values) squares += (v - *summary.mean) * (v - *summary.mean);
  summary.sd = std::sqrt(squares / (n - 1.0));
  return summary;
}

Comparison compare(const MetricSample& method, const MetricSample& reference, Pairing pairing) {
  std::map<std::int64_t, double> by_seed;
  for (std::size_t i = 0; i < reference.values.size(); ++i) {
    by_seed.emplace(reference.pairing_seeds[i], reference.values[i]);
  }
  std::vector<double> a;
  std::vector<double> b;
  Comparison comparison;
  for (std::size_t i = 0; i < method.values.size(); ++i) {
    const auto partner = by_seed.find(method.pairing_seeds[i]);
    if (partner == by_seed.end()) continue;
    a.push_back(method.values[i]);
    b.push_back(partner->second);
    comparison.seeds.push_back(method.pairing_seeds[i]);
    comparison.differences.push_back(a.back() - b.back());
  }
  comparison.test = paired_signed_rank_test(a, b);
  comparison.method_median = median(a);
  comparison.reference_median = median(b);
  if (pairing == Pairing::SharedNetworks) forbid_inference(comparison);
  comparison.p = comparison.test.p_exact;
  if (comparison.p.has_value()) {
    comparison.p_used = "exact";
  } else if (comparison.test.p_asymptotic.has_value()) {
    comparison.p = comparison.test.p_asymptotic;
    comparison.p_used = "asymptotic";
  }
  return comparison;
}

void judge_family(std::span<Comparison> family, Direction direction,
                  const AnalysisOptions& options) {
  std::vector<Measured> p_values;
  for (const auto& comparison : family) p_values.push_back(comparison.p);
  const auto adjusted = holm(p_values);
  const auto size =
      std::count_if(p_values.begin(), p_values.end(), [](const auto& p) { return p.has_value(); });
  for (std::size_t i = 0; i < family.size(); ++i) {
    family[i].p_holm = adjusted[i];
    family[i].family_size = size;
    judge(family[i], direction, options.alpha);
  }
}

}  // namespace calsweep::analysis
