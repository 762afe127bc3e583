// The tables and views of results.db, documented in docs/results-db.md and inside the file itself
// (table `description`). Any change here bumps kResultsSchema in previous_results.hpp.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/metrics/metric_definitions.hpp"
#include "sweeps/sweep.hpp"

namespace calsweep::analysis {

/// A metric as the views know it: one column of cell_summary, one `metric` value of comparison.
struct MetricColumn {
  std::string key;  ///< "ece_guo2017", "auroc_mnist"
  std::string set_name;
  std::string metric, convention;
  Direction direction = Direction::None;
  bool compared = false, compared_calibrated = false;
  std::string unit, formula, source;
};

/// Test-set metrics, then those of each OOD set (sorted), with unique keys.
std::vector<MetricColumn> metric_columns(std::span<const std::string> ood_sets);

/// Column names of the axes: Sweep::axis_names, with "axis_" in front where a view has a column of
/// that name already.
std::vector<std::string> axis_columns(const Sweep& sweep);

/// An SQL identifier in double quotes.
std::string sql_name(std::string_view identifier);

/// CREATE TABLE statements, `cell` with one column per axis.
std::string tables_sql(const Sweep& sweep);
/// CREATE VIEW statements.
std::string views_sql(const Sweep& sweep, std::span<const MetricColumn> columns);

struct ObjectDescription {
  std::string_view name, kind, text;
};
/// What each table and view is for.
std::span<const ObjectDescription> object_descriptions();

}  // namespace calsweep::analysis
