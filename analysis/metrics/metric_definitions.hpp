// What each metric is called, how it is computed, and which direction is better. Written to
// results.db (`metric_definition`), so that a number there explains itself.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace calsweep::analysis {

enum class Direction { HigherIsBetter, LowerIsBetter, None };
std::string_view to_string(Direction direction);  ///< "higher", "lower", "none"

struct MetricDefinition {
  std::string_view key;         ///< column name in views: "ece_guo2017"; "auroc_*" per OOD set
  std::string_view metric;      ///< name in the table `metric`: "ece"
  std::string_view convention;  ///< of the registry, or empty
  Direction direction;
  bool compared;             ///< whether methods are tested against the reference on it
  bool compared_calibrated;  ///< also after post-hoc calibration
  std::string_view unit;
  std::string_view formula;
  std::string_view source;
};

/// The metrics of the test set, in the order of the views' columns.
std::span<const MetricDefinition> test_metric_definitions();
/// The metrics of each out-of-distribution set, keys with a trailing "_*".
std::span<const MetricDefinition> ood_metric_definitions();

inline constexpr std::string_view kOodPrefix = "ood/";
/// Column-name part of an OOD set: "ood/Traffic-signs:raw" -> "traffic_signs_raw".
std::string ood_column_part(std::string_view set_name);

}  // namespace calsweep::analysis
