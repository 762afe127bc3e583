// Bootstrap of errors that are functions of sums before cuts, by cells instead of rows: the rows
// between neighbouring cuts, right ones and wrong ones apart, are drawn as one multinomial, by
// halves. Exact but for the confidences inside a cell, which become their mean. Costs cells times
// resamples, whatever the rows; draws belong to the cells, so those of two methods are not paired.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "analysis/uncertainty/bootstrap.hpp"
#include "analysis/uncertainty/cut_functional.hpp"

namespace calsweep::analysis {

/// One per error. The cells lie between the cuts of all errors. Keyed by `key`. An empty set gives
/// no replicates. n_resamples >= 1, else UsageError.
std::vector<Replicates> cell_bootstrap(const ConfidenceProfile& profile,
                                       const std::vector<CutFunctional>& errors,
                                       std::int64_t n_resamples, const std::string& key);

}  // namespace calsweep::analysis
