#include "analysis/results/results_writer.hpp"

#include <array>
#include <cmath>

namespace calsweep::analysis {
namespace {

constexpr std::array kPredictorTables = {"predictor", "prediction_set", "metric", "bin"};
constexpr std::array kTrialTables = {"trial", "provenance", "epoch"};

void run(SQLite::Statement& statement) {
  statement.exec();
  statement.reset();
  statement.clearBindings();
}

}  // namespace

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
      set_(db, "INSERT OR REPLACE INTO prediction_set VALUES (?, ?, ?, ?)"),
      metric_(db, "INSERT OR REPLACE INTO metric VALUES (?, ?, ?, ?, ?, ?)"),
      bin_(db, "INSERT OR REPLACE INTO bin VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)") {}

void PredictorWriter::write(const PredictorResult& result) {
  predictor_.bind(1, result.id);
  predictor_.bind(2, result.origin ? "network" : "ensemble");
  predictor_.bind(3, result.n_members);
  run(predictor_);
  if (result.origin) write_origin(*result.origin);
  for (const auto& set : result.sets) write_set(result.id, set);
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

void PredictorWriter::write_set(const std::string& predictor, const PredictionSetResult& set) {
  set_.bind(1, predictor);
  set_.bind(2, set.set);
  set_.bind(3, set.n_rows);
  set_.bind(4, set.n_classes);
  run(set_);
  for (const auto& m : set.metrics) {
    metric_.bind(1, predictor);
    metric_.bind(2, set.set);
    metric_.bind(3, m.metric);
    metric_.bind(4, m.convention);
    bind_measured(metric_, 5, m.value);
    if (!m.value.has_value()) metric_.bind(6, m.value.null_reason);
    run(metric_);
  }
  for (const auto& table : set.reliability) {
    for (std::size_t b = 0; b < table.bins.size(); ++b) {
      const auto& bin = table.bins[b];
      bin_.bind(1, predictor);
      bin_.bind(2, set.set);
      bin_.bind(3, table.convention);
      bin_.bind(4, static_cast<std::int64_t>(b));
      bin_.bind(5, bin.lower);
      bin_.bind(6, bin.upper);
      bin_.bind(7, bin.count);
      bin_.bind(8, bin.correct);
      bin_.bind(9, bin.sum_confidence);
      run(bin_);
    }
  }
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
