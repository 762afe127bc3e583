#include "analysis/results/results_schema.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <set>

#include "sweeps/settings.hpp"

namespace calsweep::analysis {
namespace {

// WITHOUT ROWID: rows lie in key order whatever order they came in, so equal content dumps equally.
constexpr std::string_view kTables = R"(
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE description (name TEXT PRIMARY KEY, kind TEXT NOT NULL, text TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE convention (name TEXT PRIMARY KEY, default_bins INTEGER NOT NULL, rule TEXT NOT NULL,
  source TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE metric_definition (key TEXT PRIMARY KEY, set_name TEXT NOT NULL, metric TEXT NOT NULL,
  convention TEXT NOT NULL, better TEXT NOT NULL, compared INTEGER NOT NULL, unit TEXT NOT NULL,
  formula TEXT NOT NULL, source TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE axis (position INTEGER PRIMARY KEY, name TEXT NOT NULL, path TEXT NOT NULL);
CREATE TABLE method (method_id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
  ingredients TEXT NOT NULL, settings TEXT NOT NULL, is_reference INTEGER NOT NULL,
  ensemble_of TEXT, ensemble_size INTEGER, ensemble_members TEXT);
CREATE TABLE replicate (cell_id INTEGER, method_id INTEGER, seed INTEGER,
  pairing_seed INTEGER NOT NULL, predictor_id TEXT NOT NULL, status TEXT NOT NULL,
  PRIMARY KEY (cell_id, method_id, seed)) WITHOUT ROWID;
CREATE TABLE replicate_member (cell_id INTEGER, method_id INTEGER, seed INTEGER, position INTEGER,
  trial_id TEXT NOT NULL, PRIMARY KEY (cell_id, method_id, seed, position)) WITHOUT ROWID;
CREATE TABLE trial (trial_id TEXT PRIMARY KEY, seed INTEGER NOT NULL, member INTEGER NOT NULL,
  outcome TEXT NOT NULL, diverged_step INTEGER, settings TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE predictor (predictor_id TEXT PRIMARY KEY, kind TEXT NOT NULL,
  n_members INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE prediction_set (predictor_id TEXT, set_name TEXT, n_rows INTEGER NOT NULL,
  n_classes INTEGER NOT NULL, PRIMARY KEY (predictor_id, set_name)) WITHOUT ROWID;
CREATE TABLE metric (predictor_id TEXT, set_name TEXT, metric TEXT, convention TEXT, value REAL,
  null_reason TEXT, PRIMARY KEY (predictor_id, set_name, metric, convention)) WITHOUT ROWID;
CREATE TABLE bin (predictor_id TEXT, set_name TEXT, convention TEXT, bin INTEGER, lower REAL NOT NULL,
  upper REAL NOT NULL, count INTEGER NOT NULL, correct INTEGER NOT NULL, sum_confidence REAL NOT NULL,
  PRIMARY KEY (predictor_id, set_name, convention, bin)) WITHOUT ROWID;
CREATE TABLE epoch (trial_id TEXT, epoch INTEGER, train_loss REAL, test_accuracy REAL, test_nll REAL,
  test_confidence REAL, test_ece_guo2017 REAL, test_ece_noise2026 REAL,
  PRIMARY KEY (trial_id, epoch)) WITHOUT ROWID;
CREATE TABLE provenance (trial_id TEXT PRIMARY KEY, unit_id TEXT NOT NULL, unit_checksum TEXT NOT NULL,
  attempt INTEGER NOT NULL, host TEXT NOT NULL, device TEXT NOT NULL, fused_width INTEGER NOT NULL,
  threads INTEGER NOT NULL, train_seconds REAL, started_at TEXT NOT NULL,
  calsweep_version TEXT NOT NULL, libtorch_version TEXT NOT NULL, hdf5_version TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE summary (cell_id INTEGER, method_id INTEGER, metric TEXT, n INTEGER NOT NULL, mean REAL,
  sd REAL, median REAL, minimum REAL, maximum REAL, PRIMARY KEY (cell_id, method_id, metric)) WITHOUT ROWID;
CREATE TABLE comparison_test (cell_id INTEGER, method_id INTEGER, metric TEXT, n_pairs INTEGER NOT NULL,
  n_zero INTEGER, method_median REAL, reference_median REAL, median_difference REAL,
  hodges_lehmann REAL, w_plus REAL, w_minus REAL, w REAL, z REAL, p_exact REAL, p_asymptotic REAL,
  log10_p_exact REAL, log10_p_asymptotic REAL, r REAL, rank_biserial REAL, p_used TEXT, p_holm REAL,
  family_size INTEGER, significant INTEGER, verdict TEXT, null_reason TEXT,
  PRIMARY KEY (cell_id, method_id, metric)) WITHOUT ROWID;
CREATE TABLE missing (cell_id INTEGER, method_id INTEGER, seed INTEGER, reason TEXT NOT NULL,
  PRIMARY KEY (cell_id, method_id, seed)) WITHOUT ROWID;
CREATE TABLE damaged_file (file TEXT PRIMARY KEY, message TEXT NOT NULL) WITHOUT ROWID;
)";

constexpr std::array kDescriptions = {
    ObjectDescription{
        "cell_summary", "view",
        "one row per cell and method: mean, sd and median of every metric over seeds"},
    ObjectDescription{"comparison", "view",
                      "one row per cell, method and metric: the paired test against the reference"},
    ObjectDescription{"replicate_metric", "view",
                      "every metric of every replicate (cell x method x seed), all input sets"},
    ObjectDescription{"dynamics", "view", "the per-epoch record of every network"},
    ObjectDescription{"reliability", "view", "reliability bins of every replicate, per convention"},
    ObjectDescription{"missing_replicate", "view", "replicates without results, with the reason"},
    ObjectDescription{"meta", "table", "the sweep, its options and the version that wrote this"},
    ObjectDescription{"description", "table", "this list"},
    ObjectDescription{"convention", "table", "what ECE and MCE mean exactly, by name"},
    ObjectDescription{"metric_definition", "table",
                      "every metric: direction, unit, formula, source"},
    ObjectDescription{"axis", "table", "the axes: column name and key in the spec"},
    ObjectDescription{"cell", "table", "the cells: one column per axis"},
    ObjectDescription{"method", "table", "the methods: ingredients, settings, ensemble policy"},
    ObjectDescription{"replicate", "table", "cell x method x seed, and what predicts for it"},
    ObjectDescription{"replicate_member", "table", "the networks of each replicate"},
    ObjectDescription{"trial", "table", "the networks that were trained, and how it ended"},
    ObjectDescription{"predictor", "table", "what makes predictions: a network or an ensemble"},
    ObjectDescription{"prediction_set", "table", "the input sets each predictor has seen"},
    ObjectDescription{"metric", "table", "every metric of every predictor, or why there is none"},
    ObjectDescription{"bin", "table", "reliability bins: counts and sums"},
    ObjectDescription{"epoch", "table", "per-epoch record of each network; epoch 0 is untrained"},
    ObjectDescription{"provenance", "table",
                      "unit file, host, device, seconds: the only table that may differ between "
                      "equal sweeps"},
    ObjectDescription{"summary", "table", "cell_summary in long form"},
    ObjectDescription{"comparison_test", "table", "comparison without the cell's coordinates"},
    ObjectDescription{"missing", "table", "missing_replicate without the cell's coordinates"},
    ObjectDescription{"damaged_file", "table", "unit files that could not be read this time"},
};

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
                                              "member"};
  return names;
}

std::string lower_case(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::string_view sql_type(const std::string& path) {
  const int index = find_setting(path);
  if (index < 0) return "";
  switch (setting_keys()[static_cast<std::size_t>(index)].type) {
    case SettingType::Boolean:
    case SettingType::Integer:
      return "INTEGER";
    case SettingType::Real:
      return "REAL";
    default:
      return "TEXT";
  }
}

/// `c."depth", c."size", ` or nothing.
std::string axis_list(const Sweep& sweep) {
  std::string list;
  for (const auto& name : axis_columns(sweep)) list += fmt::format("c.{}, ", sql_name(name));
  return list;
}

std::string summary_columns(std::span<const MetricColumn> columns) {
  std::string sql;
  for (const auto& column : columns) {
    for (const char* statistic : {"mean", "sd", "median"}) {
      sql += fmt::format(",\n  max(CASE WHEN s.metric = '{0}' THEN s.{1} END) AS {2}", column.key,
                         statistic, sql_name(column.key + "_" + statistic));
    }
  }
  return sql;
}

}  // namespace

std::vector<MetricColumn> metric_columns(std::span<const std::string> ood_sets) {
  std::vector<MetricColumn> columns;
  const auto add = [&](const MetricDefinition& d, std::string key, const std::string& set) {
    columns.push_back({std::move(key), set, std::string(d.metric), std::string(d.convention),
                       d.direction, d.compared, std::string(d.unit), std::string(d.formula),
                       std::string(d.source)});
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

std::string tables_sql(const Sweep& sweep) {
  std::string cell = "CREATE TABLE cell (cell_id INTEGER PRIMARY KEY, label TEXT NOT NULL";
  const auto names = axis_columns(sweep);
  for (std::size_t a = 0; a < names.size(); ++a) {
    cell += fmt::format(", {} {}", sql_name(names[a]), sql_type(sweep.axis_paths[a]));
  }
  return std::string(kTables) + cell + ");\n";
}

std::string views_sql(const Sweep& sweep, std::span<const MetricColumn> columns) {
  const std::string axes = axis_list(sweep);
  return fmt::format(R"(
CREATE VIEW cell_summary AS SELECT {0}m.name AS method,
  max(CASE WHEN s.metric = 'accuracy' THEN s.n END) AS n{1}
FROM summary s JOIN cell c USING (cell_id) JOIN method m USING (method_id)
GROUP BY s.cell_id, s.method_id ORDER BY s.cell_id, s.method_id;
CREATE VIEW comparison AS SELECT {0}m.name AS method, ref.name AS reference, t.metric, t.n_pairs,
  t.n_zero, t.method_median, t.reference_median, t.median_difference, t.hodges_lehmann, t.w_plus,
  t.w_minus, t.w, t.z, t.p_exact, t.p_asymptotic, t.log10_p_exact, t.log10_p_asymptotic, t.r,
  t.rank_biserial, t.p_used, t.p_holm, t.family_size, t.significant, t.verdict, t.null_reason
FROM comparison_test t JOIN cell c USING (cell_id) JOIN method m USING (method_id)
JOIN method ref ON ref.is_reference = 1 ORDER BY t.cell_id, t.method_id, t.metric;
CREATE VIEW replicate_metric AS SELECT {0}m.name AS method, r.seed, v.set_name, v.metric,
  v.convention, v.value, v.null_reason
FROM replicate r JOIN cell c USING (cell_id) JOIN method m USING (method_id)
JOIN metric v USING (predictor_id) ORDER BY r.cell_id, r.method_id, r.seed;
CREATE VIEW dynamics AS SELECT {0}m.name AS method, r.seed, p.position AS member, e.*
FROM replicate r JOIN cell c USING (cell_id) JOIN method m USING (method_id)
JOIN replicate_member p USING (cell_id, method_id, seed) JOIN epoch e USING (trial_id)
ORDER BY r.cell_id, r.method_id, r.seed, p.position, e.epoch;
CREATE VIEW reliability AS SELECT {0}m.name AS method, r.seed, b.set_name, b.convention, b.bin,
  b.lower, b.upper, b.count, b.correct, b.sum_confidence
FROM replicate r JOIN cell c USING (cell_id) JOIN method m USING (method_id)
JOIN bin b USING (predictor_id) ORDER BY r.cell_id, r.method_id, r.seed, b.set_name, b.convention, b.bin;
CREATE VIEW missing_replicate AS SELECT {0}m.name AS method, x.seed, x.reason
FROM missing x JOIN cell c USING (cell_id) JOIN method m USING (method_id)
ORDER BY x.cell_id, x.method_id, x.seed;
)",
                     axes, summary_columns(columns));
}

std::span<const ObjectDescription> object_descriptions() { return kDescriptions; }

}  // namespace calsweep::analysis
