#include "analysis/statistics/comparisons.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "analysis/statistics/bayesian_signed_rank.hpp"
#include "analysis/statistics/effect_sizes.hpp"
#include "analysis/statistics/hodges_lehmann.hpp"
#include "analysis/statistics/max_t.hpp"
#include "analysis/statistics/multiplicity.hpp"
#include "analysis/statistics/paired_t.hpp"
#include "analysis/statistics/sign_test.hpp"

namespace calsweep::analysis {
namespace {

/// Of the posterior of one comparison: probabilities within 0.01 (standard error at most 0.008).
constexpr std::int64_t kPosteriorSamples = 4000;

constexpr std::string_view kSharedNetworks =
    "replicates share member networks, so they are not independent";

void forbid_inference(Comparison& c) {
  auto& test = c.test;
  for (auto* field : {&test.z, &test.p_exact, &test.p_asymptotic, &test.log10_p_exact,
                      &test.log10_p_asymptotic, &test.p, &test.log10_p, &test.r, &c.p_sign, &c.p_t,
                      &c.hodges_lehmann_low, &c.hodges_lehmann_high, &c.interval_level}) {
    *field = Measured::none(std::string(kSharedNetworks));
  }
  test.p_used.clear();
}

CellDifferences cell_differences(const Comparison& comparison) {
  return {comparison.seeds, comparison.differences, comparison.tolerance};
}

/// Adjusted p over the family by flips of whole seeds; cells without a p of their own stay out.
void add_max_t(std::span<Comparison> family) {
  std::vector<CellDifferences> cells;
  std::vector<Comparison*> members;
  for (auto& comparison : family) {
    comparison.p_maxt = comparison.p.has_value() ? Measured::none("not computed") : comparison.p;
    if (!comparison.p.has_value()) continue;
    cells.push_back(cell_differences(comparison));
    members.push_back(&comparison);
  }
  if (cells.empty()) return;
  const auto result = max_t(cells);
  for (std::size_t i = 0; i < members.size(); ++i) {
    members[i]->p_maxt = result.cells[i].p_step_down;
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

Comparison compare(const MetricSample& method, const MetricSample& reference, Pairing pairing,
                   double alpha) {
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
  comparison.tolerance = paired_differences(a, b).tolerance;
  comparison.test = paired_signed_rank_test(a, b);
  comparison.method_median = median(a);
  comparison.reference_median = median(b);
  const auto effects = paired_effects(a, b);
  comparison.common_language = effects.common_language;
  comparison.cohens_dz = effects.cohen_dz;
  comparison.p_sign = sign_test(comparison.differences, comparison.tolerance).p;
  comparison.p_t = paired_t_test(comparison.differences, comparison.tolerance).p;
  const auto interval = hodges_lehmann_interval(comparison.differences, 1.0 - alpha);
  comparison.hodges_lehmann_low = interval.low;
  comparison.hodges_lehmann_high = interval.high;
  comparison.interval_level = interval.achieved_level;
  if (pairing == Pairing::SharedNetworks) forbid_inference(comparison);
  comparison.p = comparison.test.p;
  comparison.p_used = comparison.test.p_used;
  return comparison;
}

void add_posterior(Comparison& comparison, Direction direction, const AnalysisOptions& options,
                   const std::string& key) {
  if (!comparison.p.has_value()) return;
  BayesianOptions bayesian;
  bayesian.rope = options.equivalence;
  bayesian.n_samples = kPosteriorSamples;
  bayesian.key = key;
  const auto posterior = bayesian_signed_rank(comparison.differences, bayesian);
  const bool higher = direction == Direction::HigherIsBetter;
  comparison.probability_better = higher ? posterior.p_above : posterior.p_below;
  comparison.probability_equal = posterior.p_within;
  comparison.probability_worse = higher ? posterior.p_below : posterior.p_above;
}

void judge_family(std::span<Comparison> family, Direction direction,
                  const AnalysisOptions& options) {
  std::vector<Measured> p_values;
  for (const auto& comparison : family) p_values.push_back(comparison.p);
  const auto holm_p = holm(p_values);
  const auto hochberg = adjust_p(p_values, Correction::Hochberg);
  const auto bh = adjust_p(p_values, Correction::BenjaminiHochberg);
  const auto by = adjust_p(p_values, Correction::BenjaminiYekutieli);
  add_max_t(family);
  const auto size =
      std::count_if(p_values.begin(), p_values.end(), [](const auto& p) { return p.has_value(); });
  for (std::size_t i = 0; i < family.size(); ++i) {
    family[i].p_holm = holm_p[i];
    family[i].p_hochberg = hochberg[i];
    family[i].p_bh = bh[i];
    family[i].p_by = by[i];
    family[i].family_size = size;
    judge(family[i], direction, options.alpha);
  }
}

}  // namespace calsweep::analysis
