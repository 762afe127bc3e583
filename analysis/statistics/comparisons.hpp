// From the metric values of replicates to summaries per cell and paired tests against the
// reference. Pure arithmetic over values in memory; no database.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/metrics/metric_definitions.hpp"
#include "analysis/statistics/wilcoxon.hpp"
#include "sweeps/sweep.hpp"

namespace calsweep::analysis {

/// One metric of the replicates of one method in one cell, in seed order.
struct MetricSample {
  std::vector<std::int64_t> pairing_seeds;
  std::vector<double> values;
};

struct SummaryStatistics {
  std::int64_t n = 0;
  std::optional<double> mean, sd, median, minimum, maximum;  ///< sd: sample sd, from n = 2
};
SummaryStatistics summarize_sample(std::span<const double> values);

/// Whether the replicates of a method are independent of one another.
enum class Pairing { BySeed, SharedNetworks };

struct Comparison {
  SignedRankTest test;              ///< method minus reference
  std::vector<std::int64_t> seeds;  ///< pairing seeds of both, ascending
  std::vector<double> differences;  ///< [seeds] method minus reference
  double tolerance = 0.0;           ///< differences within it are equal
  Measured method_median, reference_median;
  Measured hodges_lehmann_low, hodges_lehmann_high;  ///< exact confidence interval
  Measured interval_level;                           ///< the coverage it has
  Measured common_language;  ///< P(method > reference) + P(equal) / 2, over pairs
  Measured cohens_dz;        ///< mean / sd of the differences
  Measured p_sign, p_t;      ///< sign test and paired t, for contrast
  std::string p_used;        ///< "exact" or "asymptotic"; empty without a p
  Measured p;                ///< the one of the two that enters the corrections
  Measured p_holm, p_hochberg, p_bh, p_by, p_maxt;
  std::int64_t family_size = 0;
  std::optional<bool> significant;
  std::string verdict;  ///< "better", "worse", "not significant"; empty: see null_reason
  /// Bayesian signed-rank test with a region of practical equivalence.
  Measured probability_better, probability_equal, probability_worse;
  std::string null_reason;  ///< why there is no verdict
};

/// Pairs by pairing seed; only seeds that both have count. `alpha`: the interval covers 1 - alpha.
Comparison compare(const MetricSample& method, const MetricSample& reference, Pairing pairing,
                   double alpha = 0.05);

/// Fills in the Bayesian signed-rank test with `options.equivalence` as half width of the region.
/// `key` names what is compared: the draws belong to it.
void add_posterior(Comparison& comparison, Direction direction, const AnalysisOptions& options,
                   const std::string& key);

/// Corrects over a family (all cells of one contrast and metric); the verdicts are Holm's at level
/// `options.alpha`.
void judge_family(std::span<Comparison> family, Direction direction,
                  const AnalysisOptions& options);

}  // namespace calsweep::analysis
