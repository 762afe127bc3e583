// Part of results_schema.hpp: the views, and what each table and view is for.
#include <fmt/format.h>

#include <array>

#include "analysis/results/results_schema.hpp"

namespace calsweep::analysis {
namespace {

constexpr std::array kDescriptions = {
    ObjectDescription{
        "cell_summary", "view",
        "one row per cell and method: mean, sd and median of every metric over seeds"},
    ObjectDescription{"comparison", "view",
                      "one row per cell, method and metric: the paired test against the reference"},
    ObjectDescription{"replicate_metric", "view",
                      "every metric of every replicate (cell x method x seed), all input sets"},
    ObjectDescription{"calibrated_summary", "view",
                      "summaries after post-hoc calibration, one row per calibrator and metric"},
    ObjectDescription{"calibrated_comparison", "view",
                      "tests that involve a post-hoc calibrator on one side or on both"},
    ObjectDescription{"calibrated_metric", "view", "replicate_metric after each calibrator"},
    ObjectDescription{"reliability", "view",
                      "reliability bins of every replicate, per convention and calibrator"},
    ObjectDescription{"dynamics", "view", "the per-epoch record of every network"},
    ObjectDescription{"grid_comparison", "view",
                      "one test over all cells per method and metric, blocked by cell"},
    ObjectDescription{"trend", "view",
                      "whether the effect of a method grows or shrinks along an axis"},
    ObjectDescription{"ranking", "view", "average rank of each method over all cells and seeds"},
    ObjectDescription{"method_pairs", "view",
                      "wins, ties, losses and tests for every two methods over the grid"},
    ObjectDescription{"matched_comparison", "view",
                      "methods compared at equal epochs, and at equal accuracy"},
    ObjectDescription{"ensemble_curve", "view", "metrics of an ensemble against its size"},
    ObjectDescription{"missing_replicate", "view", "replicates without results, with the reason"},
    ObjectDescription{"meta", "table", "the sweep, its options and the version that wrote this"},
    ObjectDescription{"description", "table", "this list"},
    ObjectDescription{"convention", "table", "what ECE and MCE mean exactly, by name"},
    ObjectDescription{"confidence_cell", "table",
                      "ranges of float32 confidences, each inside one bin of every convention"},
    ObjectDescription{"convention_bin", "table",
                      "the bin of each confidence cell, per convention and number of bins"},
    ObjectDescription{"metric_definition", "table",
                      "every metric: direction, unit, formula, source"},
    ObjectDescription{"axis", "table", "the axes: column name and key in the spec"},
    ObjectDescription{"cell", "table", "the cells: one column per axis"},
    ObjectDescription{"method", "table", "the methods: ingredients, settings, ensemble policy"},
    ObjectDescription{"replicate", "table", "cell x method x seed, and what predicts for it"},
    ObjectDescription{"replicate_member", "table", "the networks of each replicate"},
    ObjectDescription{"trial", "table", "the networks that were trained, and how it ended"},
    ObjectDescription{"predictor", "table", "what makes predictions: a network or an ensemble"},
    ObjectDescription{"calibration", "table",
                      "post-hoc calibrators of each predictor: fitted on what, or why not"},
    ObjectDescription{"calibrator_parameter", "table", "what was fitted, e.g. the temperature"},
    ObjectDescription{"prediction_set", "table", "the input sets each predictor has seen"},
    ObjectDescription{"metric", "table",
                      "every metric of every predictor with its floor and interval, or why not"},
    ObjectDescription{"confidence_count", "table",
                      "counts and sums per confidence cell: the ECE of any slice is a SUM"},
    ObjectDescription{"class_count", "table", "labels and predictions per class"},
    ObjectDescription{"conformal_stratum", "table",
                      "coverage and size of prediction sets by class and by set size"},
    ObjectDescription{"ensemble_size", "table", "ensemble_curve without the coordinates"},
    ObjectDescription{"epoch", "table", "per-epoch record of each network; epoch 0 is untrained"},
    ObjectDescription{"provenance", "table",
                      "unit file, host, device, seconds: the only table that may differ between "
                      "equal sweeps"},
    ObjectDescription{"summary", "table", "cell_summary in long form"},
    ObjectDescription{"comparison_test", "table", "comparison without the cell's coordinates"},
    ObjectDescription{"grid_test", "table", "grid_comparison without names"},
    ObjectDescription{"trend_test", "table", "trend without names"},
    ObjectDescription{"friedman_test", "table",
                      "whether the methods differ at all: Friedman, Iman-Davenport, Nemenyi"},
    ObjectDescription{"method_rank", "table", "ranking without names"},
    ObjectDescription{"method_pair", "table", "method_pairs without names"},
    ObjectDescription{"matched_test", "table", "matched_comparison without coordinates"},
    ObjectDescription{"missing", "table", "missing_replicate without the cell's coordinates"},
    ObjectDescription{"damaged_file", "table", "unit files that could not be read this time"},
};

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

constexpr std::string_view kTestColumns =
    "t.metric, t.n_pairs, t.n_zero, t.method_median, t.reference_median, t.median_difference, "
    "t.hodges_lehmann, t.hodges_lehmann_low, t.hodges_lehmann_high, t.interval_level, t.w_plus, "
    "t.w_minus, t.w, t.z, t.p_exact, t.p_asymptotic, t.log10_p_exact, t.log10_p_asymptotic, t.r, "
    "t.rank_biserial, t.common_language, t.cohens_dz, t.p_sign, t.p_t, t.p_used, t.p_holm, "
    "t.p_hochberg, t.p_bh, t.p_by, t.p_maxt, t.family_size, t.significant, t.verdict, "
    "t.probability_better, t.probability_equal, t.probability_worse, t.null_reason";

constexpr std::string_view kMetricColumns =
    "v.set_name, v.metric, v.convention, v.value, v.floor, v.floor_q95, v.p_consistent, v.ci_low, "
    "v.ci_high, v.null_reason";

/// Views of what single replicates did.
std::string replicate_views(const std::string& axes) {
  return fmt::format(R"(
CREATE VIEW replicate_metric AS SELECT {0}m.name AS method, r.seed, {1}
FROM replicate r JOIN cell c USING (cell_id) JOIN method m USING (method_id)
JOIN metric v USING (predictor_id) WHERE v.calibrator = 'none'
ORDER BY r.cell_id, r.method_id, r.seed;
CREATE VIEW calibrated_metric AS SELECT {0}m.name AS method, r.seed, v.calibrator, {1}
FROM replicate r JOIN cell c USING (cell_id) JOIN method m USING (method_id)
JOIN metric v USING (predictor_id) WHERE v.calibrator <> 'none'
ORDER BY r.cell_id, r.method_id, r.seed, v.calibrator;
CREATE VIEW dynamics AS SELECT {0}m.name AS method, r.seed, p.position AS member, e.*
FROM replicate r JOIN cell c USING (cell_id) JOIN method m USING (method_id)
JOIN replicate_member p USING (cell_id, method_id, seed) JOIN epoch e USING (trial_id)
ORDER BY r.cell_id, r.method_id, r.seed, p.position, e.epoch;
CREATE VIEW reliability AS SELECT {0}m.name AS method, r.seed, k.calibrator, k.set_name,
  b.convention, b.n_bins, b.bin, sum(k.count) AS count, sum(k.correct) AS correct,
  sum(k.sum_confidence) AS sum_confidence
FROM replicate r JOIN cell c USING (cell_id) JOIN method m USING (method_id)
JOIN confidence_count k USING (predictor_id) JOIN convention_bin b USING (confidence_cell)
WHERE b.bin IS NOT NULL
GROUP BY r.cell_id, r.method_id, r.seed, k.calibrator, k.set_name, b.convention, b.n_bins, b.bin;
CREATE VIEW ensemble_curve AS SELECT {0}m.name AS method, r.seed, e.n_members, e.metric, e.value,
  e.n_subsets
FROM replicate r JOIN cell c USING (cell_id) JOIN method m USING (method_id)
JOIN ensemble_size e USING (predictor_id) ORDER BY r.cell_id, r.method_id, r.seed, e.n_members;
CREATE VIEW missing_replicate AS SELECT {0}m.name AS method, x.seed, x.reason
FROM missing x JOIN cell c USING (cell_id) JOIN method m USING (method_id)
ORDER BY x.cell_id, x.method_id, x.seed;
)",
                     axes, kMetricColumns);
}

/// Views of cells: summaries and tests.
std::string cell_views(const std::string& axes, std::span<const MetricColumn> columns) {
  return fmt::format(R"(
CREATE VIEW cell_summary AS SELECT {0}m.name AS method,
  max(CASE WHEN s.metric = 'accuracy' THEN s.n END) AS n{1}
FROM summary s JOIN cell c USING (cell_id) JOIN method m USING (method_id)
WHERE s.calibrator = 'none' GROUP BY s.cell_id, s.method_id ORDER BY s.cell_id, s.method_id;
CREATE VIEW calibrated_summary AS SELECT {0}m.name AS method, s.calibrator, s.metric, s.n, s.mean,
  s.sd, s.median, s.minimum, s.maximum
FROM summary s JOIN cell c USING (cell_id) JOIN method m USING (method_id)
WHERE s.calibrator <> 'none' ORDER BY s.cell_id, s.method_id, s.calibrator, s.metric;
CREATE VIEW comparison AS SELECT {0}m.name AS method, ref.name AS reference, {2}
FROM comparison_test t JOIN cell c USING (cell_id) JOIN method m USING (method_id)
JOIN method ref ON ref.is_reference = 1
WHERE t.calibrator = 'none' AND t.reference_calibrator = 'none'
ORDER BY t.cell_id, t.method_id, t.metric;
CREATE VIEW calibrated_comparison AS SELECT {0}m.name AS method, t.calibrator,
  ref.name AS reference, t.reference_calibrator, {2}
FROM comparison_test t JOIN cell c USING (cell_id) JOIN method m USING (method_id)
JOIN method ref ON ref.is_reference = 1
WHERE t.calibrator <> 'none' OR t.reference_calibrator <> 'none'
ORDER BY t.cell_id, t.method_id, t.calibrator, t.reference_calibrator, t.metric;
CREATE VIEW matched_comparison AS SELECT {0}m.name AS method, ref.name AS reference, t.metric,
  t.matched_on, t.at, t.n_pairs, t.method_median, t.reference_median, t.hodges_lehmann, t.p_exact,
  t.log10_p_exact, t.rank_biserial, t.null_reason
FROM matched_test t JOIN cell c USING (cell_id) JOIN method m USING (method_id)
JOIN method ref ON ref.is_reference = 1
ORDER BY t.cell_id, t.method_id, t.metric, t.matched_on, t.at;
)",
                     axes, summary_columns(columns), kTestColumns);
}

/// Views of the grid as a whole.
constexpr std::string_view kGridViews = R"(
CREATE VIEW grid_comparison AS SELECT m.name AS method, ref.name AS reference, t.metric, t.test,
  t.assumption, t.n_cells, t.n_seeds, t.hodges_lehmann, t.statistic, t.z, t.p, t.log10_p,
  t.null_reason
FROM grid_test t JOIN method m USING (method_id) JOIN method ref ON ref.is_reference = 1
ORDER BY t.method_id, t.metric, t.test;
CREATE VIEW trend AS SELECT m.name AS method, ref.name AS reference, t.metric, t.axis, t.test,
  t.n_blocks, t.n_levels, t.statistic, t.z, t.p, t.log10_p, t.direction, t.null_reason
FROM trend_test t JOIN method m USING (method_id) JOIN method ref ON ref.is_reference = 1
ORDER BY t.method_id, t.metric, t.axis, t.test;
CREATE VIEW ranking AS SELECT k.metric, m.name AS method, k.average_rank, f.n_blocks,
  f.critical_difference, f.p_f AS p
FROM method_rank k JOIN method m USING (method_id) JOIN friedman_test f USING (metric)
ORDER BY k.metric, k.average_rank;
CREATE VIEW method_pairs AS SELECT p.metric, a.name AS method, b.name AS other, p.wins, p.ties,
  p.losses, p.rank_difference, p.nemenyi_differs, p.p_wilcoxon, p.p_holm
FROM method_pair p JOIN method a ON a.method_id = p.method_a
JOIN method b ON b.method_id = p.method_b ORDER BY p.metric, p.method_a, p.method_b;
)";

}  // namespace

std::string views_sql(const Sweep& sweep, std::span<const MetricColumn> columns) {
  const std::string axes = axis_list(sweep);
  return cell_views(axes, columns) + replicate_views(axes) + std::string(kGridViews);
}

std::span<const ObjectDescription> object_descriptions() { return kDescriptions; }

}  // namespace calsweep::analysis
