#include "analysis/ood/odin_sets.hpp"

namespace calsweep::analysis {

OodScores odin_scores(const OdinSet& set, std::span<const float> logits, std::int64_t n_classes,
                      std::string_view what) {
  return ood_scores(logits, n_classes, set.temperature, what);
}

}  // namespace calsweep::analysis
