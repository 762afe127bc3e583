#include "analysis/metrics/tally.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "analysis/metrics/row_block.hpp"
#include "analysis/metrics/tally_pass.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

constexpr double kVectorLimit = 64.0;  // NLL terms the kernel rounds itself
constexpr double kLargestNll = 0x1p32;

void merge_into(std::vector<CellSums>& cells, const std::vector<CellSums>& other) {
  for (std::size_t i = 0; i < cells.size(); ++i) {
    cells[i].count += other[i].count;
    cells[i].correct += other[i].correct;
    cells[i].confidence.merge(other[i].confidence);
  }
}

}  // namespace

Tally::Tally(std::int64_t n_classes, Histogram histogram) {
  CALSWEEP_CHECK(n_classes >= 0, "a number of classes is not negative");
  cells_.resize(confidence_cells().size());
  classes_.resize(static_cast<std::size_t>(n_classes));
  classwise_.resize(static_cast<std::size_t>(n_classes * kClasswiseBins));
  if (histogram == Histogram::Kept) histogram_ = std::make_unique<ConfidenceHistogram>();
}

Tally::Tally(const Tally& other) { *this = other; }
Tally::Tally(Tally&&) noexcept = default;
Tally& Tally::operator=(Tally&&) noexcept = default;
Tally::~Tally() = default;

Tally& Tally::operator=(const Tally& other) {
  if (this == &other) return *this;
  n_rows_ = other.n_rows_;
  labelled_ = other.labelled_;
  has_probabilities_ = other.has_probabilities_;
  confidence_ = other.confidence_;
  nll_ = other.nll_;
  brier_ = other.brier_;
  entropy_ = other.entropy_;
  n_nll_infinite_ = other.n_nll_infinite_;
  n_nll_beyond_ = other.n_nll_beyond_;
  cells_ = other.cells_;
  classes_ = other.classes_;
  classwise_ = other.classwise_;
  histogram_ =
      other.histogram_ ? std::make_unique<ConfidenceHistogram>(*other.histogram_) : nullptr;
  return *this;
}

bool Tally::operator==(const Tally& other) const {
  const bool same_histogram = (histogram_ == nullptr) == (other.histogram_ == nullptr) &&
                              (histogram_ == nullptr || *histogram_ == *other.histogram_);
  return same_histogram && n_rows_ == other.n_rows_ && labelled_ == other.labelled_ &&
         has_probabilities_ == other.has_probabilities_ && confidence_ == other.confidence_ &&
         nll_ == other.nll_ && brier_ == other.brier_ && entropy_ == other.entropy_ &&
         n_nll_infinite_ == other.n_nll_infinite_ && n_nll_beyond_ == other.n_nll_beyond_ &&
         cells_ == other.cells_ && classes_ == other.classes_ && classwise_ == other.classwise_;
}

void Tally::start_rows(std::int64_t n, bool labelled, bool probabilities, std::string_view what) {
  if (n == 0) return;
  if (n_rows_ > 0 && labelled != labelled_) {
    throw FormatError(fmt::format(
        "{}: {} rows with and without labels cannot be counted together; give all their labels, "
        "or count the rows without labels as a set of their own",
        what, n));
  }
  labelled_ = labelled;
  has_probabilities_ = has_probabilities_ && probabilities;
  n_rows_ += n;
}

template <class Real>
void Tally::add_values(std::span<const Real> values, bool are_logits,
                       std::span<const std::int32_t> labels, std::string_view what) {
  if (checked_rows(values.size(), n_classes(), labels, what) == 0) return;
  RowBlock block(n_classes());
  TallyPass pass(*this);
  block.for_each(values, are_logits, labels, what,
                 [&pass](const RowBlock& filled) { pass.add(filled); });
}

void Tally::add_logits(std::span<const float> logits, std::span<const std::int32_t> labels,
                       std::string_view what) {
  add_values(logits, true, labels, what);
}
void Tally::add_probabilities(std::span<const float> probabilities,
                              std::span<const std::int32_t> labels, std::string_view what) {
  add_values(probabilities, false, labels, what);
}
void Tally::add_probabilities(std::span<const double> probabilities,
                              std::span<const std::int32_t> labels, std::string_view what) {
  add_values(probabilities, false, labels, what);
}

void Tally::add_top_label(std::span<const double> confidence,
                          std::span<const std::int32_t> predicted,
                          std::span<const std::int32_t> labels, std::string_view what) {
  if (confidence.size() != predicted.size()) {
    throw FormatError(fmt::format("{}: {} confidences, but {} predicted classes", what,
                                  confidence.size(), predicted.size()));
  }
  if (!predicted.empty()) {
    checked_rows(predicted.size() * classes_.size(), n_classes(), predicted,
                 fmt::format("{}, predicted classes", what));
  }
  checked_rows(predicted.size() * classes_.size(), n_classes(), labels, what);
  for (std::size_t i = 0; i < confidence.size(); ++i) {
    if (confidence[i] >= 0.0 && confidence[i] <= 1.0) continue;
    throw FormatError(fmt::format("{}: row {} (from 0) has a confidence of {}, not in [0, 1]", what,
                                  i, confidence[i]));
  }
  start_rows(static_cast<std::int64_t>(confidence.size()), !labels.empty(), false, what);
  for (std::size_t i = 0; i < confidence.size(); ++i) {
    const auto rounded = static_cast<float>(confidence[i]) + 0.0F;
    const auto right = !labels.empty() && labels[i] == predicted[i];
    auto& cell = cells_[CellLookup::instance()(rounded)];
    ++cell.count;
    cell.correct += right ? 1 : 0;
    cell.confidence.units += units_of(static_cast<double>(rounded));
    confidence_.units += units_of(confidence[i]);
    ++classes_[static_cast<std::size_t>(predicted[i])].predicted;
    const std::uint64_t counted = 1 + (std::uint64_t{right} << 32);
    if (histogram_) histogram_->add(&rounded, &counted, 1);
    if (!labels.empty()) ++classes_[static_cast<std::size_t>(labels[i])].labels;
  }
}

void Tally::add_large_nll(double nll, std::int64_t units) {
  if (nll <= kVectorLimit) {
    nll_.add_units(units);
  } else if (nll <= kLargestNll) {
    nll_.units += units_of(nll);
  } else {
    ++(std::isinf(nll) ? n_nll_infinite_ : n_nll_beyond_);
  }
}

void Tally::merge(const Tally& other) {
  if (other.n_rows_ == 0) return;
  if (n_rows_ == 0 && n_classes() == 0) {
    *this = other;
    return;
  }
  if (n_classes() != other.n_classes()) {
    throw FormatError(fmt::format("sums over {} and {} classes cannot be merged", n_classes(),
                                  other.n_classes()));
  }
  start_rows(other.n_rows_, other.labelled_, other.has_probabilities_, "merging");
  confidence_.merge(other.confidence_);
  nll_.merge(other.nll_);
  brier_.merge(other.brier_);
  entropy_.merge(other.entropy_);
  n_nll_infinite_ += other.n_nll_infinite_;
  n_nll_beyond_ += other.n_nll_beyond_;
  merge_into(cells_, other.cells_);
  merge_into(classwise_, other.classwise_);
  for (std::size_t k = 0; k < classes_.size(); ++k) {
    classes_[k].predicted += other.classes_[k].predicted;
    classes_[k].labels += other.classes_[k].labels;
    classes_[k].probability.merge(other.classes_[k].probability);
  }
  if (!histogram_) return;
  CALSWEEP_CHECK(other.histogram_ != nullptr, "a histogram on both sides of a merge");
  histogram_->merge(*other.histogram_);
}

}  // namespace calsweep::analysis
