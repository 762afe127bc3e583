// One input set as a predictor gives it, in the forms that the summaries need. Networks, imported
// probabilities and ensembles differ only in where their rows come from.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "analysis/metrics/predictions.hpp"
#include "analysis/ood/scores.hpp"
#include "analysis/predictor_data.hpp"

namespace calsweep::analysis {

/// What is kept per row beyond its confidence.
enum class RowDetail {
  Correctness,  ///< of labelled sets: 5 bytes a row
  Losses        ///< NLL and Brier terms, too: 21 bytes a row
};

struct SetOutputs {
  SetRows rows;
  /// Without `confidence` and `predicted`, which nothing downstream needs; `nll_rows` with Losses.
  Predictions predictions;
  std::vector<double> brier_rows;  ///< [n] sum over classes of (p - hit)^2; with Losses

  const std::string& set() const { return rows.set(); }
  const std::string& what() const { return rows.what(); }
};

/// One pass over the rows. Throws FormatError.
SetOutputs outputs_of(SetRows rows, RowDetail detail);

/// The members' ranges of one set, pooled: mean of probabilities. `members` must outlive it.
SetRows pooled_rows(const std::vector<SetRows>& members, SetDescription description);

/// What is made of each range of rows, put together. No rows: those of an empty set.
class PredictionSum {
 public:
  PredictionSum(const SetRows& rows, RowDetail detail);
  void add(const Predictions& part);
  Predictions take() { return std::move(total_); }

 private:
  RowDetail detail_;
  Predictions total_;
};

/// The probabilities of a set class by class, as many classes in memory as fit 64 MiB: those that
/// are asked for in ascending order are read once, and those of a set that is held as a whole not
/// again. `rows` and `whole` (all its probabilities, or empty) must outlive it.
class ClassColumns {
 public:
  explicit ClassColumns(const SetRows& rows, std::span<const double> whole = {});
  /// Of class k: [n]; valid until the next call.
  std::span<const double> operator()(std::int64_t k);

 private:
  void load(std::int64_t first);

  const SetRows& rows_;
  std::span<const double> whole_;
  std::int64_t n_held_ = 1, first_ = 0;
  std::vector<std::vector<double>> columns_;
};

/// Detection scores of the outputs as they are, in the order of the rows; those of `wanted` alone.
OodScores scores_of(const SetRows& rows, std::span<const OodScore> wanted);
/// The same of softmax(logits / temperature).
OodScores tempered_scores_of(const SetRows& rows, double temperature,
                             std::span<const OodScore> wanted);

}  // namespace calsweep::analysis
