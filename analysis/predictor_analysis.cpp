#include "analysis/predictor_analysis.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "analysis/calibrators/ensemble_calibration.hpp"
#include "analysis/derived_results.hpp"
#include "analysis/ensembles/disagreement.hpp"
#include "analysis/ensembles/size_curve.hpp"
#include "analysis/ood/odin_sets.hpp"
#include "analysis/predictor_outputs.hpp"
#include "analysis/set_summary.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

RowDetail detail_of(const SetRows& rows) {
  return rows.set() == "test" ? RowDetail::Losses : RowDetail::Correctness;
}

/// Everything that outputs alone determine: metrics of each set, detection, conformal sets,
/// calibration. `odin`: sets of perturbed inputs.
void add_results(const std::vector<SetOutputs>& sets, const std::vector<SetRows>& odin,
                 const AnalysisOptions& options, PredictorResult& result) {
  for (const auto& set : sets) {
    const bool is_test = set.set() == "test";
    const SummaryRequest request{set.set(), std::string(kNoCalibrator),
                                 is_test ? Detail::Full : Detail::Brief,
                                 is_test ? options.resamples : 0, result.id};
    FullSummaryInput input{set.brier_rows, set.rows.labels(), {}, {}, ""};
    std::optional<WholeProbabilities> whole;
    if (is_test) {
      input.too_large = too_large_to_fit(set.rows);
      if (input.too_large.empty()) input.probabilities = whole.emplace(set.rows).values();
    }
    ClassColumns columns(set.rows, input.probabilities);
    input.class_column = [&](auto k) { return columns(k); };
    result.sets.push_back(summarize_set(request, set.predictions, input));
  }
  add_conformal(sets, options, result.id, result.sets);
  PredictorResult calibrated;
  calibrated.id = result.id;
  add_calibrated(sets, options, calibrated);
  add_detection(sets, fitted_temperature(calibrated), result.sets);
  add_odin_detection(sets, odin, result.sets);
  result.calibrations = std::move(calibrated.calibrations);
  result.sets.insert(result.sets.end(), std::make_move_iterator(calibrated.sets.begin()),
                     std::make_move_iterator(calibrated.sets.end()));
}

/// The members' ranges of the same rows.
class MemberRanges {
 public:
  MemberRanges(const std::vector<SetRows>& members, const RowRange& of) {
    for (const auto& member : members) ranges_.push_back(member.range(of.first_row, of.n_rows));
  }
  EnsembleView view(std::int64_t n_classes) const {
    std::vector<MemberProbabilities> views;
    for (std::size_t m = 0; m < ranges_.size(); ++m) {
      views.push_back({static_cast<std::int64_t>(m), ranges_[m]->probabilities()});
    }
    return EnsembleView(views, n_classes, ranges_.front()->what);
  }
  std::vector<std::span<const float>> logits() const {
    std::vector<std::span<const float>> of;
    for (const auto& range : ranges_) of.emplace_back(range->logits());
    return of;
  }

 private:
  std::vector<std::shared_ptr<const RowRange>> ranges_;
};

void add_disagreement(const std::vector<SetRows>& members, const SetRows& pooled,
                      PredictionSetResult& result) {
  RowDisagreement rows;
  DistinctMembers distinct(members.size());
  pooled.for_each_range([&](const RowRange& range) {
    const MemberRanges ranges(members, range);
    const auto view = ranges.view(pooled.n_classes());
    append(rows, row_disagreement(view));
    distinct.add(view);
  });
  const auto mean = mean_disagreement(members.size(), distinct.count(), rows);
  const auto add = [&](const char* metric, const Measured& value) {
    result.metrics.push_back({metric, "", value});
  };
  add("mutual_information", mean.epistemic);
  add("aleatoric_entropy", mean.aleatoric);
  add("variation_ratio", mean.variation_ratio);
  add("probability_variance", mean.probability_variance);
  add("disagreement", mean.disagreement);
  add("pairwise_kl", mean.pairwise_kl);
  add("jensen_shannon", mean.pairwise_js);
  add("distinct_members", pooled.n_rows() == 0
                              ? Measured::none("the set is empty")
                              : Measured::of(static_cast<double>(mean.n_distinct_members)));
}

/// The members' probabilities of one set as a whole, for the size curve, which asks for every
/// subset again.
class WholeMembers {
 public:
  explicit WholeMembers(const std::vector<SetRows>& members) {
    for (const auto& member : members) {
      if (member.is_single_range()) {
        ranges_.push_back(member.range(0, member.n_rows()));
        continue;
      }
      auto& copy = copies_.emplace_back();
      copy.reserve(static_cast<std::size_t>(member.n_rows() * member.n_classes()));
      member.for_each_range([&](const RowRange& range) {
        const auto values = range.probabilities();
        copy.insert(copy.end(), values.begin(), values.end());
      });
    }
  }
  EnsembleView view(std::int64_t n_classes, const std::string& what) const {
    std::vector<MemberProbabilities> views;
    const auto add = [&](std::span<const double> values) {
      views.push_back({static_cast<std::int64_t>(views.size()), values});
    };
    for (const auto& range : ranges_) add(range->probabilities());
    for (const auto& copy : copies_) add(copy);
    return EnsembleView(views, n_classes, what);
  }

 private:
  std::vector<std::shared_ptr<const RowRange>> ranges_;
  std::vector<std::vector<double>> copies_;
};

constexpr const char* kCurveMetrics[] = {"accuracy", "nll", "brier", "ece_guo2017"};
constexpr std::int64_t kCurveSubsets = 64;

/// `of_test`: takes the reason if there is no curve.
void add_size_curve(const std::vector<SetRows>& members, const SetRows& test,
                    PredictionSetResult& of_test, PredictorResult& result) {
  if (test.n_rows() == 0) return;
  const auto n_values = test.n_rows() * test.n_classes() * result.n_members;
  if (auto reason = too_large_to_fit(n_values, test.limits()); !reason.empty()) {
    of_test.metrics.push_back({"ensemble_size", "", Measured::none(std::move(reason))});
    return;
  }
  const WholeMembers whole(members);
  const auto view = whole.view(test.n_classes(), test.what());
  const Convention& guo = find_convention("guo2017");
  const PooledMetrics metrics = [&](std::span<const double> pooled) {
    const auto p = predict_from_probabilities(pooled, test.n_classes(), test.labels(), test.what());
    return std::vector<Measured>{p.accuracy(), p.nll(), p.brier(),
                                 p.calibration_error(guo, guo.default_bins).ece};
  };
  SizeCurveOptions options;
  options.max_subsets = kCurveSubsets;
  options.key = result.id;
  for (const auto& point : ensemble_size_curve(view, metrics, options)) {
    for (std::size_t m = 0; m < point.of.size(); ++m) {
      result.sizes.push_back(
          {point.n_members, point.n_subsets, kCurveMetrics[m], point.of[m].mean.value});
    }
  }
}

/// calibrate-then-pool: each member its own temperature (pool-then-calibrate is what
/// add_calibrated() does with the pooled probabilities).
class MemberTemperatures {
 public:
  MemberTemperatures(const PooledSets& sets, const std::vector<SetOutputs>& pooled,
                     std::int64_t resamples)
      : sets_(sets), pooled_(pooled), resamples_(resamples) {}

  void add(PredictorResult& result) const {
    const std::string name = "temperature-per-member";
    const auto* validation = find_set(pooled_, "validation");
    if (validation == nullptr || validation->rows.labels().empty()) return;
    CalibrationResult calibration{name, "validation", "", {}};
    const auto fit = fit_on(*validation);
    calibration.null_reason = fit.reason;
    if (fit.ensemble != nullptr) {
      add_parameters(fit.ensemble->parameters, calibration);
      for (std::size_t s = 0; s < pooled_.size(); ++s) {
        const auto& rows = pooled_[s].rows;
        if (&pooled_[s] == validation) continue;
        const auto apply = [&](const RowRange& range) {
          const MemberRanges ranges(sets_.members(s), range);
          return fit.ensemble->apply(ranges.logits(), rows.n_classes(), rows.what());
        };
        const SummaryRequest request{rows.set(), name, Detail::Main, resamples_, result.id};
        result.sets.push_back(summarize_calibrated(rows, apply, request));
      }
    }
    result.calibrations.push_back(std::move(calibration));
  }

 private:
  EnsembleFit fit_on(const SetOutputs& validation) const {
    const auto& rows = validation.rows;
    const auto& members = sets_.members(static_cast<std::size_t>(&validation - pooled_.data()));
    const auto n_members = static_cast<std::int64_t>(members.size());
    auto reason = too_large_to_fit(rows.n_rows() * rows.n_classes() * n_members, rows.limits());
    if (!reason.empty()) return {nullptr, std::move(reason)};
    std::vector<WholeLogits> whole;
    std::vector<std::span<const float>> logits;
    whole.reserve(members.size());
    for (const auto& member : members) logits.push_back(whole.emplace_back(member).values());
    return fit_ensemble(EnsembleOrder::CalibrateThenPool, logits, rows.n_classes(), rows.labels(),
                        rows.what());
  }

  const PooledSets& sets_;
  const std::vector<SetOutputs>& pooled_;
  std::int64_t resamples_;
};

}  // namespace

PredictorResult analyze_network(const NetworkData& network, const AnalysisOptions& options) {
  PredictorResult result;
  result.id = network.id;
  result.origin = network.origin;
  std::vector<SetOutputs> sets;
  std::vector<SetRows> odin;
  for (const auto& rows : network.sets) {
    if (parse_odin_set(rows.set())) {
      odin.push_back(rows);
    } else {
      sets.push_back(outputs_of(rows, detail_of(rows)));
    }
  }
  add_results(sets, odin, options, result);
  return result;
}

PooledSets::PooledSets(const EnsembleData& ensemble) : ensemble_(ensemble) {
  members_.resize(ensemble.members.front().sets.size());
  for (std::size_t s = 0; s < members_.size(); ++s) {
    for (const auto& member : ensemble.members) members_[s].push_back(member.sets[s]);
  }
}

SetRows PooledSets::pooled(std::size_t set) const {
  const auto& first = members_[set].front();
  SetDescription description;
  description.set = first.set();
  description.what = fmt::format("ensemble {}, set \"{}\"", ensemble_.id, first.set());
  description.n_rows = first.n_rows();
  description.n_classes = ensemble_.n_classes;
  description.labels = first.labels();
  return pooled_rows(members_[set], std::move(description));
}

PredictorResult analyze_ensemble(const EnsembleData& ensemble, const AnalysisOptions& options) {
  PredictorResult result;
  result.id = ensemble.id;
  result.n_members = static_cast<std::int64_t>(ensemble.members.size());
  const PooledSets sets(ensemble);
  std::vector<SetOutputs> pooled;
  for (std::size_t s = 0; s < sets.size(); ++s) {
    auto rows = sets.pooled(s);
    const auto detail = detail_of(rows);
    pooled.push_back(outputs_of(std::move(rows), detail));
  }
  add_results(pooled, {}, options, result);
  for (std::size_t s = 0; s < pooled.size(); ++s) {
    add_disagreement(sets.members(s), pooled[s].rows, result.sets[s]);
    if (pooled[s].set() != "test") continue;
    add_size_curve(sets.members(s), pooled[s].rows, result.sets[s], result);
  }
  const auto& wanted = options.calibrators;
  if (std::find(wanted.begin(), wanted.end(), "temperature") != wanted.end()) {
    MemberTemperatures(sets, pooled, options.resamples).add(result);
  }
  return result;
}

}  // namespace calsweep::analysis
