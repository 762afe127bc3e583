// One score per row for detecting out-of-distribution (OOD) rows, from logits or probabilities.
// Sign: every score is higher for rows that look more in-distribution. Double from float32 logits.
//
// Refused, naming the row: NaN or infinite logits, probabilities outside [0, 1].
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace calsweep::analysis {

enum class OodScore { MaxSoftmax, NegativeEntropy, MaxLogit, Energy };

struct OodScoreDefinition {
  OodScore score;
  std::string_view key;  ///< "max_softmax", "negative_entropy", "max_logit", "energy"
  std::string_view formula;
  std::string_view source;
  bool needs_logits;     ///< not defined from probabilities (so not for ensembles)
  bool has_temperature;  ///< false: T does not change the ranking
};
std::span<const OodScoreDefinition> ood_score_definitions();

/// One value per row, in row order. From probabilities, max_logit and energy are empty.
struct OodScores {
  std::vector<double> max_softmax;       ///< max_k softmax(z / T)_k, in [1/K, 1]
  std::vector<double> negative_entropy;  ///< sum_k p_k log p_k, p = softmax(z / T), in [-log K, 0]
  std::vector<double> max_logit;         ///< max_k z_k, whatever T
  std::vector<double> energy;            ///< -E = T log sum_k exp(z_k / T)
  const std::vector<double>& of(OodScore score) const;
  std::vector<double>& of(OodScore score);
};

/// logits: [n, n_classes] row-major; temperature > 0 divides them. At T = 1 max_softmax is
/// Predictions::confidence, to rounding. Throws FormatError for bad input, UsageError for a bad
/// temperature.
OodScores ood_scores(std::span<const float> logits, std::int64_t n_classes, double temperature,
                     std::string_view what);

/// probabilities: [n, n_classes] row-major, each in [0, 1]; 0 log 0 = 0. Throws FormatError.
OodScores ood_scores(std::span<const double> probabilities, std::int64_t n_classes,
                     std::string_view what);

/// softmax(z / T) of every row, [n, n_classes]: input of conformal sets and of ensembles.
std::vector<double> tempered_probabilities(std::span<const float> logits, std::int64_t n_classes,
                                           double temperature, std::string_view what);

/// Row numbers by ascending score, equal scores by row: the rows a model-aware annotator or a
/// rejecting classifier takes first. At most `limit` of them.
std::vector<std::int64_t> least_certain_rows(std::span<const double> scores, std::int64_t limit);

}  // namespace calsweep::analysis
