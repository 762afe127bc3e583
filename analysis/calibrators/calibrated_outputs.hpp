// How the calibrators write their outputs, block by block, and the figures every fit reports.
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <span>

#include "analysis/calibrators/calibrator.hpp"
#include "analysis/calibrators/logit_rows.hpp"

namespace calsweep::analysis {

/// Appends a block of probabilities [rows, K]; `predicted` [rows] says whose is the confidence.
void append_probabilities(CalibratedOutputs& outputs, const LogitRows::Block& probabilities,
                          const Eigen::ArrayXi& predicted);
/// The same with the first largest probability as the predicted class.
void append_probabilities(CalibratedOutputs& outputs, const LogitRows::Block& probabilities);

/// Mean NLL in nats of softmax(z); labels [n]. No rows: no value.
Measured mean_nll(const LogitRows& rows, std::span<const std::int32_t> labels);
/// Mean NLL of probabilities; no value where a label has probability 0, or for top-label outputs.
Measured mean_nll(const CalibratedOutputs& outputs, std::span<const std::int32_t> labels);

}  // namespace calsweep::analysis
