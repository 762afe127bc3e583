#include "analysis/metrics/tally_pass.hpp"

#include <array>
#include <bit>

#include "analysis/metrics/row_block.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

constexpr std::int64_t kMostUnspilled = 8192;

/// units_of() for 0 <= x <= 2, by the bits of a sum with a unit of 2^-50.
std::int64_t units_up_to_2(double x) {
  return std::bit_cast<std::int64_t>(x + 6.0) - std::bit_cast<std::int64_t>(6.0);
}

}  // namespace

TallyPass::TallyPass(Tally& tally)
    : tally_(tally), cells_(tally.cells_.size()), classwise_(tally.classwise_.size()) {}

void TallyPass::add(const RowBlock& block) {
  CALSWEEP_CHECK(block.n_classes() == tally_.n_classes(), "a block of the tally's classes");
  if (n_unspilled_ + block.n_rows() > kMostUnspilled) spill();
  tally_.start_rows(block.n_rows(), block.labelled(), true, "one set");
  n_unspilled_ += block.n_rows();
  add_top_labels(block);
  add_sums(block);
  add_classwise(block);
}

void TallyPass::add_top_labels(const RowBlock& block) {
  const auto n = static_cast<std::size_t>(block.n_rows());
  const auto& cell_of_row = CellLookup::instance();
  if (tally_.histogram_) {
    tally_.histogram_->add(block.confidence_f32.data(), block.counted.data(), n);
  }
  // Pointers that the stores below cannot change.
  Cell* const cells = cells_.data();
  ClassSums* const classes = tally_.classes_.data();
  const float* const confidence = block.confidence_f32.data();
  const std::int64_t* const units = block.confidence_f32_units.data();
  const std::uint64_t* const counted = block.counted.data();
  const std::int32_t* const predicted = block.predicted.data();
  for (std::size_t r = 0; r < n; ++r) {
    cells[cell_of_row(confidence[r])].add(counted[r], units[r]);
    ++classes[predicted[r]].predicted;
  }
}

void TallyPass::add_sums(const RowBlock& block) {
  tally_.confidence_.add_units(block.units.confidence);
  tally_.entropy_.add_units(block.units.entropy);
  for (std::size_t k = 0; k < tally_.classes_.size(); ++k) {
    const auto* part = block.class_units.data() + 4 * k;
    tally_.classes_[k].probability.add_units(part[0] + part[1] + part[2] + part[3]);
  }
  if (!block.labelled()) return;
  for (const auto label : block.labels()) {
    ++tally_.classes_[static_cast<std::size_t>(label)].labels;
  }
  tally_.brier_.add_units(block.label_units.brier);
  tally_.nll_.add_units(block.label_units.nll);
  for (auto rows = block.label_units.large; rows != 0; rows &= rows - 1) {
    const auto r = static_cast<std::size_t>(std::countr_zero(rows));
    tally_.add_large_nll(block.nll[r], block.nll_units[r]);
  }
}

/// Most probabilities lie in the first bin: only the others are counted here, and the first bin is
/// what is left of the class (classwise_bins()).
void TallyPass::add_classwise(const RowBlock& block) {
  const auto& edges = ClasswiseEdges::instance();
  static constexpr auto kNoLabels = [] {
    std::array<std::int32_t, RowBlock::kMostRows> none{};
    none.fill(-1);
    return none;
  }();
  const std::int32_t* const labels = block.labelled() ? block.labels().data() : kNoLabels.data();
  const std::uint64_t* const above = block.above.data();
  const std::int32_t n_classes = static_cast<std::int32_t>(block.n_classes());
  Cell* bins = classwise_.data();
  for (std::int32_t k = 0; k < n_classes; ++k, bins += kClasswiseBins) {
    const double* p = block.probability(k);
    for (auto rows = above[k]; rows != 0; rows &= rows - 1) {
      const auto r = static_cast<std::size_t>(std::countr_zero(rows));
      const auto units = units_up_to_2(p[r]);
      const std::uint64_t is_label = labels[r] == k ? 1 : 0;
      bins[edges.bin_of(p[r], units)].add(1 + (is_label << 32), units);
    }
  }
}

void TallyPass::spill() {
  spill(cells_, tally_.cells_);
  spill(classwise_, tally_.classwise_);
  n_unspilled_ = 0;
}

void TallyPass::spill(std::vector<Cell>& cells, std::vector<CellSums>& to) {
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (cells[i].counted == 0) continue;
    to[i].count += static_cast<std::int64_t>(cells[i].counted & 0xFFFFFFFF);
    to[i].correct += static_cast<std::int64_t>(cells[i].counted >> 32);
    to[i].confidence.units += cells[i].units;
    cells[i] = {};
  }
}

}  // namespace calsweep::analysis
