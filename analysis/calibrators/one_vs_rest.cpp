#include "analysis/calibrators/one_vs_rest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/calibrators/calibrated_outputs.hpp"

namespace calsweep::analysis {
namespace {

/// ln of the sum of exp(z_j), j other than k, minus that of all.
double log_of_rest(const LogitRows::Block& log_p, Eigen::Index row, Eigen::Index k) {
  double largest = -std::numeric_limits<double>::infinity();
  for (Eigen::Index c = 0; c < log_p.cols(); ++c) {
    if (c != k) largest = std::max(largest, log_p(row, c));
  }
  double sum = 0.0;
  for (Eigen::Index c = 0; c < log_p.cols(); ++c) {
    if (c != k) sum += std::exp(log_p(row, c) - largest);
  }
  return largest + std::log(sum);
}

void append(Eigen::ArrayXd& to, Eigen::Index at, const Eigen::ArrayXd& values) {
  to.segment(at, values.size()) = values;
}

/// The scores of all rows for each class.
std::vector<ClassScores> scores_of_all(const LogitRows& rows) {
  std::vector<ClassScores> all(static_cast<std::size_t>(rows.n_classes()));
  for (auto& scores : all) {
    scores.p.resize(rows.n_rows());
    scores.log_p.resize(rows.n_rows());
    scores.log_rest.resize(rows.n_rows());
  }
  Eigen::Index at = 0;
  for (const auto& z : rows.blocks()) {
    const auto block = class_scores(z);
    for (std::size_t c = 0; c < all.size(); ++c) {
      append(all[c].p, at, block[c].p);
      append(all[c].log_p, at, block[c].log_p);
      append(all[c].log_rest, at, block[c].log_rest);
    }
    at += z.rows();
  }
  return all;
}

class OneVsRestCalibrator : public FittedCalibrator {
 public:
  /// One map per class, or a single one, of class 1 of 2.
  explicit OneVsRestCalibrator(std::vector<std::unique_ptr<BinaryMap>> maps)
      : maps_(std::move(maps)) {}

  CalibratedOutputs calibrate(const LogitRows& rows) const override {
    CalibratedOutputs outputs;
    outputs.n_classes = rows.n_classes();
    for (const auto& z : rows.blocks()) {
      const auto scores = class_scores(z);
      LogitRows::Block q(z.rows(), z.cols());
      if (maps_.size() == 1) {
        q.col(1) = maps_[0]->apply(scores[1]);
        q.col(0) = 1.0 - q.col(1);
      } else {
        for (std::size_t c = 0; c < maps_.size(); ++c) {
          q.col(static_cast<Eigen::Index>(c)) = maps_[c]->apply(scores[c]);
        }
        outputs.n_uniform_rows += normalise(q);
      }
      append_probabilities(outputs, q);
    }
    return outputs;
  }

 private:
  /// Rows to sum 1; rows of zeros to 1 / K. Returns how many of those there were.
  static std::int64_t normalise(LogitRows::Block& q) {
    const Eigen::ArrayXd sums = row_sums(q);
    std::int64_t n_zero = 0;
    for (Eigen::Index i = 0; i < q.rows(); ++i) {
      if (sums(i) > 0.0) {
        q.row(i) /= sums(i);
      } else {
        q.row(i) = 1.0 / static_cast<double>(q.cols());
        ++n_zero;
      }
    }
    return n_zero;
  }

  std::vector<std::unique_ptr<BinaryMap>> maps_;
};

BinaryMapFit fit_map(std::string_view name, const ClassScores& scores,
                     const Eigen::ArrayXd& targets, const CalibratorOptions& options) {
  if (name == "histogram-binning") return fit_histogram_map(scores, targets, options.n_bins);
  if (name == "isotonic") return fit_isotonic_map(scores, targets);
  if (name == "bbq") return fit_bayesian_binning_map(scores, targets);
  if (name == "enir") return fit_near_isotonic_map(scores, targets);
  return fit_beta_map(scores, targets);
}

Eigen::ArrayXd one_where_label_is(std::span<const std::int32_t> labels, std::size_t c) {
  Eigen::ArrayXd targets(static_cast<Eigen::Index>(labels.size()));
  for (std::size_t i = 0; i < labels.size(); ++i) {
    targets(static_cast<Eigen::Index>(i)) = labels[i] == static_cast<std::int32_t>(c) ? 1.0 : 0.0;
  }
  return targets;
}

}  // namespace

std::vector<ClassScores> class_scores(const LogitRows::Block& z) {
  const LogitRows::Block p = softmax(z);
  const LogitRows::Block log_p = log_softmax(z);
  std::vector<ClassScores> scores(static_cast<std::size_t>(z.cols()));
  for (Eigen::Index c = 0; c < z.cols(); ++c) {
    auto& of_class = scores[static_cast<std::size_t>(c)];
    of_class.p = p.col(c);
    of_class.log_p = log_p.col(c);
    of_class.log_rest.resize(z.rows());
    for (Eigen::Index i = 0; i < z.rows(); ++i) {
      of_class.log_rest(i) = p(i, c) <= 0.5 ? std::log1p(-p(i, c)) : log_of_rest(log_p, i, c);
    }
  }
  return scores;
}

CalibratorFit fit_one_vs_rest(std::string_view name, const LogitRows& rows,
                              std::span<const std::int32_t> labels,
                              const CalibratorOptions& options) {
  const auto scores = scores_of_all(rows);
  const std::size_t first = scores.size() == 2 ? 1 : 0;
  std::vector<std::unique_ptr<BinaryMap>> maps;
  std::vector<CalibratorParameter> weights;
  for (std::size_t c = first; c < scores.size(); ++c) {
    auto fit = fit_map(name, scores[c], one_where_label_is(labels, c), options);
    if (!fit.map) return CalibratorFit::none(fmt::format("class {}: {}", c, fit.reason));
    maps.push_back(std::move(fit.map));
    for (auto& weight : fit.weights) {
      weights.push_back({fmt::format("class {}: {}", c, weight.name), std::move(weight.value)});
    }
  }
  auto calibrator = std::make_unique<OneVsRestCalibrator>(std::move(maps));
  const CalibratedOutputs after = calibrator->calibrate(rows);
  calibrator->parameters = {
      {"nll_before", mean_nll(rows, labels)},
      {"nll_after", mean_nll(after, labels)},
      {"n_uniform_rows", Measured::of(static_cast<double>(after.n_uniform_rows))}};
  if (name == "histogram-binning") {
    calibrator->parameters.push_back({"n_bins", Measured::of(static_cast<double>(options.n_bins))});
  }
  calibrator->weights = std::move(weights);
  return {std::move(calibrator), ""};
}

}  // namespace calsweep::analysis
