#include "analysis/calibrators/calibrated_outputs.hpp"

#include <cmath>

namespace calsweep::analysis {

void append_probabilities(CalibratedOutputs& outputs, const LogitRows::Block& probabilities,
                          const Eigen::ArrayXi& predicted) {
  const Eigen::Index rows = probabilities.rows();
  const Eigen::Index k = probabilities.cols();
  outputs.n_classes = k;
  const std::size_t start = outputs.probabilities.size();
  outputs.probabilities.resize(start + static_cast<std::size_t>(rows * k));
  using RowMajor = Eigen::Array<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  Eigen::Map<RowMajor>(outputs.probabilities.data() + start, rows, k) = probabilities;
  for (Eigen::Index i = 0; i < rows; ++i) {
    outputs.confidence.push_back(probabilities(i, predicted(i)));
    outputs.predicted.push_back(predicted(i));
  }
}

void append_probabilities(CalibratedOutputs& outputs, const LogitRows::Block& probabilities) {
  append_probabilities(outputs, probabilities, first_largest(probabilities));
}

Measured mean_nll(const LogitRows& rows, std::span<const std::int32_t> labels) {
  if (rows.n_rows() == 0) return Measured::none("the set is empty");
  double sum = 0.0;
  std::size_t row = 0;
  for (const auto& block : rows.blocks()) {
    const LogitRows::Block log_p = log_softmax(block);
    for (Eigen::Index i = 0; i < log_p.rows(); ++i) sum -= log_p(i, labels[row++]);
  }
  return Measured::of(sum / static_cast<double>(rows.n_rows()));
}

Measured mean_nll(const CalibratedOutputs& outputs, std::span<const std::int32_t> labels) {
  if (outputs.n_rows() == 0) return Measured::none("the set is empty");
  if (outputs.probabilities.empty()) {
    return Measured::none("a top-label calibrator gives no probability of the label");
  }
  const auto k = static_cast<std::size_t>(outputs.n_classes);
  double sum = 0.0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    sum -= std::log(outputs.probabilities[i * k + static_cast<std::size_t>(labels[i])]);
  }
  if (std::isinf(sum)) return Measured::none("infinite: a label has probability zero");
  return Measured::of(sum / static_cast<double>(outputs.n_rows()));
}

}  // namespace calsweep::analysis
