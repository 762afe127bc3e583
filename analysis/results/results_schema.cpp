#include "analysis/results/results_schema.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <set>

namespace calsweep::analysis {
namespace {

/// Columns of the views beside the axes.
const std::set<std::string>& fixed_columns() {
  static const std::set<std::string> names = {"cell_id",
                                              "method_id",
                                              "label",
                                              "method",
                                              "reference",
                                              "metric",
                                              "n",
                                              "seed",
                                              "set_name",
                                              "convention",
                                              "value",
                                              "null_reason",
                                              "trial_id",
                                              "epoch",
                                              "train_loss",
                                              "test_accuracy",
                                              "test_nll",
                                              "test_confidence",
                                              "test_ece_guo2017",
                                              "test_ece_noise2026",
                                              "bin",
                                              "lower",
                                              "upper",
                                              "count",
                                              "correct",
                                              "sum_confidence",
                                              "reason",
                                              "n_pairs",
                                              "n_zero",
                                              "w",
                                              "z",
                                              "r",
                                              "verdict",
                                              "significant",
                                              "accuracy",
                                              "confidence",
                                              "member",
                                              "calibrator",
                                              "reference_calibrator",
                                              "floor",
                                              "floor_q95",
                                              "p_consistent",
                                              "ci_low",
                                              "ci_high",
                                              "n_bins",
                                              "n_members",
                                              "n_subsets",
                                              "matched_on",
                                              "at",
                                              "test",
                                              "p",
                                              "mean",
                                              "sd",
                                              "median",
                                              "minimum",
                                              "maximum",
                                              "axis",
                                              "hodges_lehmann",
                                              "p_holm"};
  return names;
}

std::string lower_case(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

}  // namespace

std::vector<MetricColumn> metric_columns(std::span<const std::string> ood_sets) {
  std::vector<MetricColumn> columns;
  const auto add = [&](const MetricDefinition& d, std::string key, const std::string& set) {
    columns.push_back({std::move(key), set, std::string(d.metric), std::string(d.convention),
                       d.direction, d.compared, d.compared_calibrated, std::string(d.unit),
                       std::string(d.formula), std::string(d.source)});
  };
  for (const auto& d : test_metric_definitions()) add(d, std::string(d.key), "test");
  std::set<std::string> used;
  for (const auto& set : ood_sets) {
    std::string part = ood_column_part(set);
    while (!used.insert(part).second) part += "_2";
    for (const auto& d : ood_metric_definitions()) {
      add(d, std::string(d.key.substr(0, d.key.size() - 1)) + part, set);
    }
  }
  return columns;
}

std::vector<std::string> axis_columns(const Sweep& sweep) {
  std::vector<std::string> columns;
  for (const auto& name : sweep.axis_names) {
    const bool taken = fixed_columns().contains(lower_case(name));
    columns.push_back(taken ? "axis_" + name : name);
  }
  return columns;
}

std::string sql_name(std::string_view identifier) {
  std::string text = "\"";
  for (const char c : identifier) text += c == '"' ? std::string("\"\"") : std::string(1, c);
  return text + "\"";
}

}  // namespace calsweep::analysis
