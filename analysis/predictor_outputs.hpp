// One input set as a predictor gives it, in the forms that the summaries need. Networks, imported
// probabilities and ensembles differ only in how this is made.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/metrics/predictions.hpp"
#include "analysis/ood/scores.hpp"
#include "analysis/predictor_data.hpp"

namespace calsweep::analysis {

struct SetOutputs {
  std::string set, what;
  std::int64_t n_classes = 0;
  std::vector<std::int32_t> labels;   ///< [n]; empty for "ood/…"
  std::vector<float> logits;          ///< [n, n_classes]; of probabilities their logarithms
  std::vector<double> probabilities;  ///< [n, n_classes]
  Predictions predictions;
  bool has_logits = false;  ///< false: max-logit and energy do not exist
};

/// Of one network. Throws FormatError.
SetOutputs outputs_of(const SetData& set, std::int64_t n_classes);
/// Of class probabilities, such as those of an ensemble. Throws FormatError.
SetOutputs outputs_of(std::string set, std::string what, std::int64_t n_classes,
                      std::vector<std::int32_t> labels, std::vector<double> probabilities);

/// The least probability whose logarithm is taken, 2^-126: the smallest normal float32, ln of which
/// is -87.34. A softmax in float32 that flushes subnormal numbers, as our trainer's, writes 0 for
/// everything below, so a 0 says no more than "at most this". dirichletcal clips there too (`tiny`
/// of the record's type); netcal clips at `eps`, 2.2e-16, which would also raise probabilities that
/// are there to see. The same for float64 records: the type of a file does not change a fit.
inline constexpr double kLeastProbability = 0x1p-126;

/// ln max(p, kLeastProbability) as float32: what stands in for logits where there are only
/// probabilities (softmax of it is p again, to 1e-37).
std::vector<float> log_probabilities(const std::vector<double>& probabilities);

/// Detection scores of the outputs as they are.
OodScores scores_of(const SetOutputs& outputs);

/// The set of that name, or null.
const SetOutputs* find_set(const std::vector<SetOutputs>& sets, std::string_view name);

}  // namespace calsweep::analysis
