// The ready-made queries of `calsweep query`.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "analysis/query/query.hpp"

namespace calsweep::analysis {
namespace {

constexpr std::array kQueries = {
    NamedQuery{"summary", "means of the main metrics, per cell and method",
               "SELECT {axes}method, n, accuracy_mean AS accuracy, nll_mean AS nll, "
               "brier_mean AS brier, ece_guo2017_mean AS ece_guo2017, "
               "ece_guo2017_sd AS ece_sd, ece_noise2026_mean AS ece_noise2026, "
               "confidence_mean AS confidence FROM cell_summary"},
    NamedQuery{
        "comparison", "every paired test against the reference: effect, p values, verdict",
        "SELECT {axes}method, metric, n_pairs, median_difference, w, p_exact, p_asymptotic, r, "
        "rank_biserial, p_holm, coalesce(verdict, null_reason) AS verdict FROM comparison"},
    NamedQuery{"significant", "the tests that are significant after Holm's correction",
               "SELECT {axes}method, metric, n_pairs, method_median, reference_median, "
               "hodges_lehmann, p_exact, p_holm, verdict FROM comparison WHERE significant = 1"},
    NamedQuery{
        "replicate-table",
        "W, P and r as papers print them, beside exact, Holm and maxT p; where the conclusion "
        "changes",
        "SELECT {axes}method, metric, n_pairs AS n, w AS W, p_asymptotic AS P, r, p_exact, p_holm, "
        "p_maxt, nullif(trim(iif((p_asymptotic <= alpha) <> (p_exact <= alpha), 'exact ', '') || "
        "iif((p_asymptotic <= alpha) <> (p_holm <= alpha), 'Holm ', '') || "
        "iif((p_asymptotic <= alpha) <> (p_maxt <= alpha), 'maxT', '')), '') AS changes "
        "FROM comparison, (SELECT CAST(value AS REAL) AS alpha FROM meta WHERE key = 'alpha') "
        "WHERE metric IN ('ece_noise2026', 'ece_guo2017', 'accuracy')"},
    NamedQuery{"grid", "one test over the whole grid, per method and metric",
               "SELECT method, metric, test, n_cells, n_seeds, hodges_lehmann, z, p, log10_p, "
               "coalesce(null_reason, assumption) AS note FROM grid_comparison"},
    NamedQuery{"trends", "whether a method's effect grows or shrinks along an axis",
               "SELECT method, metric, axis, test, n_blocks, n_levels, z, p, coalesce(direction, "
               "null_reason) AS direction, iif(test = 'page', 'blocks are seeds', 'assumes that "
               "levels share no seeds: not so in a sweep') AS note FROM trend"},
    NamedQuery{"ranking", "average rank of the methods over the grid, with Nemenyi's distance",
               "SELECT * FROM ranking"},
    NamedQuery{"matched", "methods at equal epochs, samples and accuracy (guo2017)",
               "SELECT {axes}method, matched_on, at, n_pairs, method_median, reference_median, "
               "hodges_lehmann, p_exact FROM matched_comparison WHERE metric = 'ece_guo2017'"},
    NamedQuery{"calibrated", "means after each post-hoc calibrator",
               "SELECT {axes}method, calibrator, max(iif(metric = 'accuracy', mean, NULL)) AS "
               "accuracy, max(iif(metric = 'nll', mean, NULL)) AS nll, max(iif(metric = 'brier', "
               "mean, NULL)) AS brier, max(iif(metric = 'ece_guo2017', mean, NULL)) AS ece_guo2017 "
               "FROM calibrated_summary GROUP BY {axes}method, calibrator"},
    NamedQuery{"temperatures", "the fitted temperature of every replicate",
               "SELECT {axes}m.name AS method, r.seed, p.value AS temperature FROM replicate r "
               "JOIN cell USING (cell_id) JOIN method m USING (method_id) JOIN "
               "calibrator_parameter p USING (predictor_id) WHERE p.calibrator = 'temperature' "
               "AND p.parameter = 'T' ORDER BY r.cell_id, r.method_id, r.seed"},
    NamedQuery{"floors", "each network's ECE beside what perfect calibration would give",
               "SELECT {axes}method, seed, value AS ece_guo2017, floor, floor_q95, p_consistent, "
               "ci_low, ci_high FROM replicate_metric WHERE set_name = 'test' AND metric = 'ece' "
               "AND convention = 'guo2017'"},
    NamedQuery{"verdicts", "per method and metric: cells better, worse, not significant, untested",
               "SELECT method, metric, sum(verdict = 'better') AS better, "
               "sum(verdict = 'worse') AS worse, sum(verdict = 'not significant') AS "
               "not_significant, sum(verdict IS NULL) AS untested, min(p_holm) AS smallest_p_holm "
               "FROM comparison GROUP BY method, metric"},
    NamedQuery{"ece", "calibration error in both conventions, with the saturated fraction",
               "SELECT {axes}method, n, ece_guo2017_mean, ece_guo2017_sd, ece_noise2026_mean, "
               "ece_noise2026_sd, mce_guo2017_mean, saturated_fraction_mean FROM cell_summary"},
    NamedQuery{"accuracy", "accuracy per cell and method",
               "SELECT {axes}method, n, accuracy_mean, accuracy_sd, accuracy_median FROM "
               "cell_summary"},
    NamedQuery{
        "ood", "AUROC against, and mean confidence on, each out-of-distribution set",
        "SELECT {axes}m.name AS method, s.metric, s.n, s.mean, s.sd, s.median FROM summary s "
        "JOIN cell USING (cell_id) JOIN method m USING (method_id) JOIN metric_definition d "
        "ON d.key = s.metric WHERE s.calibrator = 'none' AND d.set_name GLOB 'ood/*' ORDER BY "
        "s.metric, s.cell_id, "
        "s.method_id"},
    NamedQuery{"dynamics", "per epoch, averaged over networks: accuracy, NLL, confidence, ECE",
               "SELECT {axes}method, epoch, count(*) AS networks, avg(train_loss) AS train_loss, "
               "avg(test_accuracy) AS accuracy, avg(test_nll) AS nll, avg(test_confidence) AS "
               "confidence, avg(test_ece_guo2017) AS ece_guo2017 FROM dynamics GROUP BY "
               "{axes}method, epoch"},
    NamedQuery{"reliability", "reliability bins of the test set, pooled over seeds (guo2017)",
               "SELECT {axes}method, bin, sum(count) AS count, sum(correct) * 1.0 / sum(count) AS "
               "accuracy, sum(sum_confidence) / sum(count) AS confidence FROM reliability WHERE "
               "set_name = 'test' AND convention = 'guo2017' AND n_bins = 15 AND calibrator = "
               "'none' GROUP BY {axes}method, bin"},
    NamedQuery{"replicates", "the main metrics of every replicate on the test set",
               "SELECT {axes}method, seed, "
               "max(CASE WHEN metric = 'accuracy' THEN value END) AS accuracy, "
               "max(CASE WHEN metric = 'nll' THEN value END) AS nll, "
               "max(CASE WHEN metric = 'brier' THEN value END) AS brier, "
               "max(CASE WHEN metric = 'ece' AND convention = 'guo2017' THEN value END) AS "
               "ece_guo2017, max(CASE WHEN metric = 'ece' AND convention = 'noise2026' THEN value "
               "END) AS ece_noise2026 FROM replicate_metric WHERE set_name = 'test' GROUP BY "
               "{axes}method, seed"},
    NamedQuery{"missing", "replicates without results, and why", "SELECT * FROM missing_replicate"},
    NamedQuery{"damaged", "unit files that could not be read at the last analysis",
               "SELECT * FROM damaged_file"},
    NamedQuery{"methods", "the methods: ingredients, settings, ensemble policy",
               "SELECT name, is_reference, ingredients, settings, ensemble_of, ensemble_size, "
               "ensemble_members FROM method"},
    NamedQuery{"conventions", "what ECE and MCE mean exactly, by name",
               "SELECT name, default_bins, rule, source FROM convention"},
    NamedQuery{"metrics", "every metric: direction, unit, formula, source",
               "SELECT key, set_name, better, unit, formula, source FROM metric_definition"},
    NamedQuery{"timing", "where networks were trained, and how long it took",
               "SELECT host, device, fused_width, count(*) AS networks, sum(train_seconds) AS "
               "seconds, avg(train_seconds) AS seconds_per_network FROM provenance GROUP BY host, "
               "device, fused_width"},
    NamedQuery{"sweep", "the sweep's options and the program that wrote this file",
               "SELECT key, value FROM meta WHERE key <> 'spec'"},
    NamedQuery{"schema", "every table and view with its columns",
               "SELECT name, kind, text, (SELECT group_concat(c.name, ' ') FROM "
               "pragma_table_info(description.name) c) AS columns FROM description ORDER BY kind "
               "DESC, name"},
};

}  // namespace

std::span<const NamedQuery> named_queries() { return kQueries; }

std::string list_named_queries() {
  std::size_t width = 0;
  for (const auto& query : kQueries) width = std::max(width, query.name.size());
  std::string text = "Ready-made queries:\n";
  for (const auto& query : kQueries) {
    text += fmt::format("  {:<{}}  {}\n", query.name, width, query.description);
  }
  return text +
         "Or one SELECT statement, for example\n"
         "  SELECT * FROM cell_summary WHERE method = 'baseline'\n"
         "Views: cell_summary, comparison, replicate_metric, dynamics, reliability, "
         "missing_replicate.\n";
}

}  // namespace calsweep::analysis
