// What each convention of the registry makes of one and the same prediction set, and why: the
// table behind `calsweep explain-ece`.
#pragma once

#include <cstdint>

#include "analysis/metrics/predictions.hpp"
#include "analysis/query/query.hpp"

namespace calsweep::analysis {

/// One row per convention: convention, bins, ece, minus_guo2017 (same number of bins), mce, rmsce,
/// oe, n_rows, n_unbinned (rows in no bin), edges, why (in words: what differs from guo2017 on
/// these rows), source. n_bins 0: each convention's own. A number that does not exist is NULL, with
/// the reason in `why`. Throws UsageError for n_bins outside [0, 2^20] or rows without labels.
QueryTable explain_ece(const Predictions& predictions, std::int64_t n_bins = 0);

/// The same from a tally, for numbers of bins that the confidence cells serve; `fortuna`, which
/// needs the rows, has no values then. Throws UsageError for other numbers of bins.
QueryTable explain_ece(const Tally& tally, std::int64_t n_bins = 0);

}  // namespace calsweep::analysis
