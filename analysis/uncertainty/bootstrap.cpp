#include "analysis/uncertainty/bootstrap.hpp"

#include <fmt/format.h>

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <numeric>

#include "sweeps/errors.hpp"
#include "sweeps/random.hpp"

namespace calsweep::analysis {
namespace {

/// Rows of one set in slots: ascending confidence and, where it ties, the correct ones last. So the
/// sums of a resample are taken over neighbours in memory, while rows are drawn by file position.
class RowSampler {
 public:
  RowSampler(std::span<const float> confidence, std::span<const std::uint8_t> correct,
             const std::vector<RowMean>& means, const std::vector<CutFunctional>& cuts,
             std::span<const std::size_t> residual_cuts)
      : profile_(ConfidenceProfile::from_rows(confidence, correct)),
        weight_(confidence.size()),
        slot_of_(confidence.size()),
        sums_(means.size()) {
    const auto groups = profile_.groups();
    std::vector<std::int64_t> next_wrong, next_correct;
    for (std::size_t g = 0; g < groups.size(); ++g) {
      next_wrong.push_back(profile_.rows_before(g));
      next_correct.push_back(profile_.rows_before(g + 1) - groups[g].correct);
    }
    for (std::size_t i = 0; i < confidence.size(); ++i) {
      const auto at = std::partition_point(groups.begin(), groups.end(), [&](const auto& group) {
        return group.confidence < static_cast<double>(confidence[i]);
      });
      const auto g = static_cast<std::size_t>(at - groups.begin());
      slot_of_[i] = static_cast<std::uint32_t>((correct[i] != 0 ? next_correct : next_wrong)[g]++);
    }
    for (const auto& mean : means) {
      auto& values = values_.emplace_back(static_cast<Eigen::Index>(slot_of_.size()));
      for (std::size_t i = 0; i < slot_of_.size(); ++i) values[slot_of_[i]] = mean.values[i];
    }
    group_count_.resize(groups.size());
    group_correct_.resize(groups.size());
    plan_cuts(cuts, residual_cuts);
  }

  /// How often each slot is drawn, and the slot of each row in file order.
  std::vector<std::int32_t>& weight() { return weight_; }
  std::span<const std::uint32_t> slot_of() const { return slot_of_; }

  /// From weights to the profile of the resample and the sums of `means`.
  void apply() {
    std::size_t slot = 0;
    for (std::size_t g = 0; g < profile_.size(); ++g) {
      const auto& group = profile_.groups()[g];
      if (group.count == 1) {  // most are; no branch on the outcome, which cannot be predicted
        group_count_[g] = weight_[slot];
        group_correct_[g] = weight_[slot++] * static_cast<std::int32_t>(group.correct);
        continue;
      }
      std::int32_t wrong = 0, correct = 0;
      for (std::int64_t i = group.correct; i < group.count; ++i) wrong += weight_[slot++];
      for (std::int64_t i = 0; i < group.correct; ++i) correct += weight_[slot++];
      group_count_[g] = wrong + correct;
      group_correct_[g] = correct;
    }
    const Eigen::Map<const Eigen::ArrayXi> weights(weight_.data(),
                                                   static_cast<Eigen::Index>(weight_.size()));
    for (std::size_t m = 0; m < values_.size(); ++m) {
      sums_[m] = (weights.cast<double>() * values_[m]).sum();
    }
    resampled_.assign_resampled(profile_, group_count_, group_correct_);
    add_up_cuts();
  }

  /// All numbers, in the order of the replicates.
  void evaluate(const std::vector<ProfileFunctional>& errors,
                const std::vector<CutFunctional>& cuts, std::vector<double>& values) {
    const auto n = static_cast<double>(resampled_.n_rows());
    values.clear();
    values.push_back(static_cast<double>(resampled_.n_correct()) / n);
    values.push_back(resampled_.sum_confidence() / n);
    for (const double sum : sums_) values.push_back(sum / n);
    for (const auto& error : errors) values.push_back(error.value(resampled_));
    for (std::size_t f = 0; f < cuts.size(); ++f) {
      wanted_.clear();
      for (const auto at : cut_at_[f]) wanted_.push_back(cut_sums_[at]);
      values.push_back(cuts[f].value(wanted_));
    }
  }

  /// Cumulative residuals of the resampled rows less those of all rows.
  void add_noise(ResidualDraws& draws) const {
    for (const auto at : residual_at_) {
      const auto cut = cuts_[at];
      draws.noise.push_back(
          (cut_sums_[at].confidence - cut_sums_[at].correct) -
          (profile_.confidence_before(cut) - static_cast<double>(profile_.correct_before(cut))));
    }
  }

 private:
  void plan_cuts(const std::vector<CutFunctional>& cuts,
                 std::span<const std::size_t> residual_cuts) {
    cuts_.assign(residual_cuts.begin(), residual_cuts.end());
    for (const auto& cut : cuts) cuts_.insert(cuts_.end(), cut.cuts.begin(), cut.cuts.end());
    std::sort(cuts_.begin(), cuts_.end());
    cuts_.erase(std::unique(cuts_.begin(), cuts_.end()), cuts_.end());
    cut_sums_.resize(cuts_.size());
    const auto position = [&](std::size_t cut) {
      return static_cast<std::size_t>(std::lower_bound(cuts_.begin(), cuts_.end(), cut) -
                                      cuts_.begin());
    };
    for (const auto& cut : cuts) {
      auto& at = cut_at_.emplace_back();
      for (const auto c : cut.cuts) at.push_back(position(c));
    }
    for (const auto c : residual_cuts) residual_at_.push_back(position(c));
  }

  /// Sums over the resampled rows before each cut, in groups of all rows.
  void add_up_cuts() {
    std::int64_t rows = 0, correct = 0;
    double confidence = 0.0;
    std::size_t g = 0;
    for (std::size_t c = 0; c < cuts_.size(); ++c) {
      for (; g < cuts_[c]; ++g) {
        rows += group_count_[g];
        correct += group_correct_[g];
        confidence += profile_.groups()[g].confidence * group_count_[g];
      }
      cut_sums_[c] = {static_cast<double>(rows), static_cast<double>(correct), confidence};
    }
  }

  ConfidenceProfile profile_, resampled_;
  std::vector<std::int32_t> weight_;    // [slots] times drawn
  std::vector<std::uint32_t> slot_of_;  // [rows]
  std::vector<Eigen::ArrayXd> values_;  // [means][slots]
  std::vector<std::int32_t> group_count_, group_correct_;
  std::vector<double> sums_;
  std::vector<std::size_t> cuts_;                 // ascending
  std::vector<CutSums> cut_sums_;                 // [cuts_]
  std::vector<std::vector<std::size_t>> cut_at_;  // per functional, positions in cuts_
  std::vector<std::size_t> residual_at_;          // positions in cuts_
  std::vector<CutSums> wanted_;
};

/// n rows drawn with replacement, two from each 64 bits; exactly uniform (Lemire 2019).
void draw_rows(Random& random, std::span<const std::uint32_t> slot_of,
               std::vector<std::int32_t>& weight) {
  std::fill(weight.begin(), weight.end(), 0);
  const auto n = static_cast<std::uint32_t>(weight.size());
  const std::uint32_t threshold = (0U - n) % n;
  for (std::size_t drawn = 0; drawn < weight.size();) {
    const auto bits = random.next();
    for (const auto half : {bits >> 32U, bits & 0xffffffffU}) {
      const std::uint64_t product = half * n;
      if (static_cast<std::uint32_t>(product) < threshold || drawn == weight.size()) continue;
      ++weight[slot_of[product >> 32U]];
      ++drawn;
    }
  }
}

void check_means(const std::vector<RowMean>& means, std::size_t n_rows) {
  for (const auto& mean : means) {
    if (mean.values.size() != n_rows) {
      throw FormatError(
          fmt::format("{} values of \"{}\" for {} rows", mean.values.size(), mean.name, n_rows));
    }
  }
  if (n_rows >= (std::uint64_t{1} << 31U)) {
    throw UsageError(fmt::format("{} rows are too many to resample row by row", n_rows));
  }
}

std::vector<Replicates> named(const std::vector<RowMean>& means,
                              const std::vector<ProfileFunctional>& errors,
                              const std::vector<CutFunctional>& cuts) {
  std::vector<Replicates> all(2);
  all[0].name = "accuracy";
  all[1].name = "confidence";
  for (const auto& mean : means) all.push_back({mean.name, 0.0, {}, {}});
  for (const auto& error : errors) all.push_back({error.name, 0.0, {}, {}});
  for (const auto& cut : cuts) all.push_back({cut.name, 0.0, {}, {}});
  return all;
}

}  // namespace

std::vector<Replicates> bootstrap(std::span<const float> confidence,
                                  std::span<const std::uint8_t> correct,
                                  const std::vector<RowMean>& means,
                                  const std::vector<ProfileFunctional>& errors,
                                  const BootstrapOptions& options,
                                  const std::vector<CutFunctional>& cuts,
                                  ResidualDraws* residuals) {
  check_means(means, confidence.size());
  if (options.n_resamples < 1 || options.jackknife_blocks < 2) {
    throw UsageError(fmt::format("{} resamples and {} jackknife blocks: 1 and 2 are the least",
                                 options.n_resamples, options.jackknife_blocks));
  }
  if (residuals != nullptr) {
    residuals->noise.clear();
    residuals->n_resamples = confidence.empty() ? 0 : options.n_resamples;
  }
  RowSampler sampler(confidence, correct, means, cuts,
                     residuals != nullptr ? std::span<const std::size_t>(residuals->cuts)
                                          : std::span<const std::size_t>());
  auto all = named(means, errors, cuts);
  if (confidence.empty()) return all;
  std::vector<double> values;
  auto& weight = sampler.weight();
  std::fill(weight.begin(), weight.end(), 1);
  sampler.apply();
  sampler.evaluate(errors, cuts, values);
  for (std::size_t f = 0; f < all.size(); ++f) all[f].observed = values[f];
  Random random(random_key(confidence.size(), 0, "bootstrap|" + options.key));
  for (std::int64_t r = 0; r < options.n_resamples; ++r) {
    draw_rows(random, sampler.slot_of(), weight);
    sampler.apply();
    sampler.evaluate(errors, cuts, values);
    for (std::size_t f = 0; f < all.size(); ++f) all[f].resampled.push_back(values[f]);
    if (residuals != nullptr) sampler.add_noise(*residuals);
  }
  const auto blocks =
      std::min(static_cast<std::size_t>(options.jackknife_blocks), confidence.size());
  for (std::size_t block = 0; blocks > 1 && block < blocks; ++block) {
    for (std::size_t i = 0; i < weight.size(); ++i)
      weight[sampler.slot_of()[i]] = i % blocks == block ? 0 : 1;
    sampler.apply();
    sampler.evaluate(errors, cuts, values);
    for (std::size_t f = 0; f < all.size(); ++f) all[f].jackknifed.push_back(values[f]);
  }
  return all;
}

Replicates paired_difference(const Replicates& first, const Replicates& second) {
  CALSWEEP_CHECK(first.resampled.size() == second.resampled.size() &&
                     first.jackknifed.size() == second.jackknifed.size(),
                 "paired replicates come from the same rows and options");
  Replicates difference{first.name, first.observed - second.observed, first.resampled,
                        first.jackknifed};
  for (std::size_t r = 0; r < difference.resampled.size(); ++r) {
    difference.resampled[r] -= second.resampled[r];
  }
  for (std::size_t b = 0; b < difference.jackknifed.size(); ++b) {
    difference.jackknifed[b] -= second.jackknifed[b];
  }
  return difference;
}

Measured bootstrap_bias(const Replicates& replicates) {
  if (replicates.resampled.empty()) return Measured::none("no resample");
  const double sum = std::accumulate(replicates.resampled.begin(), replicates.resampled.end(), 0.0);
  return Measured::of(sum / static_cast<double>(replicates.resampled.size()) - replicates.observed);
}

Measured bootstrap_standard_error(const Replicates& replicates) {
  const auto n = static_cast<double>(replicates.resampled.size());
  if (n < 2.0) return Measured::none("fewer than two resamples");
  const double mean = bootstrap_bias(replicates).value + replicates.observed;
  double squares = 0.0;
  for (const double value : replicates.resampled) squares += (value - mean) * (value - mean);
  return Measured::of(std::sqrt(squares / (n - 1.0)));
}

}  // namespace calsweep::analysis
