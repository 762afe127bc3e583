// Post-hoc calibrators: maps from logits to better probabilities, fitted on the validation split of
// a trial and applied to its test (and, where that makes sense, OOD) rows.
//
// Two kinds: full calibrators give a probability for every class; top-label calibrators give only a
// confidence for the class that was predicted before. What each one is, how it is fitted and where
// it is from: the registry below and docs/calibrators.md. A fit that has no optimum is a value with
// a reason, never a number that only looks like one. Sums run in row order and in fixed blocks:
// equal rows in equal order give equal bits.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/measured.hpp"

namespace calsweep::analysis {

class LogitRows;

struct CalibratorDefinition {
  std::string_view name;
  bool top_label;    ///< gives confidence and predicted class only
  bool binary_only;  ///< needs exactly two classes
  bool applies_to_ood;
  std::string_view formula, fitted_by, source;
};

/// Sorted by name.
std::span<const CalibratorDefinition> calibrator_definitions();
/// Throws UsageError listing the names there are.
const CalibratorDefinition& find_calibrator(std::string_view name);

struct CalibratorOptions {
  /// `vector`, `matrix`, `matrix-odir`, `dirichlet`: the penalties of ODIR (Kull et al. 2019, eq.
  /// 5), lambda / (K (K - 1)) * sum of squared off-diagonal weights (not `vector`) and mu / K * sum
  /// of squared biases, added to the mean NLL; the diagonal is free. Not set: none for `vector` and
  /// `matrix`, as Guo et al. 2017 have it; those of affine_scaling.hpp for the others.
  std::optional<double> off_diagonal_penalty;  ///< lambda
  std::optional<double> bias_penalty;          ///< mu
  std::int64_t n_bins = 15;                    ///< `histogram-binning`
};

/// One number that a fit found, or why there is none; for the database.
struct CalibratorParameter {
  std::string name;  ///< "T", "beta", "nll_before", "converged", "w[3]", "W[0,2]", "b[1]"
  Measured value;
};

/// What a calibrator makes of n rows.
struct CalibratedOutputs {
  std::int64_t n_classes = 0;
  std::vector<double> probabilities;  ///< [n, n_classes] row-major, summing to 1; empty: top-label
  std::vector<double> confidence;     ///< [n] of the predicted class
  std::vector<std::int32_t>
      predicted;                    ///< [n] first largest; never moved by temperature, top-label
  std::int64_t n_uniform_rows = 0;  ///< rows where every class got 0 and which became 1 / K instead

  std::int64_t n_rows() const { return static_cast<std::int64_t>(confidence.size()); }
};

class FittedCalibrator {
 public:
  virtual ~FittedCalibrator() = default;
  virtual CalibratedOutputs calibrate(const LogitRows& rows) const = 0;
  /// logits: float32 [n, K] row-major with the K of the fit. `what` names the set in messages.
  /// Throws FormatError on a wrong shape and on logits that are not finite, naming the row.
  CalibratedOutputs apply(std::span<const float> logits, std::int64_t n_classes,
                          std::string_view what) const;

  std::int64_t n_classes = 0;  ///< of the fit
  /// Figures of the fit (few), and weights (up to K (K + 1); empty where there are none).
  std::vector<CalibratorParameter> parameters, weights;
};

/// A fitted calibrator, or null and the reason; `parameters` of what is known even then.
struct CalibratorFit {
  std::unique_ptr<FittedCalibrator> calibrator;
  std::string reason;

  static CalibratorFit none(std::string reason) { return {nullptr, std::move(reason)}; }
};

/// Fits the calibrator called `name` on validation rows. logits: float32 [n, n_classes] row-major;
/// labels: [n] in [0, n_classes). No rows, logits that are not finite, and data without an optimum
/// give a reason. Throws UsageError for an unknown name or senseless options, FormatError for
/// shapes and labels that are wrong.
CalibratorFit fit_calibrator(std::string_view name, std::span<const float> logits,
                             std::int64_t n_classes, std::span<const std::int32_t> labels,
                             std::string_view what, const CalibratorOptions& options = {});

/// The same on rows made before (ensembles); labels are checked.
CalibratorFit fit_calibrator(std::string_view name, const LogitRows& rows,
                             std::span<const std::int32_t> labels, std::string_view what,
                             const CalibratorOptions& options = {});

}  // namespace calsweep::analysis
