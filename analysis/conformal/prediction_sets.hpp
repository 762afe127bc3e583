// Split conformal prediction sets from class probabilities: calibrated on one labelled set
// (validation), applied to others. THR (Sadinle, Lei & Wasserman 2019), APS (Romano, Sesia & Candes
// 2020) and RAPS (Angelopoulos et al. 2021).
//
// One rule for all: with a score s(x, y), the threshold is the ceil((n + 1)(1 - alpha))-th smallest
// of the n calibration scores (infinite if there is none) and the set is {y : s(x, y) <=
// threshold}. If calibration and test rows are exchangeable, P(y in set) >= 1 - alpha. Nothing is
// added to the sets beyond that, unless `allow_empty` is off.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sweeps/random.hpp"

namespace calsweep::analysis {

/// Scores; classes of a row by descending probability, ties by class number: rank r = 1 ... K. A
/// sum of probabilities above 1 - 1e-12 counts as 1: rounding never decides about the last class.
enum class ConformalScore {
  Threshold,  ///< 1 - p_y
  Aps,        ///< sum of the probabilities before y's rank + u p_y
  Raps        ///< the same + lambda max(0, r_y - k_reg)
};
std::string_view to_string(ConformalScore score);  ///< "thr", "aps", "raps"

struct ConformalOptions {
  ConformalScore score = ConformalScore::Raps;
  double alpha = 0.1;  ///< allowed miscoverage, in (0, 1)
  /// APS and RAPS: u uniform in [0, 1) per row, so that coverage is exact; else u = 1, so that sets
  /// are deterministic and larger. The draws are those of (seed, key, name of the set), in row
  /// order.
  bool randomised = true;
  double lambda = 0.01;     ///< RAPS, >= 0; the authors' ImageNet default
  std::int64_t k_reg = 5;   ///< RAPS, >= 0; the authors' ImageNet default
  bool allow_empty = true;  ///< false: an empty set gets its most probable class (more coverage)
  std::uint64_t seed = 0;
  std::string key = "";  ///< names the network, so that two do not share draws
};

/// The smallest value that a share of at least 1 - alpha of n + 1 exchangeable scores reach.
struct ConformalQuantile {
  double threshold = 0.0;  ///< +infinity if rank > n_calibration: every class is in the set
  std::int64_t rank = 0;   ///< ceil((n + 1)(1 - alpha)); products within 1e-9 of an integer are it
  std::int64_t n_calibration = 0;
  /// Mean coverage over calibration sets if scores have no ties: rank / (n + 1), at most 1.
  double expected_coverage() const;
  /// Standard deviation of the coverage observed on n_test rows, over calibration and test sets
  /// (beta-binomial; Angelopoulos & Bates 2023, section 3.2). n_test > 0.
  double coverage_deviation(std::int64_t n_test) const;
};
/// Throws FormatError for NaN scores, UsageError unless 0 < alpha < 1.
ConformalQuantile conformal_quantile(std::span<const double> scores, double alpha);

/// One set per row, in row order.
struct PredictionSets {
  std::int64_t n_classes = 0;
  std::vector<std::int64_t> size;     ///< [n], 0 ... K
  std::vector<std::uint8_t> covered;  ///< [n] 1 if the label is in the set; empty without labels
};

/// The u of each row of one set, in row order.
class ConformalDraws {
 public:
  /// `set` is its name: key of the draws.
  ConformalDraws(const ConformalOptions& options, std::string_view set);
  double next() { return random_ ? random_->uniform() : 1.0; }

 private:
  std::optional<Random> random_;
};

class ConformalPredictor {
 public:
  /// probabilities: [n, n_classes] row-major in [0, 1]; labels: [n] in [0, n_classes). n = 0 gives
  /// full sets. Throws FormatError naming the row, UsageError for options out of range.
  static ConformalPredictor calibrate(ConformalOptions options,
                                      std::span<const double> probabilities, std::int64_t n_classes,
                                      std::span<const std::int32_t> labels, std::string_view set);
  /// The same in two steps, for sets that come in ranges of rows: the scores of further rows at
  /// their labels, then the predictor from all scores.
  static void append_scores(const ConformalOptions& options, std::span<const double> probabilities,
                            std::int64_t n_classes, std::span<const std::int32_t> labels,
                            std::string_view set, ConformalDraws& draws,
                            std::vector<double>& scores);
  static ConformalPredictor from_scores(ConformalOptions options, std::int64_t n_classes,
                                        std::span<const double> scores);

  const ConformalOptions& options() const { return options_; }
  const ConformalQuantile& quantile() const { return quantile_; }

  /// `labels` may be empty (an OOD set). `set` is its name: key of the draws, and in messages.
  PredictionSets predict(std::span<const double> probabilities,
                         std::span<const std::int32_t> labels, std::string_view set) const;
  /// The same of further rows of a set, with the draws that belong to it.
  void append_sets(std::span<const double> probabilities, std::span<const std::int32_t> labels,
                   std::string_view set, ConformalDraws& draws, PredictionSets& sets) const;

  /// The classes in the set of one row with draw `u`, most probable first.
  std::vector<std::int64_t> classes(std::span<const double> row, double u) const;

 private:
  ConformalPredictor(ConformalOptions options, std::int64_t n_classes);

  ConformalOptions options_;
  std::int64_t n_classes_;
  ConformalQuantile quantile_;
};

}  // namespace calsweep::analysis
