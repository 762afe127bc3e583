#include "analysis/conformal/prediction_sets.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

void check_alpha(double alpha) {
  if (alpha > 0.0 && alpha < 1.0) return;
  throw UsageError(fmt::format("conformal sets: alpha is {}; give a number in (0, 1)", alpha));
}

void check_options(const ConformalOptions& options) {
  check_alpha(options.alpha);
  if (!(options.lambda >= 0.0) || !std::isfinite(options.lambda) || options.k_reg < 0) {
    throw UsageError(
        fmt::format("conformal sets: RAPS with lambda {} and k_reg {}; both must be >= 0",
                    options.lambda, options.k_reg));
  }
}

/// A sum of all probabilities is 1 but for rounding, which must not decide about the last class.
constexpr double kRounding = 1e-12;

/// Rows of probabilities and labels, checked.
class LabelledRows {
 public:
  LabelledRows(std::span<const double> probabilities, std::int64_t n_classes,
               std::span<const std::int32_t> labels, std::string_view set)
      : probabilities_(probabilities),
        k_(static_cast<std::size_t>(n_classes)),
        labels_(labels),
        set_(set) {
    if (n_classes < 1 || probabilities.size() % k_ != 0) {
      throw FormatError(fmt::format("{}: {} probabilities are not rows of {} classes", set,
                                    probabilities.size(), n_classes));
    }
    if (!labels.empty() && labels.size() != n()) {
      throw FormatError(fmt::format("{}: {} rows, but {} labels", set, n(), labels.size()));
    }
  }
  std::size_t n() const { return probabilities_.size() / k_; }
  std::span<const double> row(std::size_t i) const {
    const auto row = probabilities_.subspan(i * k_, k_);
    for (const double p : row) {
      if (!(p >= 0.0 && p <= 1.0)) {
        throw FormatError(
            fmt::format("{}: row {} (from 0) has a probability of {}, not in [0, 1]", set_, i, p));
      }
    }
    return row;
  }
  std::size_t label(std::size_t i) const {
    const auto label = static_cast<std::size_t>(labels_[i]);
    if (labels_[i] >= 0 && label < k_) return label;
    throw FormatError(fmt::format("{}: label {} of row {} (from 0) is not in 0...{}", set_,
                                  labels_[i], i, k_ - 1));
  }

 private:
  std::span<const double> probabilities_;
  std::size_t k_;
  std::span<const std::int32_t> labels_;
  std::string_view set_;
};

/// Fills `order` with the classes of a row by descending probability, ties by class number.
void rank_classes(std::span<const double> row, std::vector<std::size_t>& order) {
  order.resize(row.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [row](std::size_t a, std::size_t b) {
    return row[a] != row[b] ? row[a] > row[b] : a < b;
  });
}

/// Scores of a row's classes, from the most probable on. They never fall as the rank grows.
class RowScores {
 public:
  RowScores(const ConformalOptions& options, double u) : options_(options), u_(u) {}
  double next(double p) {
    ++rank_;
    if (options_.score == ConformalScore::Threshold) return 1.0 - p;
    double mass = before_ + u_ * p;
    if (mass > 1.0 - kRounding) mass = 1.0;
    before_ += p;
    if (options_.score == ConformalScore::Aps) return mass;
    return mass +
           options_.lambda * static_cast<double>(std::max<std::int64_t>(0, rank_ - options_.k_reg));
  }

 private:
  const ConformalOptions& options_;
  double u_;
  double before_ = 0.0;
  std::int64_t rank_ = 0;
};

}  // namespace

std::string_view to_string(ConformalScore score) {
  switch (score) {
    case ConformalScore::Threshold:
      return "thr";
    case ConformalScore::Aps:
      return "aps";
    case ConformalScore::Raps:
      break;
  }
  return "raps";
}

double ConformalQuantile::expected_coverage() const {
  if (rank > n_calibration) return 1.0;
  return static_cast<double>(rank) / (static_cast<double>(n_calibration) + 1.0);
}

double ConformalQuantile::coverage_deviation(std::int64_t n_test) const {
  CALSWEEP_CHECK(n_test > 0, "a coverage is observed on at least one row");
  if (rank > n_calibration) return 0.0;
  // Coverage given the calibration set is Beta(a, b), a = rank, a + b = n + 1.
  const double mean = expected_coverage();
  const double ab = static_cast<double>(n_calibration) + 1.0;
  const double m = static_cast<double>(n_test);
  return std::sqrt(mean * (1.0 - mean) * (ab + m) / (m * (ab + 1.0)));
}

ConformalQuantile conformal_quantile(std::span<const double> scores, double alpha) {
  check_alpha(alpha);
  std::vector<double> copy(scores.begin(), scores.end());
  for (std::size_t i = 0; i < copy.size(); ++i) {
    if (std::isnan(copy[i])) {
      throw FormatError(fmt::format("conformal score of row {} (from 0) is NaN", i));
    }
  }
  ConformalQuantile made;
  made.n_calibration = static_cast<std::int64_t>(copy.size());
  const double product = (static_cast<double>(copy.size()) + 1.0) * (1.0 - alpha);
  const double nearest = std::round(product);  // 10 * (1 - 0.7) is 3.0000000000000004 in double
  const double rank = std::abs(product - nearest) <= 1e-9 ? nearest : std::ceil(product);
  made.rank = std::max<std::int64_t>(1, static_cast<std::int64_t>(rank));
  if (made.rank > made.n_calibration) {
    made.threshold = std::numeric_limits<double>::infinity();
    return made;
  }
  const auto at = copy.begin() + (made.rank - 1);
  std::nth_element(copy.begin(), at, copy.end());
  made.threshold = *at;
  return made;
}

ConformalPredictor::ConformalPredictor(ConformalOptions options, std::int64_t n_classes)
    : options_(std::move(options)), n_classes_(n_classes) {}

ConformalDraws::ConformalDraws(const ConformalOptions& options, std::string_view set) {
  if (!options.randomised || options.score == ConformalScore::Threshold) return;
  random_.emplace(random_key(options.seed, 0, fmt::format("conformal|{}|{}", options.key, set)));
}

ConformalPredictor ConformalPredictor::calibrate(ConformalOptions options,
                                                 std::span<const double> probabilities,
                                                 std::int64_t n_classes,
                                                 std::span<const std::int32_t> labels,
                                                 std::string_view set) {
  check_options(options);
  ConformalDraws draws(options, set);
  std::vector<double> scores;
  append_scores(options, probabilities, n_classes, labels, set, draws, scores);
  return from_scores(std::move(options), n_classes, scores);
}

void ConformalPredictor::append_scores(const ConformalOptions& options,
                                       std::span<const double> probabilities,
                                       std::int64_t n_classes, std::span<const std::int32_t> labels,
                                       std::string_view set, ConformalDraws& draws,
                                       std::vector<double>& scores) {
  const LabelledRows rows(probabilities, n_classes, labels, set);
  if (labels.size() != rows.n()) {
    throw FormatError(fmt::format("{}: conformal calibration needs a label for every row", set));
  }
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < rows.n(); ++i) {
    const auto row = rows.row(i);
    const auto label = rows.label(i);
    rank_classes(row, order);
    RowScores of_row(options, draws.next());
    double score = 0.0;
    for (const auto c : order) {
      score = of_row.next(row[c]);
      if (c == label) break;
    }
    scores.push_back(score);
  }
}

ConformalPredictor ConformalPredictor::from_scores(ConformalOptions options, std::int64_t n_classes,
                                                   std::span<const double> scores) {
  check_options(options);
  ConformalPredictor made(std::move(options), n_classes);
  made.quantile_ = conformal_quantile(scores, made.options_.alpha);
  return made;
}

std::vector<std::int64_t> ConformalPredictor::classes(std::span<const double> row, double u) const {
  std::vector<std::size_t> order;
  rank_classes(row, order);
  RowScores of_row(options_, u);
  std::vector<std::int64_t> found;
  for (const auto c : order) {
    if (!(of_row.next(row[c]) <= quantile_.threshold)) break;
    found.push_back(static_cast<std::int64_t>(c));
  }
  if (found.empty() && !options_.allow_empty) found.push_back(static_cast<std::int64_t>(order[0]));
  return found;
}

PredictionSets ConformalPredictor::predict(std::span<const double> probabilities,
                                           std::span<const std::int32_t> labels,
                                           std::string_view set) const {
  PredictionSets made{n_classes_, {}, {}};
  ConformalDraws draws(options_, set);
  append_sets(probabilities, labels, set, draws, made);
  return made;
}

void ConformalPredictor::append_sets(std::span<const double> probabilities,
                                     std::span<const std::int32_t> labels, std::string_view set,
                                     ConformalDraws& draws, PredictionSets& sets) const {
  const LabelledRows rows(probabilities, n_classes_, labels, set);
  for (std::size_t i = 0; i < rows.n(); ++i) {
    const auto found = classes(rows.row(i), draws.next());
    sets.size.push_back(static_cast<std::int64_t>(found.size()));
    if (labels.empty()) continue;
    const auto label = static_cast<std::int64_t>(rows.label(i));
    sets.covered.push_back(std::find(found.begin(), found.end(), label) != found.end() ? 1 : 0);
  }
}

}  // namespace calsweep::analysis
