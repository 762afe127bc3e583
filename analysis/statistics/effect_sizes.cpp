#include "analysis/statistics/effect_sizes.hpp"

#include "analysis/metrics/auroc.hpp"
#include "analysis/statistics/paired_differences.hpp"
#include "analysis/statistics/paired_t.hpp"

namespace calsweep::analysis {

PairedEffects paired_effects(std::span<const double> first, std::span<const double> second) {
  const auto differences = paired_differences(first, second);
  PairedEffects effects;
  effects.cohen_dz = paired_t_test(differences.values, differences.tolerance).cohen_dz;
  if (first.empty()) {
    effects.common_language = effects.vargha_delaney_a = Measured::none("no pairs");
    return effects;
  }
  double larger = 0.0;
  for (const double d : differences.values) {
    if (d > differences.tolerance) {
      larger += 1.0;
    } else if (d >= -differences.tolerance) {
      larger += 0.5;
    }
  }
  effects.common_language = Measured::of(larger / static_cast<double>(first.size()));
  effects.vargha_delaney_a = auroc(first, second);
  return effects;
}

}  // namespace calsweep::analysis
