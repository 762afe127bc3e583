#include "analysis/metrics/corp_decomposition.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

/// Loss of one correct and of one wrong row with confidence c.
struct BrierLoss {
  static double of_correct(double c) { return (1.0 - c) * (1.0 - c); }
  static double of_wrong(double c) { return c * c; }
};
struct LogLoss {
  static double of_correct(double c) { return -std::log(c); }
  static double of_wrong(double c) { return -std::log1p(-c); }
};

/// Total loss of a group that all gets forecast c; a kind of row that it lacks costs nothing.
template <class Loss>
double group_loss(const ConfidenceGroup& group, double c) {
  const auto wrong = group.count - group.correct;
  double loss = 0.0;
  if (group.correct > 0) loss += static_cast<double>(group.correct) * Loss::of_correct(c);
  if (wrong > 0) loss += static_cast<double>(wrong) * Loss::of_wrong(c);
  return loss;
}

template <class Loss>
CorpDecomposition decompose(const ConfidenceProfile& profile) {
  if (profile.empty()) {
    const auto none = Measured::none("the set is empty");
    return {none, none, none, none};
  }
  const auto n = static_cast<double>(profile.n_rows());
  const double base_rate = static_cast<double>(profile.n_correct()) / n;
  const auto recalibrated = isotonic_accuracies(profile);
  double score = 0.0, of_recalibrated = 0.0;
  for (std::size_t g = 0; g < profile.size(); ++g) {
    const auto& group = profile.groups()[g];
    score += group_loss<Loss>(group, group.confidence);
    of_recalibrated += group_loss<Loss>(group, recalibrated[g]);
  }
  const ConfidenceGroup all{base_rate, profile.n_rows(), profile.n_correct()};
  const double uncertainty = group_loss<Loss>(all, base_rate) / n;
  score /= n;
  of_recalibrated /= n;
  CorpDecomposition parts;
  parts.uncertainty = Measured::of(uncertainty);
  parts.discrimination = Measured::of(uncertainty - of_recalibrated);
  if (std::isfinite(score)) {
    parts.score = Measured::of(score);
    parts.miscalibration = Measured::of(score - of_recalibrated);
  } else {
    const auto none = Measured::none("infinite: a row is wrong at confidence 1 or right at 0");
    parts.score = none;
    parts.miscalibration = none;
  }
  return parts;
}

/// `column(k)`: [n] probabilities of class k.
template <class Column>
CorpDecomposition sum_over_classes(std::int64_t n_classes, std::span<const std::int32_t> labels,
                                   const Column& column) {
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] < 0 || labels[i] >= n_classes) {
      throw FormatError(fmt::format("the label of row {} (from 0) is {}, not in [0, {})", i,
                                    labels[i], n_classes));
    }
  }
  CorpDecomposition sum{Measured::of(0.0), Measured::of(0.0), Measured::of(0.0), Measured::of(0.0)};
  std::vector<std::uint8_t> is_class(labels.size());
  for (std::int64_t k = 0; k < n_classes; ++k) {
    for (std::size_t i = 0; i < labels.size(); ++i) is_class[i] = labels[i] == k ? 1 : 0;
    const auto part = corp_brier(ConfidenceProfile::from_rows(column(k), is_class));
    if (!part.score.has_value()) return part;
    sum.score.value += part.score.value;
    sum.miscalibration.value += part.miscalibration.value;
    sum.discrimination.value += part.discrimination.value;
    sum.uncertainty.value += part.uncertainty.value;
  }
  return sum;
}

template <class Real>
CorpDecomposition multiclass(std::span<const Real> probabilities, std::int64_t n_classes,
                             std::span<const std::int32_t> labels) {
  const auto width = static_cast<std::size_t>(n_classes);
  if (n_classes < 1 || probabilities.size() != labels.size() * width) {
    throw FormatError(fmt::format("{} probabilities for {} labels of {} classes",
                                  probabilities.size(), labels.size(), n_classes));
  }
  std::vector<Real> values(labels.size());
  return sum_over_classes(n_classes, labels, [&](std::int64_t k) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = probabilities[i * width + static_cast<std::size_t>(k)];
    }
    return std::span<const Real>(values);
  });
}

}  // namespace

std::vector<double> isotonic_accuracies(const ConfidenceProfile& profile) {
  struct Block {
    std::int64_t count, correct;
    std::size_t n_groups;
  };
  __extension__ using Wide = __int128;
  std::vector<Block> blocks;
  for (const auto& group : profile.groups()) {
    blocks.push_back({group.count, group.correct, 1});
    while (blocks.size() > 1) {  // compared in integers, so that equal rates are equal
      const auto& last = blocks.back();
      auto& before = blocks[blocks.size() - 2];
      if (static_cast<Wide>(before.correct) * last.count <
          static_cast<Wide>(last.correct) * before.count) {
        break;
      }
      before.count += last.count;
      before.correct += last.correct;
      before.n_groups += last.n_groups;
      blocks.pop_back();
    }
  }
  std::vector<double> accuracies;
  accuracies.reserve(profile.size());
  for (const auto& block : blocks) {
    accuracies.insert(accuracies.end(), block.n_groups,
                      static_cast<double>(block.correct) / static_cast<double>(block.count));
  }
  return accuracies;
}

CorpDecomposition corp_brier(const ConfidenceProfile& profile) {
  return decompose<BrierLoss>(profile);
}

CorpDecomposition corp_log_score(const ConfidenceProfile& profile) {
  return decompose<LogLoss>(profile);
}

CorpDecomposition corp_multiclass_brier(std::span<const float> probabilities,
                                        std::int64_t n_classes,
                                        std::span<const std::int32_t> labels) {
  return multiclass(probabilities, n_classes, labels);
}

CorpDecomposition corp_multiclass_brier(std::span<const double> probabilities,
                                        std::int64_t n_classes,
                                        std::span<const std::int32_t> labels) {
  return multiclass(probabilities, n_classes, labels);
}

CorpDecomposition corp_multiclass_brier(
    std::int64_t n_classes, std::span<const std::int32_t> labels,
    const std::function<std::span<const double>(std::int64_t)>& column) {
  return sum_over_classes(n_classes, labels, column);
}

}  // namespace calsweep::analysis
