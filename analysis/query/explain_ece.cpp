#include "analysis/query/explain_ece.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>

#include <algorithm>

#include "analysis/metrics/bin_finder.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

/// Rows that share a confidence, or a confidence cell.
struct Mass {
  float confidence;
  std::int64_t count;
};

struct Subject {
  const Tally* tally;
  const Predictions* rows;  // null: only the tally is there

  bool served(const Convention& convention, std::int64_t n_bins) const {
    const auto known = registered_bins(convention);
    return std::find(known.begin(), known.end(), n_bins) != known.end();
  }
  CalibrationError error(const Convention& convention, std::int64_t n_bins) const {
    if (rows != nullptr) return rows->calibration_error(convention, n_bins);
    if (served(convention, n_bins)) return tally->calibration_error(convention, n_bins);
    const auto none = Measured::none("its edges depend on the number of rows: give the rows");
    return {none, none, none, none};
  }
  std::vector<ReliabilityBin> bins(const Convention& convention, std::int64_t n_bins) const {
    if (served(convention, n_bins)) return tally->reliability_bins(convention, n_bins);
    if (rows == nullptr) return {};
    return reliability_bins(convention, n_bins, rows->confidence_f32, rows->correct);
  }
};

/// Rows strictly between 0 and 1 that guo2017 puts into another bin, with the same number of bins.
std::int64_t moved_rows(const Subject& subject, const Convention& convention, std::int64_t n_bins) {
  std::vector<Mass> masses;
  const auto& guo = find_convention("guo2017");
  if (subject.served(convention, n_bins) && subject.served(guo, n_bins)) {
    const auto cells = confidence_cells();
    for (std::size_t i = 0; i < cells.size(); ++i) {
      masses.push_back({cells[i].first, subject.tally->cells()[i].count});
    }
  } else if (subject.rows != nullptr) {
    for (const float c : subject.rows->confidence_f32) masses.push_back({c, 1});
  }
  const BinFinder reference(guo, n_bins);
  const BinFinder finder(convention, n_bins, subject.tally->n_rows());
  std::int64_t moved = 0;
  for (const auto& mass : masses) {
    if (mass.confidence <= 0.0F || mass.confidence >= 1.0F) continue;
    if (finder.bin_of(mass.confidence) != reference.bin_of(mass.confidence)) moved += mass.count;
  }
  return moved;
}

std::string rows_text(std::int64_t n) { return fmt::format("{} row{}", n, n == 1 ? "" : "s"); }

std::string reasons(const Subject& subject, const Convention& convention, std::int64_t n_bins) {
  std::vector<std::string> parts;
  if (const auto moved = moved_rows(subject, convention, n_bins); moved > 0) {
    parts.push_back(convention.bin_rule == BinRule::RowsLinspace
                        ? fmt::format("other edges: {} in another bin", rows_text(moved))
                        : fmt::format("{} on a bin edge in another bin", rows_text(moved)));
  }
  const auto ones = subject.tally->n_saturated();
  if (ones > 0 && convention.at_one == AtOne::OwnBin) {
    parts.push_back(
        fmt::format("{} of confidence exactly 1 in a bin of their own", rows_text(ones)));
  }
  if (ones > 0 && convention.at_one == AtOne::Dropped) {
    parts.push_back(fmt::format("{} of confidence exactly 1 dropped, from the denominator too",
                                rows_text(ones)));
  }
  const auto zeros = subject.tally->n_zero();
  if (zeros > 0 && convention.at_zero == AtZero::FirstBin) {
    parts.push_back(fmt::format("{} of confidence 0 in the first bin", rows_text(zeros)));
  }
  if (convention.confidence == BinConfidence::Midpoint) {
    parts.push_back("bin midpoints instead of mean confidences");
  }
  if (convention.empty_bins == EmptyBins::AccuracyZero) {
    const auto bins = subject.bins(convention, n_bins);
    const auto empty =
        std::count_if(bins.begin(), bins.end(), [](const auto& bin) { return bin.count == 0; });
    if (empty > 0) parts.push_back(fmt::format("MCE counts {} empty bins as gaps", empty));
  }
  if (convention.maximum == Maximum::CountTimesGap) {
    parts.push_back("its MCE is a count times a gap");
  }
  if (convention.name == "guo2017") return "the others are compared with this one";
  return parts.empty() ? "the same bins on these rows" : fmt::format("{}", fmt::join(parts, "; "));
}

/// Sums over other bins differ in the last bits: that is no difference of conventions.
constexpr double kRoundingNoise = 1e-12;

QueryValue cell(const Measured& value) {
  if (!value.has_value()) return std::monostate{};
  return value.value;
}

std::vector<QueryValue> line_for(const Subject& subject, const Convention& convention,
                                 std::int64_t n_bins) {
  const auto error = subject.error(convention, n_bins);
  const auto& guo = find_convention("guo2017");
  const bool comparable = subject.rows != nullptr || subject.served(guo, n_bins);
  const auto reference =
      comparable ? subject.error(guo, n_bins).ece : Measured::none("not served by the cells");
  QueryValue difference;
  if (error.ece.has_value() && reference.has_value()) {
    const double d = error.ece.value - reference.value;
    difference = std::abs(d) <= kRoundingNoise ? 0.0 : d;
  }
  auto why = reasons(subject, convention, n_bins);
  if (n_bins != guo.default_bins) why = fmt::format("{} bins, not 15; {}", n_bins, why);
  for (const auto& value : {error.ece, error.mce}) {
    if (value.has_value() || why.ends_with(value.null_reason)) continue;
    why += "; no value: " + value.null_reason;
  }
  return {std::string(convention.name),
          n_bins,
          cell(error.ece),
          difference,
          cell(error.mce),
          cell(error.rmsce),
          cell(error.oe),
          subject.tally->n_rows(),
          error.n_unbinned,
          edges_in_words(convention),
          why,
          std::string(convention.source)};
}

QueryTable explain(const Subject& subject, std::int64_t n_bins) {
  if (n_bins < 0 || n_bins > (1 << 20)) {
    throw UsageError(
        fmt::format("{} bins: give between 1 and 2^20, or 0 for each convention's own", n_bins));
  }
  if (subject.tally->n_rows() > 0 && !subject.tally->labelled()) {
    throw UsageError("a calibration error needs labels, and these rows have none");
  }
  QueryTable table;
  table.columns = {"convention", "bins",   "ece",        "minus_guo2017", "mce", "rmsce",
                   "oe",         "n_rows", "n_unbinned", "edges",         "why", "source"};
  for (const auto& convention : conventions()) {
    table.rows.push_back(
        line_for(subject, convention, n_bins == 0 ? convention.default_bins : n_bins));
  }
  return table;
}

}  // namespace

QueryTable explain_ece(const Predictions& predictions, std::int64_t n_bins) {
  return explain({&predictions.tally, &predictions}, n_bins);
}

QueryTable explain_ece(const Tally& tally, std::int64_t n_bins) {
  if (n_bins != 0) bins_of_cells(find_convention("guo2017"), n_bins);
  return explain({&tally, nullptr}, n_bins);
}

}  // namespace calsweep::analysis
