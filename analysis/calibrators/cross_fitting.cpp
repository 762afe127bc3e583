#include "analysis/calibrators/cross_fitting.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/calibrators/logit_rows.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/random.hpp"

namespace calsweep::analysis {
namespace {

/// Some rows of a set, with where they came from.
struct Part {
  std::vector<float> logits;
  std::vector<std::int32_t> labels;
  std::vector<std::size_t> rows;

  void add(std::span<const float> row, std::int32_t label, std::size_t index) {
    logits.insert(logits.end(), row.begin(), row.end());
    labels.push_back(label);
    rows.push_back(index);
  }
};

void check_shape(std::span<const float> logits, std::int64_t n_classes,
                 std::span<const std::int32_t> labels, std::string_view what) {
  const LogitRows empty(std::span<const float>{}, n_classes, what);  // refuses fewer than 2 classes
  if (logits.size() == labels.size() * static_cast<std::size_t>(n_classes)) return;
  throw FormatError(fmt::format("{}: {} logits are not {} rows (as many as labels) of {} classes",
                                what, logits.size(), labels.size(), n_classes));
}

/// Puts the outputs of a part where its rows belong.
void scatter(const CalibratedOutputs& of_part, const Part& part, CalibratedOutputs& outputs) {
  const auto k = static_cast<std::size_t>(outputs.n_classes);
  if (outputs.probabilities.empty() && !of_part.probabilities.empty()) {
    outputs.probabilities.resize(outputs.confidence.size() * k);
  }
  for (std::size_t i = 0; i < part.rows.size(); ++i) {
    const std::size_t row = part.rows[i];
    outputs.confidence[row] = of_part.confidence[i];
    outputs.predicted[row] = of_part.predicted[i];
    if (of_part.probabilities.empty()) continue;
    std::copy_n(of_part.probabilities.begin() + static_cast<std::ptrdiff_t>(i * k), k,
                outputs.probabilities.begin() + static_cast<std::ptrdiff_t>(row * k));
  }
  outputs.n_uniform_rows += of_part.n_uniform_rows;
}

/// Appends the means over folds of parameters that every fold has a value of.
void append_means(std::vector<CalibratorParameter>& parameters,
                  const std::vector<std::vector<CalibratorParameter>>& by_fold) {
  for (std::size_t p = 0; p < by_fold.front().size(); ++p) {
    double sum = 0.0;
    bool complete = true;
    for (const auto& fold : by_fold) {
      complete = complete && fold[p].value.has_value();
      sum += fold[p].value.value;
    }
    const auto mean = complete ? Measured::of(sum / static_cast<double>(by_fold.size()))
                               : Measured::none("a fold has no value");
    parameters.push_back({by_fold.front()[p].name, mean});
  }
}

}  // namespace

std::int64_t fold_of_row(std::int64_t row, std::int64_t n_folds) {
  Random random(random_key(0, row, "crossfit"));
  return static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(n_folds)));
}

CrossFitted cross_fit(std::string_view name, std::span<const float> logits, std::int64_t n_classes,
                      std::span<const std::int32_t> labels, std::string_view what,
                      const CalibratorOptions& options, std::int64_t n_folds) {
  if (n_folds < 2) throw UsageError(fmt::format("cross-fitting with {} folds; give >= 2", n_folds));
  check_shape(logits, n_classes, labels, what);
  CrossFitted made;
  made.n_folds = n_folds;
  const auto n = static_cast<std::int64_t>(labels.size());
  if (n < n_folds) {
    made.reason = fmt::format("{} rows are too few for {} folds", n, n_folds);
    return made;
  }
  std::vector<std::int64_t> folds;
  for (std::int64_t row = 0; row < n; ++row) folds.push_back(fold_of_row(row, n_folds));
  CalibratedOutputs outputs;
  outputs.n_classes = n_classes;
  outputs.confidence.resize(labels.size());
  outputs.predicted.resize(labels.size());
  std::vector<std::vector<CalibratorParameter>> by_fold;
  for (std::int64_t fold = 0; fold < n_folds; ++fold) {
    Part inside, outside;
    const auto k = static_cast<std::size_t>(n_classes);
    for (std::size_t i = 0; i < labels.size(); ++i) {
      (folds[i] == fold ? inside : outside).add(logits.subspan(i * k, k), labels[i], i);
    }
    const auto fit = fit_calibrator(name, outside.logits, n_classes, outside.labels, what, options);
    if (!fit.calibrator) {
      made.reason = fmt::format("fold {}: {}", fold, fit.reason);
      return made;
    }
    scatter(fit.calibrator->apply(inside.logits, n_classes, what), inside, outputs);
    by_fold.push_back(fit.calibrator->parameters);
    for (const auto& parameter : by_fold.back()) {
      made.parameters.push_back(
          {fmt::format("fold {}: {}", fold, parameter.name), parameter.value});
    }
  }
  append_means(made.parameters, by_fold);
  made.outputs = std::move(outputs);
  return made;
}

}  // namespace calsweep::analysis
