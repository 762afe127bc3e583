#include "analysis/ood/scores.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <utility>

#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

std::size_t checked_rows(std::size_t n_values, std::int64_t n_classes, std::string_view what) {
  if (n_classes < 1 || n_values % static_cast<std::size_t>(n_classes) != 0) {
    throw FormatError(
        fmt::format("{}: {} values are not rows of {} classes", what, n_values, n_classes));
  }
  return n_values / static_cast<std::size_t>(n_classes);
}

void check_temperature(double temperature, std::string_view what) {
  if (temperature > 0.0 && std::isfinite(temperature)) return;
  throw UsageError(
      fmt::format("{}: a temperature of {}; it must be positive and finite", what, temperature));
}

/// softmax(z / T) of one row, unnormalised: e_k = exp((z_k - max z) / T).
struct ShiftedRow {
  double largest = 0.0;  ///< max z
  double sum = 0.0;      ///< sum of e_k, in [1, K]
};

ShiftedRow shift_row(const float* z, std::size_t k, double temperature, std::size_t index,
                     std::string_view what, double* e) {
  double check = 0.0;  // the sum of finite floats in double cannot overflow
  for (std::size_t c = 0; c < k; ++c) check += static_cast<double>(z[c]);
  if (!std::isfinite(check)) {
    throw FormatError(
        fmt::format("{}: row {} (from 0) has a logit that is NaN or infinite", what, index));
  }
  ShiftedRow row;
  row.largest = static_cast<double>(*std::max_element(z, z + k));
  for (std::size_t c = 0; c < k; ++c) {
    e[c] = std::exp((static_cast<double>(z[c]) - row.largest) / temperature);
    row.sum += e[c];
  }
  return row;
}

/// -H = sum_k p_k ((z_k - max) / T) - log sum: no logarithm of a probability that underflows.
double negative_entropy_of(const float* z, std::size_t k, const ShiftedRow& row, double temperature,
                           const double* e) {
  double weighted = 0.0;
  for (std::size_t c = 0; c < k; ++c) {
    if (e[c] == 0.0) continue;  // the exponent may be infinite for a tiny T
    weighted += e[c] * ((static_cast<double>(z[c]) - row.largest) / temperature);
  }
  return std::min(0.0, weighted / row.sum - std::log(row.sum));
}

}  // namespace

std::span<const OodScoreDefinition> ood_score_definitions() {
  static constexpr std::array kDefinitions = {
      OodScoreDefinition{OodScore::MaxSoftmax, "max_softmax", "max_k softmax(z / T)_k",
                         "Hendrycks & Gimpel 2017 (T = 1)", false, true},
      OodScoreDefinition{OodScore::NegativeEntropy, "negative_entropy",
                         "sum_k p_k log p_k, p = softmax(z / T), nats", "Shannon entropy, negated",
                         false, true},
      OodScoreDefinition{OodScore::MaxLogit, "max_logit", "max_k z_k", "Hendrycks et al. 2022",
                         true, false},
      OodScoreDefinition{OodScore::Energy, "energy", "-E = T log sum_k exp(z_k / T)",
                         "Liu et al. 2020", true, true},
  };
  return kDefinitions;
}

const std::vector<double>& OodScores::of(OodScore score) const {
  switch (score) {
    case OodScore::MaxSoftmax:
      return max_softmax;
    case OodScore::NegativeEntropy:
      return negative_entropy;
    case OodScore::MaxLogit:
      return max_logit;
    case OodScore::Energy:
      break;
  }
  return energy;
}

std::vector<double>& OodScores::of(OodScore score) {
  return const_cast<std::vector<double>&>(std::as_const(*this).of(score));
}

OodScores ood_scores(std::span<const float> logits, std::int64_t n_classes, double temperature,
                     std::string_view what) {
  const std::size_t n = checked_rows(logits.size(), n_classes, what);
  check_temperature(temperature, what);
  const auto k = static_cast<std::size_t>(n_classes);
  OodScores made;
  for (auto* column : {&made.max_softmax, &made.negative_entropy, &made.max_logit, &made.energy}) {
    column->resize(n);
  }
  std::vector<double> e(k);
  for (std::size_t i = 0; i < n; ++i) {
    const float* z = logits.data() + i * k;
    const auto row = shift_row(z, k, temperature, i, what, e.data());
    made.max_softmax[i] = 1.0 / row.sum;
    made.negative_entropy[i] = negative_entropy_of(z, k, row, temperature, e.data());
    made.max_logit[i] = row.largest;
    made.energy[i] = row.largest + temperature * std::log(row.sum);
  }
  return made;
}

OodScores ood_scores(std::span<const double> probabilities, std::int64_t n_classes,
                     std::string_view what) {
  const std::size_t n = checked_rows(probabilities.size(), n_classes, what);
  const auto k = static_cast<std::size_t>(n_classes);
  OodScores made;
  made.max_softmax.resize(n);
  made.negative_entropy.resize(n);
  for (std::size_t i = 0; i < n; ++i) {
    const double* p = probabilities.data() + i * k;
    double sum = 0.0;
    for (std::size_t c = 0; c < k; ++c) {
      if (!(p[c] >= 0.0 && p[c] <= 1.0)) {
        throw FormatError(fmt::format("{}: row {} (from 0) has a probability of {}, not in [0, 1]",
                                      what, i, p[c]));
      }
      if (p[c] > 0.0) sum += p[c] * std::log(p[c]);
    }
    made.max_softmax[i] = *std::max_element(p, p + k);
    made.negative_entropy[i] = sum;
  }
  return made;
}

std::vector<double> tempered_probabilities(std::span<const float> logits, std::int64_t n_classes,
                                           double temperature, std::string_view what) {
  const std::size_t n = checked_rows(logits.size(), n_classes, what);
  check_temperature(temperature, what);
  const auto k = static_cast<std::size_t>(n_classes);
  std::vector<double> p(logits.size());
  for (std::size_t i = 0; i < n; ++i) {
    double* e = p.data() + i * k;
    const auto row = shift_row(logits.data() + i * k, k, temperature, i, what, e);
    for (std::size_t c = 0; c < k; ++c) e[c] /= row.sum;
  }
  return p;
}

std::vector<std::int64_t> least_certain_rows(std::span<const double> scores, std::int64_t limit) {
  std::vector<std::int64_t> rows(scores.size());
  std::iota(rows.begin(), rows.end(), 0);
  const auto taken = static_cast<std::ptrdiff_t>(
      std::clamp<std::int64_t>(limit, 0, static_cast<std::int64_t>(rows.size())));
  std::partial_sort(rows.begin(), rows.begin() + taken, rows.end(),
                    [&](std::int64_t a, std::int64_t b) {
                      const double x = scores[static_cast<std::size_t>(a)];
                      const double y = scores[static_cast<std::size_t>(b)];
                      return x != y ? x < y : a < b;
                    });
  rows.resize(static_cast<std::size_t>(taken));
  return rows;
}

}  // namespace calsweep::analysis
