// The rows of results.db that belong to single predictors: prepared inserts, and the copy from an
// older file. Used by results_db.cpp alone.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <filesystem>
#include <set>
#include <string>

#include "analysis/analysis_plan.hpp"
#include "analysis/results/results_line.hpp"

namespace calsweep::analysis {

/// Binds a value, or NULL where there is none.
void bind_measured(SQLite::Statement& statement, int index, const Measured& value);
void bind_real(SQLite::Statement& statement, int index, double value);  ///< NaN becomes NULL
/// Executes an insert and makes it ready for the next row, with nothing bound.
void run(SQLite::Statement& statement);

class PredictorWriter {
 public:
  explicit PredictorWriter(SQLite::Database& db);
  void write(const PredictorResult& result);

 private:
  void write_origin(const NetworkOrigin& origin);
  void write_epochs(const std::string& trial_id, const std::vector<EpochRecord>& epochs);
  void write_calibration(const std::string& predictor, const CalibrationResult& calibration);
  void write_set(const std::string& predictor, const PredictionSetResult& set);
  void write_metrics(const std::string& predictor, const PredictionSetResult& set);
  void write_counts(const std::string& predictor, const PredictionSetResult& set);
  void write_size(const std::string& predictor, const EnsembleSizePoint& point);

  SQLite::Statement predictor_, trial_, provenance_, epoch_, calibration_, parameter_, set_,
      metric_, confidence_, class_, stratum_, size_;
};

/// Copies the rows of the kept networks and ensembles from `old_file`.
void copy_kept_rows(SQLite::Database& db, const std::filesystem::path& old_file,
                    const AnalysisPlan& plan);

/// Removes every row of a predictor.
void remove_predictor(SQLite::Database& db, const std::string& predictor);

}  // namespace calsweep::analysis
