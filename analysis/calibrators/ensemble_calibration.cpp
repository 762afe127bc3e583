#include "analysis/calibrators/ensemble_calibration.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/calibrators/calibrated_outputs.hpp"
#include "analysis/calibrators/logit_rows.hpp"
#include "analysis/calibrators/temperature.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

std::vector<LogitRows> member_rows(MemberLogits members, std::int64_t n_classes,
                                   std::string_view what) {
  if (members.empty()) throw UsageError(fmt::format("{}: an ensemble without members", what));
  std::vector<LogitRows> rows;
  for (std::size_t m = 0; m < members.size(); ++m) {
    const auto& made =
        rows.emplace_back(members[m], n_classes, fmt::format("{}, member {}", what, m));
    if (made.n_rows() == rows.front().n_rows()) continue;
    throw FormatError(
        fmt::format("{}: member {} has {} rows, member 0 has {}: they were evaluated "
                    "on different data",
                    what, m, made.n_rows(), rows.front().n_rows()));
  }
  return rows;
}

/// "member 2: row 5 ..." of the first value that is not finite, or "".
std::string find_bad_row(const std::vector<LogitRows>& members) {
  for (std::size_t m = 0; m < members.size(); ++m) {
    if (const auto bad = members[m].first_bad_row()) {
      return fmt::format("member {}: row {} (from 0) has a logit that is NaN or infinite", m, *bad);
    }
  }
  return "";
}

/// ln of the mean over members of softmax(z): never from p itself, which may underflow.
LogitRows log_mean_probability(const std::vector<LogitRows>& members) {
  LogitRows pooled = members.front();
  const double log_members = std::log(static_cast<double>(members.size()));
  for (std::size_t b = 0; b < pooled.blocks().size(); ++b) {
    std::vector<LogitRows::Block> log_p;
    for (const auto& member : members) log_p.push_back(log_softmax(member.blocks()[b]));
    LogitRows::Block largest = log_p.front();
    for (const auto& block : log_p) largest = largest.max(block);
    LogitRows::Block sum = LogitRows::Block::Zero(largest.rows(), largest.cols());
    for (const auto& block : log_p) sum += exponential(block - largest);
    for (Eigen::Index c = 0; c < sum.cols(); ++c) {
      pooled.blocks()[b].col(c) = largest.col(c) + natural_logarithm(sum.col(c)) - log_members;
    }
  }
  return pooled;
}

/// The mean of softmax(beta_m z_m).
CalibratedOutputs mean_probability(const std::vector<LogitRows>& members,
                                   std::span<const double> beta) {
  CalibratedOutputs outputs;
  outputs.n_classes = members.front().n_classes();
  for (std::size_t b = 0; b < members.front().blocks().size(); ++b) {
    LogitRows::Block sum = softmax(beta[0] * members[0].blocks()[b]);
    for (std::size_t m = 1; m < members.size(); ++m) {
      sum += softmax(beta[m] * members[m].blocks()[b]);
    }
    append_probabilities(outputs, sum / static_cast<double>(members.size()));
  }
  return outputs;
}

EnsembleFit fit_pooled(const LogitRows& pooled, std::span<const std::int32_t> labels,
                       std::string_view what) {
  const CalibratorFit fit = fit_calibrator("temperature", pooled, labels, what);
  if (!fit.calibrator) return {nullptr, fit.reason};
  auto ensemble = std::make_unique<FittedEnsemble>();
  ensemble->parameters = fit.calibrator->parameters;
  for (const auto& parameter : ensemble->parameters) {
    if (parameter.name == "beta") ensemble->beta = {parameter.value.value};
  }
  return {std::move(ensemble), ""};
}

EnsembleFit fit_members(const std::vector<LogitRows>& members, const LogitRows& pooled,
                        std::span<const std::int32_t> labels, std::string_view what) {
  auto ensemble = std::make_unique<FittedEnsemble>();
  for (std::size_t m = 0; m < members.size(); ++m) {
    const CalibratorFit fit = fit_calibrator("temperature", members[m], labels, what);
    if (!fit.calibrator) return {nullptr, fmt::format("member {}: {}", m, fit.reason)};
    for (const auto& parameter : fit.calibrator->parameters) {
      if (parameter.name == "beta") ensemble->beta.push_back(parameter.value.value);
      ensemble->parameters.push_back(
          {fmt::format("member {}: {}", m, parameter.name), parameter.value});
    }
  }
  ensemble->parameters.push_back({"nll_before", mean_nll(pooled, labels)});
  ensemble->parameters.push_back(
      {"nll_after", mean_nll(mean_probability(members, ensemble->beta), labels)});
  return {std::move(ensemble), ""};
}

}  // namespace

EnsembleFit fit_ensemble(EnsembleOrder order, MemberLogits members, std::int64_t n_classes,
                         std::span<const std::int32_t> labels, std::string_view what) {
  const auto rows = member_rows(members, n_classes, what);
  if (std::string bad = find_bad_row(rows); !bad.empty()) return {nullptr, std::move(bad)};
  const LogitRows pooled = log_mean_probability(rows);
  EnsembleFit fit = order == EnsembleOrder::PoolThenCalibrate
                        ? fit_pooled(pooled, labels, what)
                        : fit_members(rows, pooled, labels, what);
  if (fit.ensemble) {
    fit.ensemble->order = order;
    fit.ensemble->n_classes = n_classes;
    fit.ensemble->n_members = static_cast<std::int64_t>(members.size());
  }
  return fit;
}

CalibratedOutputs FittedEnsemble::apply(MemberLogits members, std::int64_t classes,
                                        std::string_view what) const {
  if (static_cast<std::int64_t>(members.size()) != n_members || classes != n_classes) {
    throw FormatError(
        fmt::format("{}: {} members of {} classes, but the ensemble was fitted with {} of {}", what,
                    members.size(), classes, n_members, n_classes));
  }
  const auto rows = member_rows(members, classes, what);
  if (const std::string bad = find_bad_row(rows); !bad.empty()) {
    throw FormatError(fmt::format("{}: {}", what, bad));
  }
  if (order == EnsembleOrder::CalibrateThenPool) return mean_probability(rows, beta);
  return scale_by_beta(log_mean_probability(rows), beta.front());
}

}  // namespace calsweep::analysis
