// Part of results_schema.hpp: the tables.
#include <fmt/format.h>

#include "analysis/results/results_schema.hpp"
#include "sweeps/settings.hpp"

namespace calsweep::analysis {
namespace {

// WITHOUT ROWID: rows lie in key order whatever order they came in, so equal content dumps equally.
constexpr std::string_view kDeclarations = R"(
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE description (name TEXT PRIMARY KEY, kind TEXT NOT NULL, text TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE convention (name TEXT PRIMARY KEY, default_bins INTEGER NOT NULL, rule TEXT NOT NULL,
  source TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE confidence_cell (confidence_cell INTEGER PRIMARY KEY, first REAL NOT NULL,
  last REAL NOT NULL);
CREATE TABLE convention_bin (convention TEXT, n_bins INTEGER, confidence_cell INTEGER, bin INTEGER,
  PRIMARY KEY (convention, n_bins, confidence_cell)) WITHOUT ROWID;
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
CREATE TABLE missing (cell_id INTEGER, method_id INTEGER, seed INTEGER, reason TEXT NOT NULL,
  PRIMARY KEY (cell_id, method_id, seed)) WITHOUT ROWID;
CREATE TABLE damaged_file (file TEXT PRIMARY KEY, message TEXT NOT NULL) WITHOUT ROWID;
)";

constexpr std::string_view kPredictors = R"(
CREATE TABLE trial (trial_id TEXT PRIMARY KEY, seed INTEGER NOT NULL, member INTEGER NOT NULL,
  outcome TEXT NOT NULL, diverged_step INTEGER, settings TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE provenance (trial_id TEXT PRIMARY KEY, unit_id TEXT NOT NULL, unit_checksum TEXT NOT NULL,
  attempt INTEGER NOT NULL, host TEXT NOT NULL, device TEXT NOT NULL, fused_width INTEGER NOT NULL,
  threads INTEGER NOT NULL, train_seconds REAL, started_at TEXT NOT NULL,
  calsweep_version TEXT NOT NULL, libtorch_version TEXT NOT NULL, hdf5_version TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE epoch (trial_id TEXT, epoch INTEGER, train_loss REAL, test_accuracy REAL, test_nll REAL,
  test_confidence REAL, test_ece_guo2017 REAL, test_ece_noise2026 REAL,
  PRIMARY KEY (trial_id, epoch)) WITHOUT ROWID;
CREATE TABLE predictor (predictor_id TEXT PRIMARY KEY, kind TEXT NOT NULL,
  n_members INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE calibration (predictor_id TEXT, calibrator TEXT, fitted_on TEXT NOT NULL,
  null_reason TEXT, PRIMARY KEY (predictor_id, calibrator)) WITHOUT ROWID;
CREATE TABLE calibrator_parameter (predictor_id TEXT, calibrator TEXT, parameter TEXT, value REAL,
  PRIMARY KEY (predictor_id, calibrator, parameter)) WITHOUT ROWID;
CREATE TABLE prediction_set (predictor_id TEXT, calibrator TEXT, set_name TEXT,
  n_rows INTEGER NOT NULL, n_classes INTEGER NOT NULL,
  PRIMARY KEY (predictor_id, calibrator, set_name)) WITHOUT ROWID;
CREATE TABLE metric (predictor_id TEXT, calibrator TEXT, set_name TEXT, metric TEXT, convention TEXT,
  value REAL, floor REAL, floor_q95 REAL, p_consistent REAL, ci_low REAL, ci_high REAL,
  null_reason TEXT,
  PRIMARY KEY (predictor_id, calibrator, set_name, metric, convention)) WITHOUT ROWID;
CREATE TABLE confidence_count (predictor_id TEXT, calibrator TEXT, set_name TEXT,
  confidence_cell INTEGER, count INTEGER NOT NULL, correct INTEGER NOT NULL,
  sum_confidence REAL NOT NULL,
  PRIMARY KEY (predictor_id, calibrator, set_name, confidence_cell)) WITHOUT ROWID;
CREATE TABLE class_count (predictor_id TEXT, calibrator TEXT, set_name TEXT, class INTEGER,
  labels INTEGER NOT NULL, predicted INTEGER NOT NULL, sum_probability REAL,
  PRIMARY KEY (predictor_id, calibrator, set_name, class)) WITHOUT ROWID;
CREATE TABLE conformal_stratum (predictor_id TEXT, score TEXT, stratum TEXT, value INTEGER,
  n INTEGER NOT NULL, covered INTEGER NOT NULL, sum_size INTEGER NOT NULL,
  PRIMARY KEY (predictor_id, score, stratum, value)) WITHOUT ROWID;
CREATE TABLE ensemble_size (predictor_id TEXT, n_members INTEGER, metric TEXT, value REAL,
  n_subsets INTEGER NOT NULL, PRIMARY KEY (predictor_id, n_members, metric)) WITHOUT ROWID;
)";

constexpr std::string_view kStatistics = R"(
CREATE TABLE summary (cell_id INTEGER, method_id INTEGER, calibrator TEXT, metric TEXT,
  n INTEGER NOT NULL, mean REAL, sd REAL, median REAL, minimum REAL, maximum REAL,
  PRIMARY KEY (cell_id, method_id, calibrator, metric)) WITHOUT ROWID;
CREATE TABLE comparison_test (cell_id INTEGER, method_id INTEGER, calibrator TEXT,
  reference_calibrator TEXT, metric TEXT, n_pairs INTEGER NOT NULL,
  n_zero INTEGER, method_median REAL, reference_median REAL, median_difference REAL,
  hodges_lehmann REAL, hodges_lehmann_low REAL, hodges_lehmann_high REAL, interval_level REAL,
  w_plus REAL, w_minus REAL, w REAL, z REAL, p_exact REAL, p_asymptotic REAL,
  log10_p_exact REAL, log10_p_asymptotic REAL, r REAL, rank_biserial REAL, common_language REAL,
  cohens_dz REAL, p_sign REAL, p_t REAL, p_used TEXT, p_holm REAL, p_hochberg REAL, p_bh REAL,
  p_by REAL, p_maxt REAL, family_size INTEGER, significant INTEGER, verdict TEXT,
  probability_better REAL, probability_equal REAL, probability_worse REAL, null_reason TEXT,
  PRIMARY KEY (cell_id, method_id, calibrator, reference_calibrator, metric)) WITHOUT ROWID;
CREATE TABLE grid_test (method_id INTEGER, metric TEXT, test TEXT, assumption TEXT NOT NULL,
  n_cells INTEGER NOT NULL, n_seeds INTEGER NOT NULL, hodges_lehmann REAL, statistic REAL, z REAL,
  p REAL, log10_p REAL, null_reason TEXT, PRIMARY KEY (method_id, metric, test)) WITHOUT ROWID;
CREATE TABLE trend_test (method_id INTEGER, metric TEXT, axis TEXT, test TEXT,
  n_blocks INTEGER NOT NULL, n_levels INTEGER NOT NULL, statistic REAL, z REAL, p REAL, log10_p REAL,
  direction TEXT, null_reason TEXT, PRIMARY KEY (method_id, metric, axis, test)) WITHOUT ROWID;
CREATE TABLE friedman_test (metric TEXT PRIMARY KEY, n_blocks INTEGER NOT NULL,
  n_methods INTEGER NOT NULL, chi2 REAL, p_chi2 REAL, iman_davenport_f REAL, p_f REAL,
  log10_p_f REAL, critical_difference REAL, null_reason TEXT) WITHOUT ROWID;
CREATE TABLE method_rank (metric TEXT, method_id INTEGER, average_rank REAL,
  PRIMARY KEY (metric, method_id)) WITHOUT ROWID;
CREATE TABLE method_pair (metric TEXT, method_a INTEGER, method_b INTEGER, wins INTEGER NOT NULL,
  ties INTEGER NOT NULL, losses INTEGER NOT NULL, rank_difference REAL, nemenyi_differs INTEGER,
  p_wilcoxon REAL, p_holm REAL, PRIMARY KEY (metric, method_a, method_b)) WITHOUT ROWID;
CREATE TABLE matched_test (cell_id INTEGER, method_id INTEGER, metric TEXT, matched_on TEXT, at REAL,
  n_pairs INTEGER NOT NULL, method_median REAL, reference_median REAL, hodges_lehmann REAL,
  p_exact REAL, log10_p_exact REAL, rank_biserial REAL, null_reason TEXT,
  PRIMARY KEY (cell_id, method_id, metric, matched_on, at)) WITHOUT ROWID;
)";

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

}  // namespace

std::string tables_sql(const Sweep& sweep) {
  std::string cell = "CREATE TABLE cell (cell_id INTEGER PRIMARY KEY, label TEXT NOT NULL";
  const auto names = axis_columns(sweep);
  for (std::size_t a = 0; a < names.size(); ++a) {
    cell += fmt::format(", {} {}", sql_name(names[a]), sql_type(sweep.axis_paths[a]));
  }
  return std::string(kDeclarations) + cell + ");\n" + std::string(kPredictors) +
         std::string(kStatistics);
}

}  // namespace calsweep::analysis
