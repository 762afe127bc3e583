#include "analysis/statistics/multiplicity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

enum class Scale { Probability, Log10 };

double harmonic_number(std::size_t m) {
  double sum = 0.0;
  for (std::size_t i = m; i > 0; --i) sum += 1.0 / static_cast<double>(i);
  return sum;
}

/// What the k-th smallest (from 0) of m p values is multiplied by; Benjamini-Yekutieli: times the
/// harmonic number of m.
double factor(Correction correction, std::size_t k, std::size_t m) {
  const auto size = static_cast<double>(m);
  const auto rank = static_cast<double>(k + 1);
  switch (correction) {
    case Correction::Bonferroni:
      return size;
    case Correction::Holm:
    case Correction::Hochberg:
      return size - rank + 1.0;
    case Correction::BenjaminiHochberg:
    case Correction::BenjaminiYekutieli:
      return size / rank;
  }
  return size;
}

void check(const Measured& p, Scale scale) {
  const double v = p.value;
  if (scale == Scale::Probability ? v >= 0.0 && v <= 1.0 : v <= 0.0) return;
  throw FormatError(fmt::format(
      "correction for many tests: {} is not {}", v,
      scale == Scale::Probability ? "a probability" : "the logarithm of a probability"));
}

/// Step-down: the running maximum from the smallest p. Step-up: the running minimum from the
/// largest.
void make_monotone(Correction correction, std::span<double> sorted) {
  if (correction == Correction::Bonferroni) return;
  if (correction == Correction::Holm) {
    for (std::size_t k = 1; k < sorted.size(); ++k) sorted[k] = std::max(sorted[k], sorted[k - 1]);
    return;
  }
  for (std::size_t k = sorted.size(); k-- > 1;) {
    sorted[k - 1] = std::min(sorted[k], sorted[k - 1]);
  }
}

std::vector<Measured> adjust(std::span<const Measured> values, Correction correction, Scale scale) {
  std::vector<Measured> adjusted(values.begin(), values.end());
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!values[i].has_value()) continue;
    check(values[i], scale);
    order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return values[a].value < values[b].value; });
  const double dependence =
      correction == Correction::BenjaminiYekutieli ? harmonic_number(order.size()) : 1.0;
  std::vector<double> sorted;
  for (std::size_t k = 0; k < order.size(); ++k) {
    const double multiplier = dependence * factor(correction, k, order.size());
    const double value = values[order[k]].value;
    sorted.push_back(scale == Scale::Probability ? std::min(1.0, multiplier * value)
                                                 : std::min(0.0, std::log10(multiplier) + value));
  }
  make_monotone(correction, sorted);
  for (std::size_t k = 0; k < order.size(); ++k) adjusted[order[k]].value = sorted[k];
  return adjusted;
}

}  // namespace

std::string_view to_string(Correction correction) {
  switch (correction) {
    case Correction::Bonferroni:
      return "bonferroni";
    case Correction::Holm:
      return "holm";
    case Correction::Hochberg:
      return "hochberg";
    case Correction::BenjaminiHochberg:
      return "benjamini-hochberg";
    case Correction::BenjaminiYekutieli:
      return "benjamini-yekutieli";
  }
  return "";
}

std::vector<Measured> adjust_p(std::span<const Measured> p_values, Correction correction) {
  return adjust(p_values, correction, Scale::Probability);
}

std::vector<Measured> adjust_log10_p(std::span<const Measured> log10_p_values,
                                     Correction correction) {
  return adjust(log10_p_values, correction, Scale::Log10);
}

std::vector<Measured> holm(std::span<const Measured> p_values) {
  return adjust_p(p_values, Correction::Holm);
}

}  // namespace calsweep::analysis
