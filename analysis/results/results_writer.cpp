#include "analysis/results/results_writer.hpp"

#include <array>
#include <cmath>

namespace calsweep::analysis {
namespace {

constexpr std::array kPredictorTables = {
    "predictor",        "calibration", "calibrator_parameter", "prediction_set", "metric",
    "confidence_count", "class_count", "conformal_stratum",    "ensemble_size"};
constexpr std::array kTrialTables = {"trial", "provenance", "epoch"};

}  // namespace

void run(SQLite::Statement& statement) {
  statement.exec();
  statement.reset();
  statement.clearBindings();
}

void bind_real(SQLite::Statement& statement, int index, double value) {
  if (std::isfinite(value)) {
    statement.bind(index, value);
  } else {
    statement.bind(index);
  }
}

void bind_measured(SQLite::Statement& statement, int index, const Measured& value) {
  bind_real(statement, index, value.value);
}

PredictorWriter::PredictorWriter(SQLite::Database& db)
    : predictor_(db, "INSERT OR REPLACE INTO predictor VALUES (?, ?, ?)"),
      trial_(db, "INSERT OR REPLACE INTO trial VALUES (?, ?, ?, ?, ?, ?)"),
      provenance_(
          db, "INSERT OR REPLACE INTO provenance VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
      epoch_(db, "INSERT OR REPLACE INTO epoch VALUES (?, ?, ?, ?, ?, ?, ?, ?)"),
      calibration_(db, "INSERT OR REPLACE INTO calibration VALUES (?, ?, ?, ?)"),
      parameter_(db, "INSERT OR REPLACE INTO calibrator_parameter VALUES (?, ?, ?, ?)"),
      set_(db, "INSERT OR REPLACE INTO prediction_set VALUES (?, ?, ?, ?, ?)"),
      metric_(db, "INSERT OR REPLACE INTO metric VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
      confidence_(db, "INSERT OR REPLACE INTO confidence_count VALUES (?, ?, ?, ?, ?, ?, ?)"),
      class_(db, "INSERT OR REPLACE INTO class_count VALUES (?, ?, ?, ?, ?, ?, ?)"),
      stratum_(db, "INSERT OR REPLACE INTO conformal_stratum VALUES (?, ?, ?, ?, ?, ?, ?)"),
      size_(db, "INSERT OR REPLACE INTO ensemble_size VALUES (?, ?, ?, ?, ?)") {}

void PredictorWriter::write(const PredictorResult& result) {
  predictor_.bind(1, result.id);
  predictor_.bind(2, result.origin ? "network" : "ensemble");
  predictor_.bind(3, result.n_members);
  run(predictor_);
  if (result.origin) write_origin(*result.origin);
  for (const auto& calibration : result.calibrations) write_calibration(result.id, calibration);
  for (const auto& set : result.sets) write_set(result.id, set);
  for (const auto& point : result.sizes) write_size(result.id, point);
}

void PredictorWriter::write_origin(const NetworkOrigin& origin) {
  const auto& record = origin.record;
  const auto id = record.id.str();
  const bool completed = record.outcome == TrialOutcome::Completed;
  trial_.bind(1, id);
  trial_.bind(2, record.seed);
  trial_.bind(3, record.member);
  trial_.bind(4, completed ? "completed" : "diverged");
  if (!completed) trial_.bind(5, record.diverged_step);
  trial_.bind(6, record.settings);
  run(trial_);
  const auto& made = origin.provenance;
  provenance_.bind(1, id);
  provenance_.bind(2, origin.unit.str());
  provenance_.bind(3, origin.checksum);
  provenance_.bind(4, origin.attempt);
  provenance_.bind(5, made.host);
  provenance_.bind(6, made.device);
  provenance_.bind(7, record.fused_width);
  provenance_.bind(8, made.threads);
  bind_real(provenance_, 9, record.train_seconds);
  provenance_.bind(10, made.started_at);
  provenance_.bind(11, made.calsweep_version);
  provenance_.bind(12, made.libtorch_version);
  provenance_.bind(13, made.hdf5_version);
  run(provenance_);
  write_epochs(id, record.epochs);
}

void PredictorWriter::write_epochs(const std::string& trial_id,
                                   const std::vector<EpochRecord>& epochs) {
  for (const auto& e : epochs) {
    epoch_.bind(1, trial_id);
    epoch_.bind(2, e.epoch);
    int column = 3;
    for (const double value : {e.train_loss, e.test_accuracy, e.test_nll, e.test_confidence,
                               e.test_ece_guo2017, e.test_ece_noise2026}) {
      bind_real(epoch_, column++, value);
    }
    run(epoch_);
  }
}

void PredictorWriter::write_calibration(const std::string& predictor,
                                        const CalibrationResult& calibration) {
  calibration_.bind(1, predictor);
  calibration_.bind(2, calibration.calibrator);
  calibration_.bind(3, calibration.fitted_on);
  if (!calibration.null_reason.empty()) calibration_.bind(4, calibration.null_reason);
  run(calibration_);
  for (const auto& [name, value] : calibration.parameters) {
    parameter_.bind(1, predictor);
    parameter_.bind(2, calibration.calibrator);
    parameter_.bind(3, name);
    bind_real(parameter_, 4, value);
    run(parameter_);
  }
}

void PredictorWriter::write_set(const std::string& predictor, const PredictionSetResult& set) {
  set_.bind(1, predictor);
  set_.bind(2, set.calibrator);
  set_.bind(3, set.set);
  set_.bind(4, set.n_rows);
  set_.bind(5, set.n_classes);
  run(set_);
  write_metrics(predictor, set);
  write_counts(predictor, set);
}

void PredictorWriter::write_metrics(const std::string& predictor, const PredictionSetResult& set) {
  for (const auto& m : set.metrics) {
    metric_.bind(1, predictor);
    metric_.bind(2, set.calibrator);
    metric_.bind(3, set.set);
    metric_.bind(4, m.metric);
    metric_.bind(5, m.convention);
    bind_measured(metric_, 6, m.value);
    const auto& u = m.uncertainty;
    int column = 7;
    for (const double value : {u.floor, u.floor_q95, u.p_consistent, u.ci_low, u.ci_high}) {
      bind_real(metric_, column++, value);
    }
    if (!m.value.has_value()) metric_.bind(12, m.value.null_reason);
    run(metric_);
  }
}

void PredictorWriter::write_counts(const std::string& predictor, const PredictionSetResult& set) {
  for (const auto& c : set.confidence) {
    confidence_.bind(1, predictor);
    confidence_.bind(2, set.calibrator);
    confidence_.bind(3, set.set);
    confidence_.bind(4, c.cell);
    confidence_.bind(5, c.count);
    confidence_.bind(6, c.correct);
    confidence_.bind(7, c.sum_confidence);
    run(confidence_);
  }
  for (std::size_t k = 0; k < set.classes.size(); ++k) {
    class_.bind(1, predictor);
    class_.bind(2, set.calibrator);
    class_.bind(3, set.set);
    class_.bind(4, static_cast<std::int64_t>(k));
    class_.bind(5, set.classes[k].labels);
    class_.bind(6, set.classes[k].predicted);
    bind_real(class_, 7, set.classes[k].sum_probability);
    run(class_);
  }
  for (const auto& c : set.strata) {
    stratum_.bind(1, predictor);
    stratum_.bind(2, c.score);
    stratum_.bind(3, c.stratum);
    stratum_.bind(4, c.value);
    stratum_.bind(5, c.n);
    stratum_.bind(6, c.covered);
    stratum_.bind(7, c.sum_size);
    run(stratum_);
  }
}

void PredictorWriter::write_size(const std::string& predictor, const EnsembleSizePoint& point) {
  size_.bind(1, predictor);
  size_.bind(2, point.n_members);
  size_.bind(3, point.metric);
  bind_real(size_, 4, point.value);
  size_.bind(5, point.n_subsets);
  run(size_);
}

void copy_kept_rows(SQLite::Database& db, const std::filesystem::path& old_file,
                    const AnalysisPlan& plan) {
  if (plan.kept_trials.empty() && plan.kept_ensembles.empty()) return;
  SQLite::Statement attach(db, "ATTACH ? AS old");
  attach.bind(1, old_file.string());
  attach.exec();
  db.exec("CREATE TEMP TABLE kept (id TEXT PRIMARY KEY) WITHOUT ROWID");
  {
    SQLite::Statement insert(db, "INSERT INTO kept VALUES (?)");
    const auto add = [&](const std::string& id) {
      insert.bind(1, id);
      run(insert);
    };
    for (const auto& id : plan.kept_trials) add(id.str());
    for (const auto& id : plan.kept_ensembles) add(id);
  }
  const auto copy = [&](const std::string& table, const std::string& key) {
    db.exec("INSERT INTO main." + table + " SELECT * FROM old." + table + " WHERE " + key +
            " IN (SELECT id FROM kept)");
  };
  for (const auto* table : kPredictorTables) copy(table, "predictor_id");
  for (const auto* table : kTrialTables) copy(table, "trial_id");
  db.exec("DROP TABLE kept");
  db.exec("DETACH old");
}

void remove_predictor(SQLite::Database& db, const std::string& predictor) {
  for (const auto* table : kPredictorTables) {
    SQLite::Statement remove(db, "DELETE FROM " + std::string(table) + " WHERE predictor_id = ?");
    remove.bind(1, predictor);
    remove.exec();
  }
}

}  // namespace calsweep::analysis
