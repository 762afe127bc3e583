#include "analysis/calibrators/calibrator.hpp"

#include <fmt/format.h>

#include <cmath>

#include "analysis/calibrators/affine_scaling.hpp"
#include "analysis/calibrators/isotonic.hpp"
#include "analysis/calibrators/logit_rows.hpp"
#include "analysis/calibrators/one_vs_rest.hpp"
#include "analysis/calibrators/platt.hpp"
#include "analysis/calibrators/temperature.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

using Labels = std::span<const std::int32_t>;

constexpr CalibratorDefinition kCalibrators[] = {
    {"bbq", false, false, false,
     "one class against the rest: the mean over histograms of p with equal frequencies, weighted "
     "by "
     "their marginal likelihood; divided by the sum over classes",
     "counting, for every number of bins from n^(1/3) / 10 to min(n / 5, 10 n^(1/3))",
     "Naeini, Cooper & Hauskrecht 2015 (AAAI)"},
    {"beta", false, false, false,
     "one class against the rest: logit q = a ln p - b ln(1 - p) + c, a, b >= 0; divided by the "
     "sum "
     "over classes (two classes: class 1 only)",
     "least NLL, exact under the bounds (L-BFGS over the active sets)",
     "Kull, Silva Filho & Flach 2017 (AISTATS)"},
    {"dirichlet", false, false, true, "q = softmax(W ln p + b), p = softmax(z)",
     "least NLL and ODIR penalty (L-BFGS, exact gradient): 0.25 per squared off-diagonal weight, "
     "1e-3 per squared bias",
     "Kull et al. 2019 (NeurIPS)"},
    {"enir", false, false, false,
     "one class against the rest: the mean over all near-isotonic regressions on p, weighted by "
     "exp(-BIC / 2), linear between its knots; divided by the sum over classes; all zero: 1 / K",
     "modified pool-adjacent-violators, ties pooled", "Naeini & Cooper 2016 (ICDM)"},
    {"histogram-binning", false, false, false,
     "one class against the rest: the fraction of ones in the equal-width bin of p; divided by the "
     "sum over classes; all zero: 1 / K; an empty bin leaves p as it is",
     "counting, 15 bins (a, b]", "Zadrozny & Elkan 2001 (ICML); Guo et al. 2017 (ICML), 4.1"},
    {"isotonic", false, false, false,
     "one class against the rest: the non-decreasing function of p with least squares, linear "
     "between its knots; divided by the sum over classes; all zero: 1 / K",
     "pool-adjacent-violators, ties pooled", "Zadrozny & Elkan 2002 (KDD)"},
    {"isotonic-top-label", true, false, false,
     "the non-decreasing function of the confidence that fits correctness by least squares, linear "
     "between its knots; the predicted class stays",
     "pool-adjacent-violators, ties pooled", "Cheon & Paik 2026 (Nat. Mach. Intell. 8, 602-613)"},
    {"matrix", false, false, true, "q = softmax(W z + b); b sums to 0, each column of W to 1",
     "least NLL (L-BFGS, exact gradient); no penalty unless the options ask for ODIR's",
     "Guo et al. 2017 (ICML), 4.2; ODIR: Kull et al. 2019 (NeurIPS)"},
    {"matrix-odir", false, false, true, "q = softmax(W z + b)",
     "least NLL and ODIR penalty (L-BFGS, exact gradient): 0.25 per squared off-diagonal weight, "
     "1e-3 per squared bias",
     "Kull et al. 2019 (NeurIPS)"},
    {"platt", false, true, true, "q(1) = sigma(a s + b), s = z1 - z0",
     "least cross-entropy with Platt's smoothed targets (L-BFGS, exact gradient)",
     "Platt 1999 (Advances in Large Margin Classifiers)"},
    {"temperature", false, false, true, "q = softmax(z / T)",
     "least NLL, convex in beta = 1 / T: bracketed root of the gradient (TOMS 748), certified by "
     "its "
     "sign on both sides",
     "Guo et al. 2017 (ICML), 4.2"},
    {"temperature-ece10-grid", false, false, true, "q = softmax(z / T)",
     "T of {1, 1.05, 1.1, 1.2, 1.5, 2, 3, 5} with the least noise2026 ECE (10 bins), first of "
     "equals",
     "Cheon & Paik 2026 (Nat. Mach. Intell. 8, 602-613), the published code"},
    {"vector", false, false, true, "q = softmax(w .* z + b); b sums to 0",
     "least NLL (L-BFGS, exact gradient)", "Guo et al. 2017 (ICML), 4.2"},
};

void check_options(const CalibratorOptions& options) {
  if (options.n_bins < 1) {
    throw UsageError(
        fmt::format("histogram binning with {} bins; give at least 1", options.n_bins));
  }
  const double weights = options.off_diagonal_penalty.value_or(0.0);
  const double biases = options.bias_penalty.value_or(0.0);
  if (!(weights >= 0.0 && biases >= 0.0 && std::isfinite(weights + biases))) {
    throw UsageError(fmt::format(
        "penalties of {} (off-diagonal) and {} (bias); give finite numbers >= 0", weights, biases));
  }
}

void check_labels(Labels labels, const LogitRows& rows, std::string_view what) {
  if (static_cast<std::int64_t>(labels.size()) != rows.n_rows()) {
    throw FormatError(
        fmt::format("{}: {} rows of logits, but {} labels", what, rows.n_rows(), labels.size()));
  }
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] >= 0 && labels[i] < rows.n_classes()) continue;
    throw FormatError(fmt::format("{}: label {} of row {} (from 0) is not in 0...{}", what,
                                  labels[i], i, rows.n_classes() - 1));
  }
}

CalibratorFit fit_by_name(std::string_view name, const LogitRows& rows, Labels labels,
                          const CalibratorOptions& options) {
  if (name == "temperature") return fit_temperature(rows, labels);
  if (name == "temperature-ece10-grid") return fit_temperature_ece_grid(rows, labels);
  if (name == "vector") return fit_vector(rows, labels, options);
  if (name == "matrix") return fit_matrix(rows, labels, options);
  if (name == "matrix-odir") return fit_matrix_odir(rows, labels, options);
  if (name == "dirichlet") return fit_dirichlet(rows, labels, options);
  if (name == "platt") return fit_platt(rows, labels);
  if (name == "isotonic-top-label") return fit_isotonic_top_label(rows, labels);
  return fit_one_vs_rest(name, rows, labels, options);
}

}  // namespace

std::span<const CalibratorDefinition> calibrator_definitions() { return kCalibrators; }

const CalibratorDefinition& find_calibrator(std::string_view name) {
  std::string known;
  for (const auto& definition : kCalibrators) {
    if (definition.name == name) return definition;
    known += (known.empty() ? "" : ", ") + std::string(definition.name);
  }
  throw UsageError(fmt::format("no calibrator is called \"{}\"; there are: {}", name, known));
}

CalibratedOutputs FittedCalibrator::apply(std::span<const float> logits, std::int64_t classes,
                                          std::string_view what) const {
  if (classes != n_classes) {
    throw FormatError(fmt::format("{}: {} classes, but the calibrator was fitted to {}", what,
                                  classes, n_classes));
  }
  const LogitRows rows(logits, classes, what);
  if (const auto bad = rows.first_bad_row()) {
    throw FormatError(
        fmt::format("{}: row {} (from 0) has a logit that is NaN or infinite", what, *bad));
  }
  return calibrate(rows);
}

CalibratorFit fit_calibrator(std::string_view name, const LogitRows& rows, Labels labels,
                             std::string_view what, const CalibratorOptions& options) {
  find_calibrator(name);
  check_options(options);
  check_labels(labels, rows, what);
  if (rows.n_rows() == 0) return CalibratorFit::none("no validation rows");
  if (const auto bad = rows.first_bad_row()) {
    return CalibratorFit::none(
        fmt::format("validation row {} (from 0) has a logit that is NaN or infinite", *bad));
  }
  CalibratorFit fit = fit_by_name(name, rows, labels, options);
  if (fit.calibrator) fit.calibrator->n_classes = rows.n_classes();
  return fit;
}

CalibratorFit fit_calibrator(std::string_view name, std::span<const float> logits,
                             std::int64_t n_classes, Labels labels, std::string_view what,
                             const CalibratorOptions& options) {
  return fit_calibrator(name, LogitRows(logits, n_classes, what), labels, what, options);
}

}  // namespace calsweep::analysis
