#include "analysis/ensembles/members.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

void check_probabilities(const MemberProbabilities& member, std::size_t k, std::string_view what) {
  for (std::size_t i = 0; i < member.probabilities.size(); ++i) {
    const double p = member.probabilities[i];
    if (p >= 0.0 && p <= 1.0) continue;
    throw FormatError(
        fmt::format("{}: member {}, row {} (from 0) has a probability of {}, not in [0, 1]", what,
                    member.id, i / k, p));
  }
}

}  // namespace

EnsembleView::EnsembleView(std::span<const MemberProbabilities> members, std::int64_t n_classes,
                           std::string_view what)
    : members_(members.begin(), members.end()), n_classes_(static_cast<std::size_t>(n_classes)) {
  if (members_.empty()) throw UsageError(fmt::format("{}: an ensemble without members", what));
  std::sort(members_.begin(), members_.end(),
            [](const auto& a, const auto& b) { return a.id < b.id; });
  const std::size_t n_values = members_.front().probabilities.size();
  if (n_classes < 1 || n_values % n_classes_ != 0) {
    throw FormatError(fmt::format("{}: {} probabilities of member {} are not rows of {} classes",
                                  what, n_values, members_.front().id, n_classes));
  }
  n_rows_ = n_values / n_classes_;
  for (std::size_t m = 0; m < members_.size(); ++m) {
    if (m > 0 && members_[m].id == members_[m - 1].id) {
      throw UsageError(fmt::format("{}: member {} is given twice", what, members_[m].id));
    }
    if (members_[m].probabilities.size() != n_values) {
      throw FormatError(fmt::format("{}: member {} has {} probabilities, member {} has {}", what,
                                    members_[m].id, members_[m].probabilities.size(),
                                    members_.front().id, n_values));
    }
    check_probabilities(members_[m], n_classes_, what);
  }
}

std::size_t EnsembleView::n_distinct_members() const {
  DistinctMembers distinct(n_members());
  distinct.add(*this);
  return distinct.count();
}

void DistinctMembers::add(const EnsembleView& rows) {
  for (std::size_t m = 0; m < n_members_; ++m) {
    const auto mine = rows.probabilities(m);
    for (std::size_t other = 0; other < m; ++other) {
      const auto at = m * n_members_ + other;
      equal_[at] =
          equal_[at] && std::equal(mine.begin(), mine.end(), rows.probabilities(other).begin());
    }
  }
}

std::size_t DistinctMembers::count() const {
  std::size_t distinct = 0;
  for (std::size_t m = 0; m < n_members_; ++m) {
    const auto row = equal_.begin() + static_cast<std::ptrdiff_t>(m * n_members_);
    if (std::find(row, row + static_cast<std::ptrdiff_t>(m), true) ==
        row + static_cast<std::ptrdiff_t>(m)) {
      ++distinct;
    }
  }
  return distinct;
}

std::vector<double> pooled_probabilities(const EnsembleView& ensemble) {
  std::vector<double> pooled(ensemble.n_rows() * ensemble.n_classes(), 0.0);
  for (std::size_t m = 0; m < ensemble.n_members(); ++m) {
    const auto member = ensemble.probabilities(m);
    for (std::size_t i = 0; i < pooled.size(); ++i) pooled[i] += member[i];
  }
  const double n = static_cast<double>(ensemble.n_members());
  for (auto& p : pooled) p = std::min(1.0, p / n);
  return pooled;
}

}  // namespace calsweep::analysis
