#include "analysis/metrics/selective_prediction.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/math/special_functions/digamma.hpp>
#include <cmath>

#include "analysis/metrics/fixed_sum.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

/// 1 / (first + 1) + … + 1 / (first + count).
double harmonic_sum(std::int64_t first, std::int64_t count) {
  if (count > 64) {
    return boost::math::digamma(static_cast<double>(first + count + 1)) -
           boost::math::digamma(static_cast<double>(first + 1));
  }
  double sum = 0.0;
  for (std::int64_t j = 1; j <= count; ++j) sum += 1.0 / static_cast<double>(first + j);
  return sum;
}

/// Sum of the risks at the ranks of a group: (wrong_before + j wrong / count) / (before + j) for
/// j = 1 … count, the expected errors growing evenly inside the tie.
double sum_of_risks(std::int64_t before, std::int64_t wrong_before, std::int64_t count,
                    std::int64_t wrong) {
  const double rate = static_cast<double>(wrong) / static_cast<double>(count);
  return static_cast<double>(wrong) +
         (static_cast<double>(wrong_before) - rate * static_cast<double>(before)) *
             harmonic_sum(before, count);
}

}  // namespace

std::vector<RiskCoveragePoint> risk_coverage_curve(const ConfidenceProfile& profile) {
  std::vector<RiskCoveragePoint> curve;
  curve.reserve(profile.size());
  std::int64_t answered = 0;
  std::int64_t wrong = 0;
  for (std::size_t g = profile.size(); g-- > 0;) {
    const auto& group = profile.groups()[g];
    answered += group.count;
    wrong += group.count - group.correct;
    curve.push_back({group.confidence, answered, wrong});
  }
  return curve;
}

Measured accuracy_at_coverage(const ConfidenceProfile& profile, double coverage) {
  if (!(coverage > 0.0 && coverage <= 1.0)) {
    throw UsageError(fmt::format("coverage {} is not in (0, 1]", coverage));
  }
  if (profile.empty()) return Measured::none("the set is empty");
  // Tolerates that 0.95 * 20 is a little above 19 in double.
  const double exact = coverage * static_cast<double>(profile.n_rows());
  const auto wanted = std::max<std::int64_t>(static_cast<std::int64_t>(std::ceil(exact - 1e-9)), 1);
  std::int64_t answered = 0;
  double correct = 0.0;
  for (std::size_t g = profile.size(); g-- > 0 && answered < wanted;) {
    const auto& group = profile.groups()[g];
    const auto taken = std::min(group.count, wanted - answered);
    correct += static_cast<double>(taken) * static_cast<double>(group.correct) /
               static_cast<double>(group.count);
    answered += taken;
  }
  return Measured::of(correct / static_cast<double>(answered));
}

Measured oracle_collaborative_accuracy(const ConfidenceProfile& profile, double fraction) {
  if (!(fraction > 0.0 && fraction <= 1.0)) {
    throw UsageError(fmt::format("a fraction of {} is not in (0, 1]", fraction));
  }
  if (profile.empty()) return Measured::none("the set is empty");
  const double exact = fraction * static_cast<double>(profile.n_rows());
  const auto given = std::max<std::int64_t>(static_cast<std::int64_t>(std::floor(exact + 1e-9)), 1);
  double correct = static_cast<double>(profile.n_correct());
  std::int64_t left = given;
  for (const auto& group : profile.groups()) {
    const auto taken = std::min(group.count, left);
    correct += static_cast<double>(taken) * static_cast<double>(group.count - group.correct) /
               static_cast<double>(group.count);
    left -= taken;
    if (left == 0) break;
  }
  return Measured::of(correct / static_cast<double>(profile.n_rows()));
}

Measured calibration_auroc(const ConfidenceProfile& profile) {
  if (profile.empty()) return Measured::none("the set is empty");
  const auto n_wrong = profile.n_rows() - profile.n_correct();
  if (n_wrong == 0) return Measured::none("every row is correct");
  if (profile.n_correct() == 0) return Measured::none("every row is wrong");
  Int128 doubled = 0;  // 2 * pairs in order + pairs that tie
  for (std::size_t g = 0; g < profile.size(); ++g) {
    const auto& group = profile.groups()[g];
    const auto wrong_before = profile.rows_before(g) - profile.correct_before(g);
    doubled +=
        static_cast<Int128>(group.correct) * (2 * wrong_before + group.count - group.correct);
  }
  return Measured::of(static_cast<double>(doubled) / 2.0 / static_cast<double>(n_wrong) /
                      static_cast<double>(profile.n_correct()));
}

SelectivePrediction selective_prediction(const ConfidenceProfile& profile) {
  if (profile.empty()) {
    const auto none = Measured::none("the set is empty");
    return {none, none, none, none};
  }
  double risks = 0.0;
  double area = 0.0;
  std::int64_t answered = 0;
  std::int64_t wrong = 0;
  for (const auto& point : risk_coverage_curve(profile)) {
    risks += sum_of_risks(answered, wrong, point.answered - answered, point.wrong - wrong);
    area += static_cast<double>(point.answered - answered) *
            static_cast<double>(point.wrong + wrong) / 2.0;
    answered = point.answered;
    wrong = point.wrong;
  }
  const auto n = static_cast<double>(answered);
  const auto n_right = answered - wrong;
  const double oracle = wrong == 0 ? 0.0 : sum_of_risks(n_right, 0, wrong, wrong) / n;
  const double aurc = risks / n;
  return {Measured::of(aurc), Measured::of(oracle), Measured::of(std::max(aurc - oracle, 0.0)),
          Measured::of(area / n / n)};
}

}  // namespace calsweep::analysis
