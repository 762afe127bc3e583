// Scores formed from the logits of ODIN's perturbed inputs (sweeps/odin_set.hpp).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "analysis/ood/scores.hpp"
#include "sweeps/odin_set.hpp"

namespace calsweep::analysis {

/// The ODIN score is max_softmax of these: softmax(z(x~) / T). `energy` is T log sum exp(z(x~) /
/// T); what the noise warm-up paper's code calls energy is the energy of z(x~) at temperature 1:
/// ood_scores(logits, n_classes, 1.0, what).energy. Throws as ood_scores.
OodScores odin_scores(const OdinSet& set, std::span<const float> logits, std::int64_t n_classes,
                      std::string_view what);

}  // namespace calsweep::analysis
