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
  SignedRankTest test;  ///< method minus reference
  Measured method_median, reference_median;
  std::string p_used;  ///< "exact" or "asymptotic"; empty without a p
  Measured p;          ///< the one of the two that enters Holm's correction
  Measured p_holm;
  std::int64_t family_size = 0;
  std::optional<bool> significant;
  std::string verdict;      ///< "better", "worse", "not significant"; empty: see null_reason
  std::string null_reason;  ///< why there is no verdict
};

/// Pairs by pairing seed; only seeds that both have count.
Comparison compare(const MetricSample& method, const MetricSample& reference, Pairing pairing);

/// Holm over a family (all cells of one method and metric), then the verdicts at level alpha.
void judge_family(std::span<Comparison*> family, Direction direction, double alpha);

}  // namespace calsweep::analysis
